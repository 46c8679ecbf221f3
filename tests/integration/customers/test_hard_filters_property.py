"""No answer ever breaks a hard filter: random rules, stores, stocks, provinces, ages, consents, dislikes, prices, boosters."""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Product, Store, StoreStock
from catalog.reference.provinces import PROVINCES
from customers.models import (
    Consent,
    CustomerProfile,
    Interaction,
    ProductNeighbor,
    ProductPopularity,
    Rule,
    Scenario,
)
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import Question
from customers.recommendations.result import Answer
from tests.integration import store_data

pytestmark = pytest.mark.django_db
_CATEGORIES = ("dried-flower", "edibles", "topicals", "extracts", "beverages")
_TYPES = ("indica", "sativa", "hybrid", None)
_BRANDS = ("North", "South", "East", None)
_PURPOSES = ("history", "profiling")


class World:
    """Everything that an answer may rest on, drawn from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = timezone.now()
        self.stores = [
            Store.objects.create(
                code=f"s{number}",
                name=f"Store {number}",
                province=chance.choice(("ON", "AB", "QC")),
            )
            for number in range(3)
        ]
        self.products = Product.objects.bulk_create([self._product(number) for number in range(24)])
        merged = [product for product in self.products[1:] if chance.random() < 0.1]
        Product.objects.filter(pk__in=[product.pk for product in merged]).update(
            merged_into=self.products[0]
        )
        StoreStock.objects.bulk_create(
            StoreStock(store=store, product=product, quantity=chance.choice((0, 1, 5)))
            for store in self.stores
            for product in self.products
            if chance.random() < 0.7
        )
        self.people = [self._person(number) for number in range(4)]
        for _ in range(chance.randrange(8)):
            self.rule()
        for scenario in Scenario.objects.all():
            scenario.is_active = chance.random() < 0.9
            scenario.save()
        self._count()

    def _product(self, number: int) -> Product:
        chance, category = self.chance, self.chance.choice(_CATEGORIES)
        return Product(
            id=UUID(int=chance.getrandbits(128)),
            name=f"Product {number}",
            merge_key=f"law:{number}",
            brand=chance.choice(_BRANDS),
            category=category,
            strain_type=chance.choice(_TYPES),
            price=chance.choice((None, Decimal(10), Decimal(30), Decimal("79.95"))),
            thc_percentage=chance.choice((None, Decimal(12), Decimal(28), Decimal(31))),
            thc_percentage_high=chance.choice((None, None, Decimal(33))),
            thc_mg=chance.choice((None, Decimal(5), Decimal(10), Decimal(30))),
            mg_unit=chance.choice((None, "mg", "mg_per_unit", "mg_per_package")),
        )

    def _person(self, number: int) -> CustomerProfile:
        chance = self.chance
        purposes = [purpose for purpose in _PURPOSES if chance.random() < 0.7]
        province = chance.choice(("ON", "AB", "QC", ""))
        made = store_data.shopper(
            *purposes, number=f"law-{number}", province=province, is_of_age=chance.random() < 0.8
        )
        stated: dict[str, Any] = {}
        if chance.random() < 0.3:
            stated["disliked_brands"] = ["north"]
        if chance.random() < 0.3:
            stated["disliked_categories"] = ["edibles"]
        if chance.random() < 0.3:
            stated["price_range"] = [5.0, 40.0]
        proven = chance.choice((None, 18, 19, 21)) if made.is_age_verified else None
        CustomerProfile.objects.filter(pk=made.pk).update(stated=stated, proven_age=proven)
        for _ in range(chance.randrange(12)):
            store_data.bought(
                made,
                chance.choice(self.products),
                where=chance.choice(self.stores),
                days=chance.uniform(0, 90),
            )
        for _ in range(chance.randrange(4)):
            store_data.acted(
                made,
                chance.choice(("like", "dislike", "view")),
                chance.choice(self.products),
                days=chance.random(),
            )
        made.refresh_from_db()
        return made

    def rule(self) -> None:
        chance, deed = self.chance, self.chance.choice(list(Rule.Deed))
        starts = (
            self.now + timedelta(days=chance.choice((-5, -1, 1))) if chance.random() < 0.6 else None
        )
        ends = (
            (starts or self.now) + timedelta(days=chance.choice((2, 10)))
            if chance.random() < 0.5
            else None
        )
        named: dict[str, Any] = chance.choice(
            (
                {"product": chance.choice(self.products)},
                {"brand": "north"},
                {"category": chance.choice(_CATEGORIES)},
                {"strain_type": "sativa"},
                {"least_thc": Decimal(28)},
                {"brand": "South", "category": "dried-flower"},
            )
        )
        place: dict[str, Any] = chance.choice(
            ({}, {"store": chance.choice(self.stores)}, {"province": "ON"}, {"scenario": "home"})
        )
        Rule.objects.create(
            name=f"rule {Rule.objects.count()} {chance.random()}",
            deed=deed,
            strength=chance.uniform(0.05, 1),
            starts_at=starts,
            ends_at=ends,
            reason="by chance",
            unpaid_note="nobody pays" if deed == Rule.Deed.RAISE else "",
            **named,
            **place,
        )

    def _count(self) -> None:
        chance = self.chance
        ProductNeighbor.objects.bulk_create(
            ProductNeighbor(product=product, neighbor=neighbor, score=chance.random(), buyers=3)
            for product in self.products
            for neighbor in chance.sample(self.products, 5)
            if neighbor != product
        )
        ProductPopularity.objects.bulk_create(
            ProductPopularity(store=store, product=product, score=chance.random(), orders=3)
            for product in self.products
            for store in (*self.stores, None)
            if chance.random() < 0.6
        )

    def question(self) -> Question:
        chance = self.chance
        scenario = chance.choice(Scenario.Name.values)
        products = {"product": 1, "substitute": 1, "basket": chance.randrange(1, 4)}.get(
            scenario, 0
        )
        person = chance.choice((*self.people, None))
        store = chance.choice((*self.stores, None))
        return Question(
            scenario=scenario,
            customer=person.pk if person else None,
            store=store,
            province=chance.choice(("", "ON", "QC")) if store is None else "",
            products=tuple(product.pk for product in chance.sample(self.products, products)),
            limit=chance.choice((1, 5, 10, 50)),
            least_price=chance.choice((None, None, Decimal(20))),
            most_price=chance.choice((None, None, Decimal(50))),
        )


def broken(question: Question, answer: Answer, now: Any) -> list[str]:
    """Return every hard filter that an answer breaks, told from the rows alone."""
    person = (
        CustomerProfile.objects.filter(pk=question.customer).first() if question.customer else None
    )
    place = (
        question.store.province
        if question.store
        else question.province or (person.province if person else "")
    )
    purposes = set(
        Consent.objects.filter(customer=person, withdrawn_at=None).values_list("purpose", flat=True)
    )
    found = []
    if answer.picks and not Scenario.objects.get(pk=question.scenario).is_active:
        found.append("scenario")
    if answer.picks and person:
        needed = PROVINCES[place].least_age(now.date()) if place else 21
        if not person.is_age_verified or (person.proven_age or 18) < needed:
            found.append("age")
    if answer.is_personal and not purposes >= set(_PURPOSES):
        found.append("consent")
    for pick in answer.picks:
        product = Product.objects.get(pk=pick.product.pk)
        # What is alike may be so to what is looked at; without that, it could only come of what somebody did.
        personal = {"again"} if question.products else {"again", "alike", "taste"}
        if not purposes >= set(_PURPOSES) and personal & set(pick.parts):
            found.append("consent")
        found += _broken_by(product, question, person, purposes, place, now)
    return found


def _broken_by(
    product: Product,
    question: Question,
    person: CustomerProfile | None,
    purposes: set[str],
    place: str,
    now: Any,
) -> list[str]:
    stated = person.stated if person else {}
    stock = StoreStock.objects.filter(product=product, quantity__gt=0)
    if question.store:
        stock = stock.filter(store=question.store)
    elif place:
        stock = stock.filter(store__province=place)
    lowest = max(question.least_price or 0, Decimal(str((stated.get("price_range") or [0])[0])))
    highest = min(
        question.most_price or 10**6, Decimal(str((stated.get("price_range") or [0, 10**6])[1]))
    )
    is_priced = bool(question.least_price or question.most_price or stated.get("price_range"))
    last = (
        Interaction.objects.filter(customer=person, product=product, kind__in=("like", "dislike"))
        .order_by("-occurred_at")
        .first()
    )
    checks = {
        "merged": product.merged_into_id is not None,
        "stock": not stock.exists(),
        "province": place in ("QC", "") and _is_banned_in_quebec(product),
        "price": is_priced and (product.price is None or not lowest <= product.price <= highest),
        "dislike": bool(
            (person and "history" in purposes and last and last.kind == "dislike")
            or (product.brand or "").lower() in stated.get("disliked_brands", [])
            or product.category in stated.get("disliked_categories", [])
        ),
        "rule": any(
            _hides(rule, product, question, place, now) for rule in Rule.objects.filter(deed="hide")
        ),
        "looked-at": product.pk in question.products,
        "category": question.scenario == "substitute"
        and product.category
        not in Product.objects.filter(pk__in=question.products).values_list("category", flat=True),
    }
    return [name for name, is_broken in checks.items() if is_broken]


def _is_banned_in_quebec(product: Product) -> bool:
    milligrams, unit = product.thc_mg or 0, product.mg_unit
    match product.category:
        case "topicals":
            return True
        case "dried-flower" | "extracts":
            return (product.thc_percentage_high or product.thc_percentage or 0) > 30
        case "edibles":
            return milligrams > {"mg_per_unit": 5, "mg_per_package": 10, "mg": 10}.get(
                unit or "", 10**6
            )
        case "beverages":
            return milligrams > {"mg_per_unit": 5, "mg_per_package": 5, "mg": 5}.get(
                unit or "", 10**6
            )
    return False


def _hides(rule: Rule, product: Product, question: Question, place: str, now: Any) -> bool:
    thc = product.thc_percentage_high or product.thc_percentage
    return (
        (rule.starts_at is None or rule.starts_at <= now)
        and (rule.ends_at is None or rule.ends_at > now)
        and rule.scenario in ("", question.scenario)
        and (not place or rule.province in ("", place))
        and (rule.store is None or rule.store == question.store)
        and (rule.product is None or product in (rule.product, rule.product.merged_into))
        and (not rule.brand or rule.brand.lower() == (product.brand or "").lower())
        and (not rule.category or rule.category == product.category)
        and (not rule.strain_type or rule.strain_type == product.strain_type)
        and (rule.least_thc is None or (thc is not None and thc >= rule.least_thc))
    )


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_no_answer_breaks_a_hard_filter(seed: int) -> None:
    with transaction.atomic():
        world = World(random.Random(seed))
        for _ in range(12):
            question = world.question()
            answer = recommend(question, now=world.now, is_kept=False)
            assert broken(question, answer, world.now) == []
            assert (
                len(answer.picks)
                == len({pick.product.pk for pick in answer.picks})
                <= question.limit
            )
        transaction.set_rollback(True)


def test_the_law_sees_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each filter taken out alone is noticed; but what was merged is left out by three others as well."""
    from customers.recommendations import context, filters, pipeline

    def without(name: str) -> Callable[..., bool]:
        return lambda facts, setting: any(
            one.filter != name for one in filters.blocked(facts, setting)
        )

    seen: dict[str, set[str]] = {
        name: set() for name in (*filters.FILTERS, "age", "scenario", "consent") if name != "merged"
    }
    for name, broken_by in seen.items():
        with monkeypatch.context() as patched:
            if name == "consent":
                patched.setattr(context, "_PROFILED", frozenset())
            elif name in filters.FILTERS:
                patched.setattr(pipeline, "is_blocked", without(name))
            else:
                patched.setattr(
                    pipeline,
                    "barred",
                    lambda setting, name=name: [
                        b for b in filters.barred(setting) if b.filter != name
                    ],
                )
            for seed in range(40):
                with transaction.atomic():
                    world = World(random.Random(seed))
                    for _ in range(8):
                        question = world.question()
                        broken_by |= set(
                            broken(
                                question,
                                recommend(question, now=world.now, is_kept=False),
                                world.now,
                            )
                        )
                    transaction.set_rollback(True)
                if name in broken_by:
                    break
    assert {name: found for name, found in seen.items() if found != {name}} == {}
