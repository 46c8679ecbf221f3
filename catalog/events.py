"""Events of the catalogue: counts of stock, and our own prices as we tell them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from catalog.selectors import products_named, stores_named
from catalog.services.stock import Count, count_stock
from mlops.streams.event_types import Event, EventData, EventType, declare


class StockCounted(EventData):
    """How many there are, in all: not what came or went, so that a lost or late one does no harm."""

    store: str = Field(max_length=50, description="code of the store")
    product: str = Field(max_length=50, description="our id or SKU")
    quantity: int = Field(ge=0, le=1_000_000)


class PriceSet(EventData):
    """What we charge from now on; null: no price."""

    product: UUID
    price: Decimal | None = Field(ge=0, le=100_000)


def count(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Write counts; the time of an event is the time of its count."""
    stores = stores_named(event.data.store for event in events)
    products = products_named(event.data.product for event in events)
    refused, counts = {}, []
    for event in events:
        store, product = stores.get(event.data.store), products.get(event.data.product)
        if store is None or product is None:
            refused[event.id] = (
                f"store {event.data.store} is not known"
                if store is None
                else f"product {event.data.product} is not known"
            )
        else:
            counts.append(Count(store, product, event.data.quantity, event.occurred_at))
    if counts:
        count_stock(counts)
    return refused


def heard(_events: Sequence[Event]) -> Mapping[UUID, str]:
    """Our own prices come back to us by the topic they are told in; the rows that made them hold them already."""
    return {}


declare(EventType(topic="inventory_updates", type="stock", versions={1: StockCounted}, apply=count))
declare(
    EventType(
        topic="price_changes",
        type="price",
        versions={1: PriceSet},
        apply=heard,
        scope="events:admin",
    )
)
