"""Customer events: purchases and interactions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from django.conf import settings
from pydantic import BeforeValidator, Field

from catalog.events import STORE
from catalog.selectors import product_ids_by_reference, store_ids_by_code
from customers.selectors.profiles import registered_external_ids
from customers.services.history import (
    HistoryConsent,
    InteractionRecord,
    PurchaseLine,
    find_stored_lines,
    lock_history_consents,
    record_interactions,
    record_purchases,
)
from mlops.streams.event_types import (
    Event,
    EventData,
    EventType,
    EventWarning,
    Outcome,
    PersonReference,
    register,
    rejected,
)

_MAX_LINES = 200
_MAX_PRICE = 100_000
_CENT = Decimal("0.01")
_NOISE = Decimal("0.00001")
"""Largest difference from a whole cent that arithmetic with floating point leaves behind."""


def _read_reference(value: Any) -> Any:
    """Return a product reference as text; tills send SKUs as JSON numbers as well."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _read_price(value: Any) -> Any:
    """Return a price, which is a JSON number or a text such as 29.95."""
    text = value.strip() if isinstance(value, str) else ""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number and not text.removeprefix("-").replace(".", "", 1).isdigit():
        raise ValueError("must be a number such as 29.95")
    return repr(value) if isinstance(value, float) else value


_Reference = Annotated[str, BeforeValidator(_read_reference)]


class PurchaseLineData(EventData):
    """One line of a receipt; a negative quantity or price is a return."""

    product_id: _Reference = Field(max_length=50, description="product id, SKU or GTIN")
    quantity: int = Field(
        ge=-1000, le=1000, strict=True, description="units sold; negative for a return"
    )
    unit_price: Annotated[Decimal, BeforeValidator(_read_price)] = Field(
        ge=-_MAX_PRICE,
        le=_MAX_PRICE,
        description="dollars per unit, without tax, rounded to cents; negative for a return",
    )


class PurchaseData(EventData):
    """A receipt."""

    order_id: str = Field(
        min_length=1, max_length=100, description="number of the receipt, unique within a store"
    )
    external_id: str | None = Field(
        default=None,
        max_length=100,
        description="loyalty number or account, or our id of the customer; stored only if the"
        " consent `history` was active at the time of the event and still is",
    )
    store_code: str | None = Field(
        default=None, max_length=50, description="code of the store; null for the web shop"
    )
    lines: tuple[PurchaseLineData, ...] = Field(
        min_length=1,
        max_length=_MAX_LINES,
        description="lines of the receipt; lines of unknown products are quarantined, the others"
        " are stored",
    )


class InteractionData(EventData):
    """A view, a basket change, a like or a dislike."""

    type: Literal["view", "basket_add", "basket_remove", "like", "dislike"] = Field(
        description="type of the interaction"
    )
    product_id: _Reference = Field(max_length=50, description="product id, SKU or GTIN")
    external_id: str | None = Field(
        default=None,
        max_length=100,
        description="loyalty number or account, or our id of the customer; stored only if the"
        " consent `history` was active at the time of the event and still is",
    )
    session_id: str = Field(
        default="", max_length=100, description="id of the visit, assigned by the client"
    )
    store_code: str | None = Field(
        default=None, max_length=50, description="code of the store; null for the web shop"
    )
    quantity: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        strict=True,
        description="units put into or taken out of the basket",
    )


@dataclass(slots=True)
class _Receipt:
    """A receipt while it is read: its lines to store, and what is remarked on it."""

    event: Event
    lines: list[PurchaseLine] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    warnings: list[EventWarning] = field(default_factory=list)
    repeated: int = 0

    def warn(self, code: str, message: str, field_name: str) -> None:
        self.warnings.append(EventWarning(code=code, message=message, field=field_name))


def apply_purchases(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """
    Store the receipts; return outcomes by event id.

    Lines that were stored before are skipped, lines of unknown products are quarantined.
    """
    products = product_ids_by_reference(
        line.product_id for event in events for line in event.data.lines
    )
    stores = store_ids_by_code(event.data.store_code for event in events if event.data.store_code)
    outcomes: dict[UUID, Outcome] = {}
    consents = lock_history_consents(event.data.external_id for event in events)
    receipts: list[_Receipt] = []
    for event in events:
        if (refusal := _reject_unknown_store(event, stores)) is not None:
            outcomes[event.id] = refusal
            continue
        receipt = _Receipt(event)
        customer_id = _find_consenting_customer(event, consents, receipt.warnings)
        store_id = stores.get(event.data.store_code or "")
        for index, line in enumerate(event.data.lines):
            _read_line(receipt, index, line, products, customer_id=customer_id, store_id=store_id)
        receipts.append(receipt)
    _skip_stored_lines(receipts)
    record_purchases([line for receipt in receipts for line in receipt.lines])
    return outcomes | {receipt.event.id: _receipt_outcome(receipt) for receipt in receipts}


def apply_interactions(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Store the interactions; return outcomes by event id."""
    products = product_ids_by_reference(event.data.product_id for event in events)
    stores = store_ids_by_code(event.data.store_code for event in events if event.data.store_code)
    consents = lock_history_consents(event.data.external_id for event in events)
    outcomes: dict[UUID, Outcome] = {}
    interactions: list[InteractionRecord] = []
    for event in events:
        if event.data.product_id not in products:
            reason = f"product {event.data.product_id} is not known"
            outcomes[event.id] = rejected("product_unknown", reason, "data.product_id")
            continue
        if (refusal := _reject_unknown_store(event, stores)) is not None:
            outcomes[event.id] = refusal
            continue
        warnings: list[EventWarning] = []
        interactions.append(
            InteractionRecord(
                event_id=event.id,
                type=event.data.type,
                customer_id=_find_consenting_customer(event, consents, warnings),
                session_id=event.data.session_id,
                store_id=stores.get(event.data.store_code or ""),
                product_id=products[event.data.product_id],
                quantity=event.data.quantity,
                occurred_at=event.occurred_at,
            )
        )
        if warnings:
            outcomes[event.id] = Outcome(warnings=tuple(warnings))
    if interactions:
        record_interactions(interactions)
    return outcomes


def _reject_unknown_store(event: Event, stores: Mapping[str, UUID]) -> Outcome | None:
    code = event.data.store_code
    if not code or code in stores:
        return None
    return rejected("store_unknown", f"store {code} is not known", "data.store_code")


def _find_consenting_customer(
    event: Event, consents: Mapping[str, HistoryConsent], warnings: list[EventWarning]
) -> UUID | None:
    """Return the customer that the event may be linked to; add a warning if there is none."""
    external_id = event.data.external_id
    if not external_id:
        return None
    consent = consents.get(external_id)
    if consent is not None and consent.covers(event.occurred_at):
        return consent.customer_id
    code, message = "customer_unknown", "is not registered; the event is stored without a customer"
    if consent is not None:
        code = "no_consent"
        message = "did not consent to history at that time; the event is stored without a customer"
    warnings.append(
        EventWarning(code=code, message=message, field="data.external_id", scope="customers:read")
    )
    return None


def _read_line(  # noqa: PLR0913  # one line with its context
    receipt: _Receipt,
    index: int,
    line: PurchaseLineData,
    products: Mapping[str, UUID],
    *,
    customer_id: UUID | None,
    store_id: UUID | None,
) -> None:
    """Add a line to the receipt's lines, or to the lines and warnings of what is not stored."""
    name = f"data.lines.{index}"
    if line.product_id in settings.EVENT_IGNORED_PRODUCTS:
        receipt.warn("line_ignored", f"{line.product_id} is not a product", f"{name}.product_id")
        return
    if line.quantity == 0:
        receipt.warn("quantity_zero", "a line of nothing is not stored", f"{name}.quantity")
        return
    product_id = products.get(line.product_id)
    if product_id is None:
        receipt.unknown.append(index)
        message = f"product {line.product_id} is not known; the line is quarantined"
        receipt.warn("product_unknown", message, f"{name}.product_id")
        return
    quantity, price = line.quantity, line.unit_price
    if price < 0:
        # Tills write a refund as a negative quantity, a negative price, or both.
        quantity, price = -abs(quantity), -price
    rounded = price.quantize(_CENT, ROUND_HALF_UP)
    if abs(price - rounded) > _NOISE:
        receipt.warn("price_rounded", f"{price} is stored as {rounded}", f"{name}.unit_price")
    receipt.lines.append(
        PurchaseLine(
            event_id=receipt.event.id,
            line=index,
            order_id=receipt.event.data.order_id,
            customer_id=customer_id,
            store_id=store_id,
            product_id=product_id,
            quantity=quantity,
            unit_price=rounded,
            purchased_at=receipt.event.occurred_at,
        )
    )


def _skip_stored_lines(receipts: Sequence[_Receipt]) -> None:
    """Remove lines that another event has stored, also one earlier in this batch."""
    lines = [line for receipt in receipts for line in receipt.lines]
    repeated = set(find_stored_lines(lines))
    seen: dict[tuple[object, ...], list[PurchaseLine]] = defaultdict(list)
    skipped: set[tuple[UUID, int]] = set()
    for index, line in enumerate(lines):
        earlier_lines = seen[line.content]
        if index in repeated or any(earlier.is_repeated_by(line) for earlier in earlier_lines):
            skipped.add((line.event_id, line.line))
        else:
            earlier_lines.append(line)
    for receipt in receipts:
        new_lines = [line for line in receipt.lines if (line.event_id, line.line) not in skipped]
        receipt.repeated = len(receipt.lines) - len(new_lines)
        receipt.lines = new_lines


def _receipt_outcome(receipt: _Receipt) -> Outcome:
    event, lines = receipt.event, receipt.event.data.lines
    if len(receipt.unknown) == len(lines):
        references = ", ".join(dict.fromkeys(line.product_id for line in lines))
        reason = f"product {references} is not known"
        return rejected("product_unknown", reason, "data.lines.0.product_id")
    if receipt.repeated and not receipt.lines and not receipt.unknown:
        reason = "the receipt was stored before, under another event id"
        return Outcome(status="duplicate", code="receipt_repeated", reason=reason)
    if receipt.repeated:
        message = f"{receipt.repeated} lines of the receipt were stored before"
        receipt.warn("lines_repeated", message, "data.lines")
    return Outcome(
        warnings=tuple(receipt.warnings),
        code="product_unknown" if receipt.unknown else "",
        reason=(
            f"{len(receipt.unknown)} of {len(lines)} lines: product is not known"
            if receipt.unknown
            else ""
        ),
        field="data.lines" if receipt.unknown else "",
        remainder=_unknown_lines(event, receipt.unknown) if receipt.unknown else None,
    )


def _unknown_lines(event: Event, indexes: Sequence[int]) -> Mapping[str, Any]:
    """Return the lines that were not stored as a separate receipt, for quarantine."""
    lines = event.payload["data"]["lines"]
    return {
        **event.payload,
        "id": str(uuid5(event.id, "unknown lines")),
        "data": {**event.payload["data"], "lines": [lines[index] for index in indexes]},
    }


_PERSON = PersonReference(field="external_id", known=registered_external_ids)
register(
    EventType(
        topic="customer_interactions",
        type="purchase",
        versions={1: PurchaseData},
        apply=apply_purchases,
        person=_PERSON,
        store=STORE,
    )
)
register(
    EventType(
        topic="customer_interactions",
        type="interaction",
        versions={1: InteractionData},
        apply=apply_interactions,
        person=_PERSON,
        store=STORE,
    )
)
