"""A demonstration's customers put into the rows: registered, consenting, and their doings taken in like anybody's."""

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
from customers.demo import SEED, STORES, Person, Shelf
from customers.models import ConsentText, CustomerProfile
from customers.recommendations.statistics import jobs, repeat_jobs
from customers.services import chats, consents, preferences, profiles
from mlops.models import InboxEvent
from mlops.streams.decoding import read
from mlops.streams.intake import take_in

BY = "demonstration"
_BATCH = 500
# A visit is told at its end.
_VISIT = timedelta(minutes=6)
Advance = Callable[[str, int, int], None]
"""Told what is being done, how many are done, of how many."""


class NothingToShow(CultivarError):
    """There are no products with a price yet."""

    code = "nothing-to-show"


def load(*, count: int, days: int, seed: int, advance: Advance) -> dict[str, int]:
    """Make stores, stock, customers and what they did in the last days; safe to repeat. Raises NothingToShow."""
    shelf = demo.shelf()
    if shelf is None:
        raise NothingToShow(
            "There are no products with a price yet; run `manage.py sync_catalog` first."
        )
    for code, name, province in STORES:
        Store.objects.get_or_create(code=code, defaults={"name": name, "province": province})
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    people = demo.people(shelf, count=count, seed=seed)
    new = 0
    for number, person in enumerate(people, start=1):
        new += _register(person)
        advance("customers", number, len(people))
    counted = list(demo.stock(shelf, at=midnight, seed=seed))
    done = list(demo.doings(shelf, people, until=midnight, days=days, seed=seed))
    taken = {"customers": new, "stock": _take_in("inventory_updates", counted, "stock", advance)}
    taken["events"] = _take_in("customer_interactions", sorted(done, key=_time), "events", advance)
    taken["preferences"] = preferences.derive_due()
    taken["neighbors"], taken["sold"] = jobs.count_neighbors(), jobs.count_popularity()
    taken["habits"] = repeat_jobs.count_habits()
    taken["chats"] = 0
    for number, person in enumerate(people, start=1):
        taken["chats"] += _talk(shelf, person, seed)
        advance("chats", number, len(people))
    return taken


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def _register(person: Person) -> int:
    if CustomerProfile.objects.filter(external_customer_id=person.number).exists():
        return 0
    customer = profiles.register(
        external_customer_id=person.number,
        by=BY,
        province=person.province,
        language=person.language,
        store=Store.objects.get(code=person.store),
        is_synthetic=True,
    )
    profiles.verify_age(customer=customer, proof=CustomerProfile.AgeProof.IN_PERSON, by=BY)
    newest = {text.purpose: text.version for text in ConsentText.objects.order_by("created_at")}
    for purpose in person.agrees:
        consents.give(
            customer=customer,
            purpose=purpose,
            version=newest[purpose],
            language=person.language,
            by=BY,
            channel=BY,
        )
    return 1


def _talk(shelf: Shelf, person: Person, seed: int) -> int:
    """Let one who agreed to it have a conversation kept, once."""
    customer = CustomerProfile.objects.get(external_customer_id=person.number)
    if ConsentText.Purpose.CHAT not in consents.open_purposes(customer) or customer.chats.exists():
        return 0
    session = chats.open_session(customer=customer, store=customer.store, by=BY)
    for role, words in demo.talk(shelf, person, seed=seed):
        said = chats.append(session=session, role=role, text=words, by=BY)
    chats.give_feedback(message=said, is_helpful=len(words) % 3 > 0, comment="", by=BY)
    chats.close(session=session, by=BY)
    return 1


def _take_in(topic: str, told: list[dict[str, Any]], name: str, advance: Advance) -> int:
    applied = done = 0
    for start in range(0, len(told), _BATCH):
        batch = told[start : start + _BATCH]
        taken = take_in(
            [_read(event, topic) for event in batch], topic=topic, way=InboxEvent.Way.REPLAY
        )
        applied += len(taken.applied)
        done += len(batch)
        advance(name, done, len(told))
    return applied


def _read(told: dict[str, Any], topic: str) -> Any:
    return read({name: value for name, value in told.items() if name != "topic"}, topic=topic)


def trickle(*, send: Callable[[list[dict[str, Any]]], None], count: int, seed: int = SEED) -> int:
    """
    Let one of the first `count` customers visit now: send what they do, what is left on the shelf, how busy we are.

    Returns how many events were sent. Raises NothingToShow, and what `send` raises.
    """
    shelf = demo.shelf()
    if shelf is None:
        raise NothingToShow("There are no products with a price yet.")
    chance = np.random.default_rng()
    people = demo.people(shelf, count=count, seed=seed)
    busy = np.array([person.visits_a_month for person in people])
    person = people[int(chance.choice(len(people), p=busy / busy.sum()))]
    began = timezone.now() - _VISIT
    events = list(
        demo.visit(
            shelf, person, chance, at=began, name=f"{person.number}:{began.isoformat()}", seed=seed
        )
    )
    bought = {line["product"]: line["quantity"] for line in events[-1]["data"]["lines"]}
    left = StoreStock.objects.filter(store__code=person.store, product_id__in=bought).values_list(
        "product_id", "quantity"
    )
    for product, quantity in left:
        told = {
            "store": person.store,
            "product": str(product),
            "quantity": max(quantity - bought[str(product)], 0),
        }
        events.append(_now("inventory_updates", "stock", told))
    for name, value in (
        ("load_per_core", os.getloadavg()[0] / (os.cpu_count() or 1)),
        ("visit_events", len(events)),
    ):
        events.append(
            _now(
                "system_metrics",
                "metric",
                {"source": "demonstration", "name": name, "value": float(value)},
            )
        )
    send(events)
    return len(events)


def _now(topic: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "topic": topic,
        "id": str(uuid4()),
        "type": kind,
        "version": 1,
        "occurred_at": timezone.now().isoformat(),
        "data": data,
    }
