"""A demonstration's customers put into the rows: registered, consenting, and their doings taken in like anybody's."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from catalog.models import Store
from config.errors import CultivarError
from customers import demonstration
from customers.demonstration import STORES, Person
from customers.models import ConsentText, CustomerProfile
from customers.services import consents, preferences, profiles
from mlops.models import InboxEvent
from mlops.streams.intake import take_in
from mlops.streams.reading import read

BY = "demonstration"
_BATCH = 500
Advance = Callable[[str, int, int], None]
"""Told what is being done, how many are done, of how many."""


class NothingToShow(CultivarError):
    """There are no products with a price yet."""

    code = "nothing-to-show"


def load(*, count: int, days: int, seed: int, advance: Advance) -> dict[str, int]:
    """Make stores, stock, customers and what they did in the last days; safe to repeat. Raises NothingToShow."""
    shelf = demonstration.shelf()
    if shelf is None:
        raise NothingToShow("There are no products with a price yet; run `manage.py sync_catalog` first.")
    for code, name, province in STORES:
        Store.objects.get_or_create(code=code, defaults={"name": name, "province": province})
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    people = demonstration.people(shelf, count=count, seed=seed)
    new = 0
    for number, person in enumerate(people, start=1):
        new += _register(person)
        advance("customers", number, len(people))
    counted = list(demonstration.stock(shelf, at=midnight, seed=seed))
    done = list(demonstration.doings(shelf, people, until=midnight, days=days, seed=seed))
    taken = {"customers": new, "stock": _take_in("inventory_updates", counted, "stock", advance)}
    taken["events"] = _take_in("customer_interactions", sorted(done, key=_time), "events", advance)
    taken["preferences"] = preferences.derive_due()
    return taken


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def _register(person: Person) -> int:
    if CustomerProfile.objects.filter(external_customer_id=person.number).exists():
        return 0
    customer = profiles.register(
        external_customer_id=person.number, by=BY, province=person.province, language=person.language,
        store=Store.objects.get(code=person.store), is_synthetic=True,
    )  # fmt: skip
    profiles.verify_age(customer=customer, proof=CustomerProfile.AgeProof.IN_PERSON, by=BY)
    newest = {text.purpose: text.version for text in ConsentText.objects.order_by("created_at")}
    for purpose in person.agrees:
        consents.give(
            customer=customer, purpose=purpose, version=newest[purpose], language=person.language, by=BY, channel=BY
        )
    return 1


def _take_in(topic: str, told: list[dict[str, Any]], name: str, advance: Advance) -> int:
    applied = done = 0
    for start in range(0, len(told), _BATCH):
        batch = told[start : start + _BATCH]
        taken = take_in([_read(event, topic) for event in batch], topic=topic, way=InboxEvent.Way.REPLAY)
        applied += len(taken.applied)
        done += len(batch)
        advance(name, done, len(told))
    return applied


def _read(told: dict[str, Any], topic: str) -> Any:
    return read({name: value for name, value in told.items() if name != "topic"}, topic=topic)
