"""Customer events: purchases and interactions."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from catalog.selectors import product_ids_by_reference, store_ids_by_code
from customers.services.history import (
    InteractionRecord,
    PurchaseLine,
    customers_with_history_consent,
    record_interactions,
    record_purchases,
)
from mlops.streams.event_types import Event, EventData, EventType, register

_MAX_LINES = 200


class PurchaseLineData(EventData):
    """One line of a receipt; a negative quantity is a return."""

    product_id: str = Field(max_length=50, description="product id or SKU")
    quantity: int = Field(ge=-1000, le=1000, description="units sold; negative for a return")
    unit_price: Decimal = Field(
        ge=0, le=100_000, decimal_places=2, description="dollars per unit, without tax"
    )


class PurchaseData(EventData):
    """A receipt."""

    order_id: str = Field(min_length=1, max_length=100, description="number of the receipt")
    external_id: str | None = Field(
        default=None,
        max_length=100,
        description="loyalty number or account; stored only with the consent `history`",
    )
    store_code: str | None = Field(
        default=None, max_length=50, description="code of the store; null for the web shop"
    )
    lines: tuple[PurchaseLineData, ...] = Field(
        min_length=1, max_length=_MAX_LINES, description="lines of the receipt"
    )


class InteractionData(EventData):
    """A view, a basket change, a like or a dislike."""

    type: Literal["view", "basket_add", "basket_remove", "like", "dislike"] = Field(
        description="type of the interaction"
    )
    product_id: str = Field(max_length=50, description="product id or SKU")
    external_id: str | None = Field(
        default=None,
        max_length=100,
        description="loyalty number or account; stored only with the consent `history`",
    )
    session_id: str = Field(
        default="", max_length=100, description="id of the visit, assigned by the client"
    )
    store_code: str | None = Field(
        default=None, max_length=50, description="code of the store; null for the web shop"
    )
    quantity: int | None = Field(
        default=None, ge=1, le=1000, description="units put into or taken out of the basket"
    )


def apply_purchases(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Store the receipts; a receipt is stored whole or rejected. Return reasons by event id."""
    products = product_ids_by_reference(
        line.product_id for event in events for line in event.data.lines
    )
    stores = store_ids_by_code(event.data.store_code for event in events if event.data.store_code)
    rejected = _rejections(
        events, products, stores, lambda event: [line.product_id for line in event.data.lines]
    )
    customers = customers_with_history_consent(event.data.external_id for event in events)
    lines = [
        PurchaseLine(
            event_id=event.id,
            line=index,
            order_id=event.data.order_id,
            customer_id=customers.get(event.data.external_id or ""),
            store_id=stores.get(event.data.store_code or ""),
            product_id=products[line.product_id],
            quantity=line.quantity,
            unit_price=line.unit_price,
            purchased_at=event.occurred_at,
        )
        for event in events
        if event.id not in rejected
        for index, line in enumerate(event.data.lines)
    ]
    if lines:
        record_purchases(lines)
    return rejected


def apply_interactions(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Store the interactions. Return the reasons of rejected events, by event id."""
    products = product_ids_by_reference(event.data.product_id for event in events)
    stores = store_ids_by_code(event.data.store_code for event in events if event.data.store_code)
    rejected = _rejections(events, products, stores, lambda event: [event.data.product_id])
    customers = customers_with_history_consent(event.data.external_id for event in events)
    interactions = [
        InteractionRecord(
            event_id=event.id,
            type=event.data.type,
            customer_id=customers.get(event.data.external_id or ""),
            session_id=event.data.session_id,
            store_id=stores.get(event.data.store_code or ""),
            product_id=products[event.data.product_id],
            quantity=event.data.quantity,
            occurred_at=event.occurred_at,
        )
        for event in events
        if event.id not in rejected
    ]
    if interactions:
        record_interactions(interactions)
    return rejected


def _rejections(
    events: Sequence[Event],
    products: Mapping[str, UUID],
    stores: Mapping[str, UUID],
    product_references: Callable[[Event], Sequence[str]],
) -> dict[UUID, str]:
    """Return the reasons why events cannot be applied, by event id."""
    rejected: dict[UUID, str] = {}
    for event in events:
        store_code = event.data.store_code
        unknown_product = next(
            (reference for reference in product_references(event) if reference not in products),
            None,
        )
        if unknown_product is not None:
            rejected[event.id] = f"product {unknown_product} is not known"
        elif store_code and store_code not in stores:
            rejected[event.id] = f"store {store_code} is not known"
    return rejected


register(
    EventType(
        topic="customer_interactions",
        type="purchase",
        versions={1: PurchaseData},
        apply=apply_purchases,
    )
)
register(
    EventType(
        topic="customer_interactions",
        type="interaction",
        versions={1: InteractionData},
        apply=apply_interactions,
    )
)
