"""Events of competitors: price and stock observations of their offers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from catalog.selectors import product_ids_by_reference
from competitors.services.observations import OfferObservation, record_observations
from mlops.streams.event_types import (
    Event,
    EventData,
    EventType,
    Outcome,
    register,
    rejected,
)


class OfferData(EventData):
    """An observation of a competitor's offer: its price, its stock status, or both."""

    competitor: str = Field(min_length=1, max_length=100, description="name of the competitor")
    product_id: str = Field(max_length=50, description="product id or SKU")
    price: Decimal | None = Field(
        default=None, ge=0, le=100_000, decimal_places=2, description="dollars; null if unknown"
    )
    in_stock: bool | None = Field(default=None, description="null if unknown")


def apply_offers(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Store one observation for each event, with the event's id; return outcomes by event id."""
    products = product_ids_by_reference(event.data.product_id for event in events)
    outcomes = {
        event.id: rejected(
            "product_unknown", f"product {event.data.product_id} is not known", "data.product_id"
        )
        for event in events
        if event.data.product_id not in products
    }
    observations = [
        OfferObservation(
            id=event.id,
            product_id=products[event.data.product_id],
            competitor=event.data.competitor,
            price=event.data.price,
            in_stock=event.data.in_stock,
            observed_at=event.occurred_at,
        )
        for event in events
        if event.id not in outcomes
    ]
    record_observations(observations=observations)
    return outcomes


register(
    EventType(topic="price_changes", type="offer", versions={1: OfferData}, apply=apply_offers)
)
