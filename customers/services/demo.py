"""Loading of the synthetic demonstration data: customers, consents, chats and their events."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
from django.utils import timezone

from catalog.models import Store, StoreStock
from config.errors import CultivarError
from customers import demo
from customers.demo import SEED, STORES, ProductFeatures, SyntheticCustomer
from customers.models import ConsentText, CustomerProfile
from customers.recommendations import statistics
from customers.selectors.consents import active_purposes
from customers.services import chats, consents, preferences, profiles
from mlops.models import InboxEvent
from mlops.streams.decoding import decode_event
from mlops.streams.intake import apply_events

ACTOR = "demonstration"
_BATCH_SIZE = 500
# Events of a visit are sent when it ends.
_VISIT_DURATION = timedelta(minutes=6)
ProgressCallback = Callable[[str, int, int], None]
"""Receives the name of the current step, how many items are done, and how many there are."""


class NoPricedProducts(CultivarError):
    """The catalogue has no product with a price yet."""

    code = "no_priced_products"


def load_demo_data(
    *, count: int, days: int, seed: int, on_progress: ProgressCallback
) -> dict[str, int]:
    """
    Create stores, stock, customers and their events of the last days; safe to repeat.

    Returns how many rows were created, by kind. Raises NoPricedProducts.
    """
    products = demo.load_product_features()
    if products is None:
        raise NoPricedProducts(
            "There are no products with a price yet; run `manage.py sync_catalog` first."
        )
    for code, name, province in STORES:
        Store.objects.get_or_create(code=code, defaults={"name": name, "province": province})
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    customers = demo.generate_customers(products, count=count, seed=seed)
    created = {"customers": 0}
    for number, customer in enumerate(customers, start=1):
        created["customers"] += _register_customer(
            customer, consented_at=midnight - timedelta(days=days)
        )
        on_progress("customers", number, len(customers))

    stock_events = list(demo.generate_stock_events(products, at=midnight, seed=seed))
    visit_events = list(
        demo.generate_visit_events(products, customers, until=midnight, days=days, seed=seed)
    )
    visit_events.sort(key=_occurred_at)
    created["stock"] = _ingest("inventory_updates", stock_events, "stock", on_progress)
    created["events"] = _ingest("customer_interactions", visit_events, "events", on_progress)

    created["preferences"] = preferences.derive_due_preferences()
    created["neighbors"] = statistics.update_product_neighbors()
    created["popularity"] = statistics.update_product_popularity()
    created["repeat_statistics"] = statistics.update_repeat_statistics()

    created["chats"] = 0
    for number, customer in enumerate(customers, start=1):
        created["chats"] += _create_chat(products, customer, seed)
        on_progress("chats", number, len(customers))
    return created


def send_visit(
    *, send: Callable[[list[dict[str, Any]]], None], count: int, seed: int = SEED
) -> int:
    """
    Send the events of one visit, now, of one of the first `count` customers.

    These are the events of the visit itself, the stock that is left in the store, and two system
    metrics. Returns how many events were sent. Raises NoPricedProducts, and whatever `send` raises.
    """
    products = demo.load_product_features()
    if products is None:
        raise NoPricedProducts("There are no products with a price yet.")
    rng = np.random.default_rng()
    customers = demo.generate_customers(products, count=count, seed=seed)
    visit_rates = np.array([customer.visits_per_month for customer in customers])
    customer = customers[int(rng.choice(len(customers), p=visit_rates / visit_rates.sum()))]
    started_at = timezone.now() - _VISIT_DURATION
    name = f"{customer.external_id}:{started_at.isoformat()}"
    events = list(demo.generate_visit(products, customer, rng, at=started_at, name=name, seed=seed))
    events += _stock_events_after(events[-1], customer)
    events += _metric_events(visit_events=len(events))
    send(events)
    return len(events)


def _occurred_at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def _register_customer(customer: SyntheticCustomer, *, consented_at: datetime) -> int:
    """Register a customer with age and consents if not registered; return how many were."""
    if CustomerProfile.objects.filter(external_customer_id=customer.external_id).exists():
        return 0
    profile = profiles.register_customer(
        external_id=customer.external_id,
        by=ACTOR,
        province=customer.province,
        language=customer.language,
        store=Store.objects.get(code=customer.store_code),
        is_synthetic=True,
    )
    profiles.verify_age(
        customer=profile, verification_method=CustomerProfile.VerificationMethod.IN_PERSON, by=ACTOR
    )
    texts = ConsentText.objects.order_by("created_at")
    current_versions = {text.purpose: text.version for text in texts}
    for purpose in customer.consents:
        consents.give_consent(
            customer=profile,
            purpose=purpose,
            version=current_versions[purpose],
            language=customer.language,
            by=ACTOR,
            channel=ACTOR,
            given_at=consented_at,
        )
    return 1


def _create_chat(products: ProductFeatures, customer: SyntheticCustomer, seed: int) -> int:
    """Create a chat session if the customer consents and has none; return how many were."""
    profile = CustomerProfile.objects.get(external_customer_id=customer.external_id)
    if ConsentText.Purpose.CHAT not in active_purposes(profile) or profile.chats.exists():
        return 0
    session = chats.open_session(customer=profile, store=profile.store, by=ACTOR)
    for role, text in demo.generate_chat(products, customer, seed=seed):
        message = chats.append_message(session=session, role=role, text=text, by=ACTOR)
    chats.give_feedback(message=message, is_helpful=len(text) % 3 > 0, comment="", by=ACTOR)
    chats.close_session(session=session, by=ACTOR)
    return 1


def _ingest(
    topic: str, events: list[dict[str, Any]], name: str, on_progress: ProgressCallback
) -> int:
    """
    Apply events in batches, as the consumer does; return how many were new.

    Events that were applied on an earlier day are left out: times and products of the events with
    their ids follow from today's date and prices, which an id that is used again may not do.
    """
    accepted = 0
    for start in range(0, len(events), _BATCH_SIZE):
        batch = _not_applied(events[start : start + _BATCH_SIZE])
        intake = apply_events(
            [_decode(event, topic) for event in batch],
            topic=topic,
            channel=InboxEvent.Channel.REPLAY,
        )
        accepted += len(intake.accepted)
        on_progress(name, min(start + _BATCH_SIZE, len(events)), len(events))
    return accepted


def _not_applied(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [event["id"] for event in events]
    applied = {str(pk) for pk in InboxEvent.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    return [event for event in events if event["id"] not in applied]


def _decode(event: dict[str, Any], topic: str) -> Any:
    payload = {name: value for name, value in event.items() if name != "topic"}
    return decode_event(payload, topic=topic)


def _stock_events_after(
    purchase_event: dict[str, Any], customer: SyntheticCustomer
) -> list[dict[str, Any]]:
    """Return stock events that subtract what a purchase took from the store."""
    purchased = {line["product_id"]: line["quantity"] for line in purchase_event["data"]["lines"]}
    stock = StoreStock.objects.filter(
        store__code=customer.store_code, product_id__in=purchased
    ).values_list("product_id", "quantity")
    return [
        _event_now(
            "inventory_updates",
            "stock",
            {
                "store_code": customer.store_code,
                "product_id": str(product_id),
                "quantity": max(quantity - purchased[str(product_id)], 0),
            },
        )
        for product_id, quantity in stock
    ]


def _metric_events(*, visit_events: int) -> list[dict[str, Any]]:
    values = {
        "load_per_core": os.getloadavg()[0] / (os.cpu_count() or 1),
        "visit_events": float(visit_events),
    }
    return [
        _event_now(
            "system_metrics",
            "metric",
            {"source": "demonstration", "name": name, "value": value},
        )
        for name, value in values.items()
    ]


def _event_now(topic: str, event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "topic": topic,
        "id": str(uuid4()),
        "type": event_type,
        "version": 1,
        "occurred_at": timezone.now().isoformat(),
        "data": data,
    }
