"""Whatever changes, in whichever order, what is kept of answers breaks no hard filter a second later."""

import random
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product, Store, StoreStock
from config.cache.invalidation import is_listening
from customers.models import Consent, Rule, Scenario
from customers.recommendations.cache import ANSWERS
from customers.recommendations.request import Question
from customers.services import consents, profiles
from tests.integration import customer_data, store_data
from tests.integration.customers.test_hard_filters_property import World, broken

pytestmark = pytest.mark.django_db(transaction=True)
_STEPS, _ASKED = 40, 6
_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """Begin without what other tests left, and hear of changes."""
    cache.clear()
    ANSWERS.forget()
    is_listening()
    yield
    ANSWERS.forget()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_changes_are_heard(seed: int) -> None:
    chance = random.Random(seed)
    world, client = World(chance), customer_data.client_with("staff")
    questions = [world.question() for _ in range(_ASKED)]
    for _ in range(_STEPS):
        for question in questions:
            _ask(client, question)  # so that there is something to be kept
        chance.choice(_CHANGES)(world)
        until = time.monotonic() + _SECONDS
        for question in questions:
            asked_at = time.monotonic()
            while wrong := _broken(client, question):
                assert asked_at < until, wrong
                asked_at = time.monotonic()


def _ask(client: APIClient, question: Question) -> Any:
    asked: dict[str, Any] = {"scenario": question.scenario, "limit": question.limit}
    if question.store:
        asked["store"] = question.store.code
    if question.products:
        name = "basket" if question.scenario == Scenario.Name.BASKET else "product"
        asked[name] = ",".join(map(str, question.products))
    if question.least_price is not None:
        asked["min_price"] = question.least_price
    if question.most_price is not None:
        asked["max_price"] = question.most_price
    answer = client.get(f"/api/v1/recommendations/{question.customer or ''}", asked)
    if answer.status_code == 400:  # prices the wrong way round, which no answer is given to
        return None
    assert answer.status_code == 200, answer.content
    return answer.json()


def _broken(client: APIClient, question: Question) -> list[str]:
    told = _ask(client, question)
    if told is None:
        return []
    picks = [
        SimpleNamespace(product=SimpleNamespace(pk=one["id"]), parts=one["parts"])
        for one in told["results"]
    ]
    # The key is for no province: where no store is asked for, the person's counts.
    store = Store.objects.get(pk=question.store.pk) if question.store else None
    asked = Question(
        scenario=question.scenario,
        customer=question.customer,
        store=store,
        limit=question.limit,
        products=_where_they_are_now(question),
        least_price=question.least_price,
        most_price=question.most_price,
    )
    shown = SimpleNamespace(picks=picks, is_personal=told["is_personal"])
    return broken(asked, shown, timezone.now())  # type: ignore[arg-type]


def _where_they_are_now(question: Question) -> tuple[Any, ...]:
    """Return the products that are asked with, or what they were merged into, as the API takes them."""
    rows = Product.objects.in_bulk(question.products)
    return tuple(rows[pk].merged_into_id or pk for pk in question.products)


def _stock(world: World) -> None:
    where, what = world.chance.choice(world.stores), world.chance.choice(world.products)
    store_data.on_shelf(where, what, world.chance.choice((0, 0, 4)))


def _sell_everything(world: World) -> None:
    StoreStock.objects.filter(store=world.chance.choice(world.stores)).update(quantity=0)


def _restock(world: World) -> None:
    StoreStock.objects.filter(store=world.chance.choice(world.stores)).update(quantity=3)


def _rule(world: World) -> None:
    world.rule()


def _end_rules(world: World) -> None:
    Rule.objects.filter(pk__in=[rule.pk for rule in Rule.objects.all()[:2]]).delete()


def _dislike(world: World) -> None:
    store_data.acted(
        world.chance.choice(world.people),
        world.chance.choice(("like", "dislike")),
        world.chance.choice(world.products),
        days=0,
    )


def _state(world: World) -> None:
    changes: dict[str, Any] = world.chance.choice(
        (
            {"disliked_categories": ["dried-flower"]},
            {"disliked_categories": None},
            {"price_range": [0, 25]},
            {"price_range": None},
        )
    )
    profiles.correct(customer=world.chance.choice(world.people), changes=changes, by="user:test")


def _consent(world: World) -> None:
    customer = world.chance.choice(world.people)
    given = Consent.objects.filter(customer=customer, withdrawn_at=None).first()
    if given:
        consents.withdraw(customer=customer, purpose=given.purpose, by="user:test")
    else:
        for purpose in ("history", "profiling"):
            consents.give(
                customer=customer, purpose=purpose, version="2026-11", language="en", by="user:test"
            )


def _age(world: World) -> None:
    profiles.verify_age(
        customer=world.chance.choice(world.people),
        proof="in-person",
        by="user:test",
        age=world.chance.choice((18, 19, 21)),
    )


def _product(world: World) -> None:
    what = world.chance.choice(world.products)
    facts: dict[str, Any] = world.chance.choice(
        ({"category": "topicals"}, {"brand": "North"}, {"price": 5}, {"thc_percentage": 33})
    )
    Product.objects.filter(pk=what.pk).update(**facts)


def _buy(world: World) -> None:
    store_data.bought(
        world.chance.choice(world.people),
        world.chance.choice(world.products),
        where=world.stores[0],
        days=0,
    )


def _move(world: World) -> None:
    store, customer = world.chance.choice(world.stores), world.chance.choice(world.people)
    Store.objects.filter(pk=store.pk).update(province=world.chance.choice(("ON", "QC")))
    store.refresh_from_db()
    profiles.correct(
        customer=customer, changes={"province": world.chance.choice(("AB", "QC"))}, by="user:test"
    )


def _merge(world: World) -> None:
    merged, into = world.chance.sample(world.products, 2)
    if not (
        merged.merged_into_id
        or into.merged_into_id
        or Product.objects.filter(merged_into=merged).exists()
    ):
        Product.objects.filter(pk=merged.pk).update(merged_into=into)
        merged.refresh_from_db()


def _switch(world: World) -> None:
    scenario = Scenario.objects.get(pk=world.chance.choice(Scenario.Name.values))
    scenario.is_active = not scenario.is_active
    scenario.save()


_CHANGES: tuple[Callable[[World], None], ...] = (
    _stock,
    _stock,
    _stock,
    _sell_everything,
    _restock,
    _rule,
    _end_rules,
    _dislike,
    _state,
    _consent,
    _age,
    _product,
    _buy,
    _switch,
    _move,
    _merge,
)
