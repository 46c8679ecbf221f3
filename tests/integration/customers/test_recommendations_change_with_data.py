"""Cached recommendations violate no hard filter a second after any change, in any order."""

import random
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product, Store, StoreStock
from config.cache.invalidation import is_listening
from customers.models import BusinessRule, Consent, Scenario
from customers.recommendations.cache import RECOMMENDATION_CACHE
from customers.recommendations.request import RecommendationRequest
from customers.services import consents, profiles
from tests.factories.catalog import StoreStockFactory
from tests.factories.config import create_api_client
from tests.factories.customers import InteractionFactory, record_purchases
from tests.integration.customers.test_hard_filters_property import World, violated_filters

pytestmark = pytest.mark.django_db(transaction=True)
_CHANGE_COUNT = 40
_REQUEST_COUNT = 6
_MAX_INVALIDATION_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Clear both cache levels and start listening for changes."""
    cache.clear()
    RECOMMENDATION_CACHE.clear_local()
    is_listening()
    yield
    RECOMMENDATION_CACHE.clear_local()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_changes_invalidate_cached_recommendations(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng)
    client = create_api_client("staff")
    requests = [world.random_request() for _ in range(_REQUEST_COUNT)]

    for _ in range(_CHANGE_COUNT):
        for request in requests:
            _get(client, request)  # fills the cache
        rng.choice(_CHANGES)(world)
        deadline = time.monotonic() + _MAX_INVALIDATION_SECONDS

        for request in requests:
            requested_at = time.monotonic()
            while violated := _violated_filters(client, request):
                assert requested_at < deadline, violated
                requested_at = time.monotonic()


def _get(client: APIClient, request: RecommendationRequest) -> Any:
    """Return the response body; None for contradictory prices, which the API rejects."""
    params: dict[str, Any] = {"scenario": request.scenario, "limit": request.limit}
    if request.store:
        params["store_code"] = request.store.code
    if request.products:
        name = "basket" if request.scenario == Scenario.Name.BASKET else "product_id"
        params[name] = ",".join(map(str, request.products))
    if request.min_price is not None:
        params["price_min"] = request.min_price
    if request.max_price is not None:
        params["price_max"] = request.max_price
    response = client.get(f"/api/v1/recommendations/{request.customer or ''}", params)
    if response.status_code == 400:
        assert response.json()["errors"][0]["field"] == "price_min"
        return None
    assert response.status_code == 200, response.content
    return response.json()


def _violated_filters(client: APIClient, request: RecommendationRequest) -> list[str]:
    body = _get(client, request)
    if body is None:
        return []
    result = SimpleNamespace(
        is_personalized=body["is_personalized"],
        recommendations=[
            SimpleNamespace(
                product=SimpleNamespace(pk=product["id"]),
                score_components=product["score_components"],
            )
            for product in body["results"]
        ],
    )
    # The key is not bound to a province: without a store, the province of the customer counts.
    current_request = RecommendationRequest(
        scenario=request.scenario,
        customer=request.customer,
        store=Store.objects.get(pk=request.store.pk) if request.store else None,
        limit=request.limit,
        products=_merge_targets(request.products),
        min_price=request.min_price,
        max_price=request.max_price,
    )
    return violated_filters(current_request, result, timezone.now())  # type: ignore[arg-type]


def _merge_targets(product_ids: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """Return the products, or those they were merged into, as the API resolves them."""
    products = Product.objects.in_bulk(product_ids)
    return tuple(products[pk].merged_into_id or pk for pk in product_ids)


def _set_stock(world: World) -> None:
    store = world.rng.choice(world.stores)
    product = world.rng.choice(world.products)
    StoreStockFactory.create(store=store, product=product, quantity=world.rng.choice((0, 0, 4)))


def _sell_out_store(world: World) -> None:
    StoreStock.objects.filter(store=world.rng.choice(world.stores)).update(quantity=0)


def _restock_store(world: World) -> None:
    StoreStock.objects.filter(store=world.rng.choice(world.stores)).update(quantity=3)


def _create_rule(world: World) -> None:
    world.create_rule()


def _delete_rules(_world: World) -> None:
    rules = BusinessRule.objects.all()[:2]
    BusinessRule.objects.filter(pk__in=[rule.pk for rule in rules]).delete()


def _like_or_dislike(world: World) -> None:
    InteractionFactory.create(
        customer=world.rng.choice(world.customers),
        kind=world.rng.choice(("like", "dislike")),
        product=world.rng.choice(world.products),
        days_ago=0,
    )


def _change_preferences(world: World) -> None:
    changes: dict[str, Any] = world.rng.choice(
        (
            {"disliked_categories": ["dried_flower"]},
            {"disliked_categories": None},
            {"price_range": [0, 25]},
            {"price_range": None},
        )
    )
    customer = world.rng.choice(world.customers)
    profiles.correct_profile(customer=customer, changes=changes, by="user:test")


def _change_consent(world: World) -> None:
    customer = world.rng.choice(world.customers)
    consent = Consent.objects.filter(customer=customer, withdrawn_at=None).first()
    if consent:
        consents.withdraw_consent(customer=customer, purpose=consent.purpose, by="user:test")
        return
    for purpose in ("history", "profiling"):
        consents.give_consent(
            customer=customer, purpose=purpose, version="2026-11", language="en", by="user:test"
        )


def _verify_age(world: World) -> None:
    profiles.verify_age(
        customer=world.rng.choice(world.customers),
        verification_method="in_person",
        by="user:test",
        verified_age=world.rng.choice((18, 19, 21)),
    )


def _change_product(world: World) -> None:
    product = world.rng.choice(world.products)
    fields: dict[str, Any] = world.rng.choice(
        ({"category": "topicals"}, {"brand": "North"}, {"price": 5}, {"thc_percentage": 33})
    )
    Product.objects.filter(pk=product.pk).update(**fields)


def _purchase(world: World) -> None:
    record_purchases(
        world.rng.choice(world.customers),
        world.rng.choice(world.products),
        store=world.stores[0],
        days_ago=0,
    )


def _move_store_and_customer(world: World) -> None:
    store = world.rng.choice(world.stores)
    customer = world.rng.choice(world.customers)
    Store.objects.filter(pk=store.pk).update(province=world.rng.choice(("ON", "QC")))
    store.refresh_from_db()
    province = world.rng.choice(("AB", "QC"))
    profiles.correct_profile(customer=customer, changes={"province": province}, by="user:test")


def _merge_products(world: World) -> None:
    merged, target = world.rng.sample(world.products, 2)
    is_merge_target = Product.objects.filter(merged_into=merged).exists()
    if merged.merged_into_id or target.merged_into_id or is_merge_target:
        return
    Product.objects.filter(pk=merged.pk).update(merged_into=target)
    merged.refresh_from_db()


def _switch_scenario(world: World) -> None:
    scenario = Scenario.objects.get(pk=world.rng.choice(Scenario.Name.values))
    scenario.is_active = not scenario.is_active
    scenario.save()


# Stock changes are the most frequent ones.
_CHANGES: tuple[Callable[[World], None], ...] = (
    _set_stock,
    _set_stock,
    _set_stock,
    _sell_out_store,
    _restock_store,
    _create_rule,
    _delete_rules,
    _like_or_dislike,
    _change_preferences,
    _change_consent,
    _verify_age,
    _change_product,
    _purchase,
    _switch_scenario,
    _move_store_and_customer,
    _merge_products,
)
