"""Events of competitors: what a price monitor saw of an offer."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from catalog.selectors import products_named
from competitors.models import PriceHistory
from mlops.streams.event_types import Event, EventData, EventType, declare


class OfferSeen(EventData):
    """What a shop asks for a product of ours, and whether it has it; a price without the other is fine."""

    competitor: str = Field(min_length=1, max_length=100)
    product: str = Field(max_length=50, description="our id or SKU")
    price: Decimal | None = Field(default=None, ge=0, le=100_000, decimal_places=2)
    in_stock: bool | None = None


def observe(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Write one observation an event, under the event's own id."""
    products = products_named(event.data.product for event in events)
    refused = {
        e.id: f"product {e.data.product} is not known"
        for e in events
        if e.data.product not in products
    }
    PriceHistory.objects.bulk_create(
        [
            PriceHistory(
                id=event.id,
                product_id=products[event.data.product],
                competitor=event.data.competitor,
                price=event.data.price,
                in_stock=event.data.in_stock,
                scraped_at=event.occurred_at,
            )
            for event in events
            if event.id not in refused
        ],
        ignore_conflicts=True,
    )
    return refused


declare(EventType(topic="price_changes", type="offer", versions={1: OfferSeen}, apply=observe))
