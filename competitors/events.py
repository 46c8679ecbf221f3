"""Events of competitors: observations of their offers sent to us, and changes that we publish."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from catalog.selectors import product_ids_by_reference
from competitors.services.observations import OfferObservation, record_observations
from competitors.services.offer_events import TOPIC, TYPE
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


class OfferChanged(EventData):
    """A change of a competitor's offer that our crawls have observed, as we publish it."""

    changes: tuple[Literal["price", "back_in_stock", "out_of_stock", "gone"], ...] = Field(
        description="kinds of change; gone: three complete crawls did not list it"
    )
    competitor: str = Field(description="code of the competitor")
    location: str = Field(description="the platform's id of the location; empty: one menu")
    external_id: str = Field(description="the platform's id of the item")
    name: str = Field(description="name as written")
    product_id: UUID | None = Field(description="matched product; null: none")
    price: Decimal | None = Field(description="price that anyone gets; null: not stated")
    previous_price: Decimal | None = Field(description="the price before")
    currency: str = Field(description="ISO 4217")
    stock: str = Field(description="in_stock, low, out or unknown")
    previous_stock: str = Field(description="stock status before")
    observed_at: datetime = Field(description="when the page was received")


_OWN_OBSERVATION = Outcome(
    status="ignored",
    code="own_observation",
    reason="Observations of our own crawls are published with this event, not received by it.",
)


def ignore_own_observations(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Ignore our own published observations: they are stored already."""
    return {event.id: _OWN_OBSERVATION for event in events}


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


register(EventType(topic=TOPIC, type="offer", versions={1: OfferData}, apply=apply_offers))
register(
    EventType(
        topic=TOPIC,
        type=TYPE,
        versions={1: OfferChanged},
        apply=ignore_own_observations,
        scope="events:admin",
    )
)
