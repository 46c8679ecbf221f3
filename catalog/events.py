"""Stream events of the catalogue: stock counts of stores, and changes of our prices."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from catalog.selectors.products import product_ids_by_reference
from catalog.selectors.stores import store_ids_by_code
from catalog.services.stock import StockCount, save_stock_counts
from mlops.streams.event_types import Event, EventData, EventType, register


class StockCounted(EventData):
    """Stock of a product in a store: a total, not a difference; a lost event is harmless."""

    store_code: str = Field(max_length=50, description="code of the store")
    product_id: str = Field(max_length=50, description="product id or SKU")
    quantity: int = Field(ge=0, le=1_000_000, description="units in stock")


class PriceSet(EventData):
    """Our price of a product from now on."""

    product_id: UUID = Field(description="product id")
    price: Decimal | None = Field(ge=0, le=100_000, description="CAD; null: no price")


def apply_stock_counts(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Save the counts, each at the time of its event; return rejection reasons by event id."""
    stores = store_ids_by_code(event.data.store_code for event in events)
    products = product_ids_by_reference(event.data.product_id for event in events)
    rejections: dict[UUID, str] = {}
    counts: list[StockCount] = []
    for event in events:
        store = stores.get(event.data.store_code)
        product = products.get(event.data.product_id)
        if store is None:
            rejections[event.id] = f"store {event.data.store_code} is not known"
        elif product is None:
            rejections[event.id] = f"product {event.data.product_id} is not known"
        else:
            counts.append(StockCount(store, product, event.data.quantity, event.occurred_at))
    if counts:
        save_stock_counts(counts)
    return rejections


def ignore_own_prices(_events: Sequence[Event]) -> Mapping[UUID, str]:
    """Accept our own published prices without effect: the product rows already have them."""
    return {}


register(
    EventType(
        topic="inventory_updates",
        type="stock",
        versions={1: StockCounted},
        apply=apply_stock_counts,
    )
)
register(
    EventType(
        topic="price_changes",
        type="price",
        versions={1: PriceSet},
        apply=ignore_own_prices,
        scope="events:admin",
    )
)
