"""Events of people: what they buy, look at, put into baskets, praise and blame."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from catalog.selectors import products_named, stores_named
from customers.services.history import Act, Line, record_acts, record_purchases, remembered
from mlops.streams.event_types import Event, EventData, EventType, declare

_MOST_LINES = 200


class BoughtLine(EventData):
    """One line of a receipt; a negative quantity gives back."""

    product: str = Field(max_length=50, description="our id or SKU")
    quantity: int = Field(ge=-1000, le=1000)
    unit_price: Decimal = Field(
        ge=0, le=100_000, decimal_places=2, description="dollars, without tax"
    )


class Bought(EventData):
    """A receipt."""

    order_id: str = Field(min_length=1, max_length=100)
    customer: str | None = Field(
        default=None, max_length=100, description="external id; kept only with their consent"
    )
    store: str | None = Field(
        default=None, max_length=50, description="code of the store; none: the web shop"
    )
    lines: tuple[BoughtLine, ...] = Field(min_length=1, max_length=_MOST_LINES)


class Acted(EventData):
    """A view, a change of a basket, praise or blame."""

    kind: Literal["view", "basket-add", "basket-remove", "like", "dislike"]
    product: str = Field(max_length=50, description="our id or SKU")
    customer: str | None = Field(
        default=None, max_length=100, description="external id; kept only with their consent"
    )
    session: str = Field(default="", max_length=100)
    store: str | None = Field(default=None, max_length=50)
    quantity: int | None = Field(default=None, ge=1, le=1000)


def buy(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Write receipts, whole or not at all."""
    products = products_named(line.product for event in events for line in event.data.lines)
    refused, stores = _refused(
        events, products, lambda event: [line.product for line in event.data.lines]
    )
    people = remembered(event.data.customer for event in events)
    lines = [
        Line(
            event_id=event.id,
            line=place,
            order_id=event.data.order_id,
            customer=people.get(event.data.customer or ""),
            store=stores.get(event.data.store or ""),
            product=products[line.product],
            quantity=line.quantity,
            unit_price=line.unit_price,
            purchased_at=event.occurred_at,
        )
        for event in events
        if event.id not in refused
        for place, line in enumerate(event.data.lines)
    ]
    if lines:
        record_purchases(lines)
    return refused


def act(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Write acts."""
    products = products_named(event.data.product for event in events)
    refused, stores = _refused(events, products, lambda event: [event.data.product])
    people = remembered(event.data.customer for event in events)
    acts = [
        Act(
            event_id=event.id,
            kind=event.data.kind,
            customer=people.get(event.data.customer or ""),
            session=event.data.session,
            store=stores.get(event.data.store or ""),
            product=products[event.data.product],
            quantity=event.data.quantity,
            occurred_at=event.occurred_at,
        )
        for event in events
        if event.id not in refused
    ]
    if acts:
        record_acts(acts)
    return refused


def _refused(
    events: Sequence[Event], products: Mapping[str, UUID], named: Callable[[Event], Sequence[str]]
) -> tuple[dict[UUID, str], dict[str, UUID]]:
    """Return why some of the events cannot be applied, and the stores by code."""
    stores = stores_named(event.data.store for event in events if event.data.store)
    refused = {}
    for event in events:
        unknown = next((name for name in named(event) if name not in products), None)
        if unknown is not None:
            refused[event.id] = f"product {unknown} is not known"
        elif event.data.store and event.data.store not in stores:
            refused[event.id] = f"store {event.data.store} is not known"
    return refused, stores


declare(EventType(topic="customer_interactions", type="purchase", versions={1: Bought}, apply=buy))
declare(
    EventType(topic="customer_interactions", type="interaction", versions={1: Acted}, apply=act)
)
