"""Stream events of the catalogue: stock counts of stores, and changes of our prices."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from catalog.selectors.products import product_ids_by_reference
from catalog.selectors.stores import store_codes_within, store_ids_by_code
from catalog.services.stock import StockCount, save_stock_counts
from mlops.streams.event_types import (
    Event,
    EventData,
    EventType,
    EventWarning,
    Outcome,
    StoreReference,
    register,
    rejected,
)

_NEGATIVE_QUANTITY = EventWarning(
    code="negative_quantity",
    message="a negative quantity is stored as 0 and marked in the console",
    field="data.quantity",
)
_OWN_PRICE = Outcome(
    status="ignored",
    code="own_price",
    reason="Our prices are changed with PATCH /api/v1/products/{id}/; this event reports them.",
)


class StockCounted(EventData):
    """Stock of a product in a store: a total, not a difference; a lost event is harmless."""

    store_code: str = Field(max_length=50, description="code of the store")
    product_id: str = Field(max_length=50, description="product id, SKU or GTIN")
    quantity: int = Field(
        ge=-1_000_000,
        le=1_000_000,
        strict=True,
        description="units in stock; tills that sold more than they had counted send a negative"
        " number, which counts as none",
    )


class PriceSet(EventData):
    """Our price of a product from now on, as we publish it."""

    product_id: UUID = Field(description="product id")
    price: Decimal | None = Field(ge=0, le=100_000, description="CAD; null: no price")


def apply_stock_counts(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Save the counts, each at the time of its event; return outcomes by event id."""
    stores = store_ids_by_code(event.data.store_code for event in events)
    products = product_ids_by_reference(event.data.product_id for event in events)
    outcomes: dict[UUID, Outcome] = {}
    counts: list[StockCount] = []
    for event in events:
        store = stores.get(event.data.store_code)
        product = products.get(event.data.product_id)
        if store is None:
            reason = f"store {event.data.store_code} is not known"
            outcomes[event.id] = rejected("store_unknown", reason, "data.store_code")
        elif product is None:
            reason = f"product {event.data.product_id} is not known"
            outcomes[event.id] = rejected("product_unknown", reason, "data.product_id")
        else:
            reported = event.data.quantity
            counts.append(StockCount(store, product, reported, event.occurred_at))
            if reported < 0:
                outcomes[event.id] = Outcome(warnings=(_NEGATIVE_QUANTITY,))
    if counts:
        save_stock_counts(counts)
    return outcomes


def ignore_own_prices(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Ignore our own published prices: the product rows already have them."""
    return {event.id: _OWN_PRICE for event in events}


STORE = StoreReference(field="store_code", within=store_codes_within)
"""The store of an event; an API key may be bound to stores."""

register(
    EventType(
        topic="inventory_updates",
        type="stock",
        versions={1: StockCounted},
        apply=apply_stock_counts,
        store=STORE,
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
