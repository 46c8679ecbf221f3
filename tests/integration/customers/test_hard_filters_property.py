"""Hard filters hold for every result over random rules, stores, stock, customers and prices."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Product, StoreStock
from catalog.reference.provinces import PROVINCES
from customers.models import (
    BusinessRule,
    Consent,
    CustomerProfile,
    Interaction,
    ProductNeighbor,
    ProductPopularity,
    Scenario,
)
from customers.recommendations import context, filters, pipeline
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import RecommendationRequest
from customers.recommendations.result import RecommendationResult
from tests.factories.catalog import StoreFactory
from tests.factories.customers import (
    BusinessRuleFactory,
    CustomerFactory,
    InteractionFactory,
    record_purchases,
)

pytestmark = pytest.mark.django_db
_CATEGORIES = ("dried_flower", "edibles", "topicals", "extracts", "beverages")
_STRAIN_TYPES = ("indica", "sativa", "hybrid", None)
_BRANDS = ("North", "South", "East", None)
_PURPOSES = ("history", "profiling")
_NO_LIMIT = 10**6


class World:
    """Random data that a result may depend on, drawn from one random generator."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = timezone.now()
        self.stores = [
            StoreFactory.create(
                code=f"s{number}", name=f"Store {number}", province=rng.choice(("ON", "AB", "QC"))
            )
            for number in range(3)
        ]
        self.products = Product.objects.bulk_create([self._product(number) for number in range(24)])
        merged = [product for product in self.products[1:] if rng.random() < 0.1]
        Product.objects.filter(pk__in=[product.pk for product in merged]).update(
            merged_into=self.products[0]
        )
        StoreStock.objects.bulk_create(
            StoreStock(store=store, product=product, quantity=rng.choice((0, 1, 5)))
            for store in self.stores
            for product in self.products
            if rng.random() < 0.7
        )
        self.customers = [self._create_customer(number) for number in range(4)]
        for _ in range(rng.randrange(8)):
            self.create_rule()
        for scenario in Scenario.objects.all():
            scenario.is_active = rng.random() < 0.9
            scenario.save()
        self._create_statistics()

    def _product(self, number: int) -> Product:
        rng = self.rng
        category = rng.choice(_CATEGORIES)
        return Product(
            id=UUID(int=rng.getrandbits(128)),
            name=f"Product {number}",
            merge_key=f"property:{number}",
            brand=rng.choice(_BRANDS),
            category=category,
            strain_type=rng.choice(_STRAIN_TYPES),
            price=rng.choice((None, Decimal(10), Decimal(30), Decimal("79.95"))),
            thc_percentage=rng.choice((None, Decimal(12), Decimal(28), Decimal(31))),
            thc_percentage_high=rng.choice((None, None, Decimal(33))),
            thc_mg=rng.choice((None, Decimal(5), Decimal(10), Decimal(30))),
            mg_basis=rng.choice((None, "mg", "mg_per_unit", "mg_per_package")),
        )

    def _create_customer(self, number: int) -> CustomerProfile:
        rng = self.rng
        purposes = [purpose for purpose in _PURPOSES if rng.random() < 0.7]
        customer = CustomerFactory.create(
            verified=True,
            consents=purposes,
            external_id=f"property-{number}",
            province=rng.choice(("ON", "AB", "QC", "")),
            is_age_verified=rng.random() < 0.8,
        )
        preferences: dict[str, Any] = {}
        if rng.random() < 0.3:
            preferences["disliked_brands"] = ["north"]
        if rng.random() < 0.3:
            preferences["disliked_categories"] = ["edibles"]
        if rng.random() < 0.3:
            preferences["price_range"] = [5.0, 40.0]
        verified_age = rng.choice((None, 18, 19, 21)) if customer.is_age_verified else None
        CustomerProfile.objects.filter(pk=customer.pk).update(
            stated_preferences=preferences, verified_age=verified_age
        )
        for _ in range(rng.randrange(12)):
            record_purchases(
                customer,
                rng.choice(self.products),
                store=rng.choice(self.stores),
                days_ago=rng.uniform(0, 90),
            )
        for _ in range(rng.randrange(4)):
            InteractionFactory.create(
                customer=customer,
                kind=rng.choice(("like", "dislike", "view")),
                product=rng.choice(self.products),
                days_ago=rng.random(),
            )
        customer.refresh_from_db()
        return customer

    def create_rule(self) -> None:
        """Create a random business rule."""
        rng = self.rng
        action = rng.choice(list(BusinessRule.Action))
        starts_at = None
        if rng.random() < 0.6:
            starts_at = self.now + timedelta(days=rng.choice((-5, -1, 1)))
        ends_at = None
        if rng.random() < 0.5:
            ends_at = (starts_at or self.now) + timedelta(days=rng.choice((2, 10)))
        criteria: dict[str, Any] = rng.choice(
            (
                {"product": rng.choice(self.products)},
                {"brand": "north"},
                {"category": rng.choice(_CATEGORIES)},
                {"strain_type": "sativa"},
                {"min_thc_percentage": Decimal(28)},
                {"brand": "South", "category": "dried_flower"},
            )
        )
        placement: dict[str, Any] = rng.choice(
            ({}, {"store": rng.choice(self.stores)}, {"province": "ON"}, {"scenario": "home"})
        )
        BusinessRuleFactory.create(
            name=f"rule {BusinessRule.objects.count()} {rng.random()}",
            action=action,
            strength=rng.uniform(0.05, 1),
            starts_at=starts_at,
            ends_at=ends_at,
            reason="random",
            unpaid_note="not paid for" if action == BusinessRule.Action.BOOST else "",
            **criteria,
            **placement,
        )

    def _create_statistics(self) -> None:
        rng = self.rng
        ProductNeighbor.objects.bulk_create(
            ProductNeighbor(product=product, neighbor=neighbor, score=rng.random(), buyers=3)
            for product in self.products
            for neighbor in rng.sample(self.products, 5)
            if neighbor != product
        )
        ProductPopularity.objects.bulk_create(
            ProductPopularity(store=store, product=product, score=rng.random(), orders=3)
            for product in self.products
            for store in (*self.stores, None)
            if rng.random() < 0.6
        )

    def random_request(self) -> RecommendationRequest:
        """Return a random recommendation request."""
        rng = self.rng
        scenario = rng.choice(Scenario.Name.values)
        product_counts = {"product": 1, "substitute": 1, "basket": rng.randrange(1, 4)}
        product_count = product_counts.get(scenario, 0)
        customer = rng.choice((*self.customers, None))
        store = rng.choice((*self.stores, None))
        return RecommendationRequest(
            scenario=scenario,
            customer=customer.pk if customer else None,
            store=store,
            province=rng.choice(("", "ON", "QC")) if store is None else "",
            products=tuple(product.pk for product in rng.sample(self.products, product_count)),
            limit=rng.choice((1, 5, 10, 50)),
            min_price=rng.choice((None, None, Decimal(20))),
            max_price=rng.choice((None, None, Decimal(50))),
        )


def violated_filters(
    request: RecommendationRequest, result: RecommendationResult, now: datetime
) -> list[str]:
    """
    Return the name of every hard filter that a result violates.

    An independent implementation that reads the rows alone, to compare with the pipeline's filters.
    """
    customer = (
        CustomerProfile.objects.filter(pk=request.customer).first() if request.customer else None
    )
    if request.store:
        province = request.store.province
    else:
        province = request.province or (customer.province if customer else "")
    consents = Consent.objects.filter(customer=customer, withdrawn_at=None)
    purposes = set(consents.values_list("purpose", flat=True))
    is_profiled = purposes >= set(_PURPOSES)
    violated = []
    if result.recommendations and not Scenario.objects.get(pk=request.scenario).is_active:
        violated.append("scenario")
    if result.recommendations and customer:
        min_age = PROVINCES[province].min_age(now.date()) if province else 21
        if not customer.is_age_verified or (customer.verified_age or 18) < min_age:
            violated.append("age")
    if result.is_personalized and not is_profiled:
        violated.append("consent")
    # With products in the request, similarity and co-purchase refer to these; without any, they
    # can only come from the history of the customer.
    personal_sources = {"repurchase"}
    if not request.products:
        personal_sources |= {"co_purchase", "embedding_similarity"}
    for recommendation in result.recommendations:
        if not is_profiled and personal_sources & set(recommendation.score_components):
            violated.append("consent")
        product = Product.objects.get(pk=recommendation.product.pk)
        violated += _filters_violated_by(product, request, customer, purposes, province, now)
    return violated


def _filters_violated_by(
    product: Product,
    request: RecommendationRequest,
    customer: CustomerProfile | None,
    purposes: set[str],
    province: str,
    now: datetime,
) -> list[str]:
    preferences = customer.stated_preferences if customer else {}
    stock = StoreStock.objects.filter(product=product, quantity__gt=0)
    if request.store:
        stock = stock.filter(store=request.store)
    elif province:
        stock = stock.filter(store__province=province)
    price_range = preferences.get("price_range")
    lowest, highest = price_range or (0, _NO_LIMIT)
    min_price = max(request.min_price or 0, Decimal(str(lowest)))
    max_price = min(request.max_price or _NO_LIMIT, Decimal(str(highest)))
    has_price_limit = bool(request.min_price or request.max_price or price_range)
    opinion = (
        Interaction.objects.filter(customer=customer, product=product, kind__in=("like", "dislike"))
        .order_by("-occurred_at")
        .first()
    )
    is_disliked = bool(
        customer and "history" in purposes and opinion and opinion.kind == Interaction.Kind.DISLIKE
    )
    viewed_categories = Product.objects.filter(pk__in=request.products).values_list(
        "category", flat=True
    )
    violations = {
        "merged": product.merged_into_id is not None,
        "stock": not stock.exists(),
        "province": province in ("QC", "") and _is_banned_in_quebec(product),
        "price": has_price_limit
        and (product.price is None or not min_price <= product.price <= max_price),
        "dislike": is_disliked
        or (product.brand or "").lower() in preferences.get("disliked_brands", [])
        or product.category in preferences.get("disliked_categories", []),
        "rule": any(
            _hides(rule, product, request, province, now)
            for rule in BusinessRule.objects.filter(action="hide")
        ),
        "viewed_or_in_basket": product.pk in request.products,
        "category": request.scenario == "substitute" and product.category not in viewed_categories,
    }
    return [name for name, is_violated in violations.items() if is_violated]


def _is_banned_in_quebec(product: Product) -> bool:
    milligrams = product.thc_mg or 0
    basis = product.mg_basis or ""
    match product.category:
        case "topicals":
            return True
        case "dried_flower" | "extracts":
            return (product.thc_percentage_high or product.thc_percentage or 0) > 30
        case "edibles":
            limits = {"mg_per_unit": 5, "mg_per_package": 10, "mg": 10}
            return milligrams > limits.get(basis, _NO_LIMIT)
        case "beverages":
            limits = {"mg_per_unit": 5, "mg_per_package": 5, "mg": 5}
            return milligrams > limits.get(basis, _NO_LIMIT)
    return False


def _hides(
    rule: BusinessRule,
    product: Product,
    request: RecommendationRequest,
    province: str,
    now: datetime,
) -> bool:
    thc = product.thc_percentage_high or product.thc_percentage
    min_thc = rule.min_thc_percentage
    return (
        (rule.starts_at is None or rule.starts_at <= now)
        and (rule.ends_at is None or rule.ends_at > now)
        and rule.scenario in ("", request.scenario)
        and (not province or rule.province in ("", province))
        and (rule.store is None or rule.store == request.store)
        and (rule.product is None or product in (rule.product, rule.product.merged_into))
        and (not rule.brand or rule.brand.lower() == (product.brand or "").lower())
        and (not rule.category or rule.category == product.category)
        and (not rule.strain_type or rule.strain_type == product.strain_type)
        and (min_thc is None or (thc is not None and thc >= min_thc))
    )


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_no_result_violates_a_hard_filter(seed: int) -> None:
    with transaction.atomic():
        world = World(random.Random(seed))
        for _ in range(12):
            request = world.random_request()

            result = recommend(request, now=world.now, record=False)

            product_ids = {recommendation.product.pk for recommendation in result.recommendations}
            assert violated_filters(request, result, world.now) == []
            assert len(product_ids) == len(result.recommendations)
            assert len(product_ids) <= request.limit
        transaction.set_rollback(True)


def _disable_filter(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Disable one hard filter of the pipeline."""

    def is_blocked_by_others(facts: Any, setting: Any) -> bool:
        return any(reason.filter != name for reason in filters.blocking_reasons(facts, setting))

    def other_request_reasons(setting: Any) -> list[Any]:
        reasons = filters.request_blocking_reasons(setting)
        return [reason for reason in reasons if reason.filter != name]

    if name == "consent":
        monkeypatch.setattr(context, "PROFILING_PURPOSES", frozenset())
    elif name in filters.FILTERS:
        monkeypatch.setattr(pipeline, "is_blocked", is_blocked_by_others)
    else:
        monkeypatch.setattr(pipeline, "request_blocking_reasons", other_request_reasons)


def _violations_in_random_worlds(is_found: Callable[[set[str]], bool]) -> set[str]:
    """Return the filters violated in up to 40 random worlds; stop once a violation is found."""
    violated: set[str] = set()
    for seed in range(40):
        with transaction.atomic():
            world = World(random.Random(seed))
            for _ in range(8):
                request = world.random_request()
                result = recommend(request, now=world.now, record=False)
                violated |= set(violated_filters(request, result, world.now))
            transaction.set_rollback(True)
        if is_found(violated):
            break
    return violated


# Merged products are also excluded by three other filters, so disabling "merged" shows nothing.
@pytest.mark.parametrize(
    "name",
    [name for name in (*filters.FILTERS, "age", "scenario", "consent") if name != "merged"],
)
def test_property_detects_a_disabled_filter(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _disable_filter(monkeypatch, name)

    violated = _violations_in_random_worlds(lambda found: name in found)

    assert violated == {name}
