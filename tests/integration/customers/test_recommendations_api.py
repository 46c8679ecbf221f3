"""Recommendations over REST: parameters, audiences, both cache levels, invalidation, feedback."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product, Store, StoreStock
from catalog.services.stock import StockCount, save_stock_counts
from config.api.keys import ApiKey
from config.cache import RenderedResponse
from config.cache.invalidation import is_listening
from config.clients.redis import find_keys
from customers.models import (
    CustomerProfile,
    PersonalAccess,
    Recommendation,
    RecommendationFeedback,
)
from customers.recommendations import pipeline
from customers.recommendations.cache import RECOMMENDATION_CACHE
from customers.recommendations.context import load_context
from customers.services import consents, profiles
from mlops.privacy.erasure import erase
from tests.factories.catalog import ProductFactory, StoreFactory, StoreStockFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import (
    BusinessRuleFactory,
    CustomerFactory,
    InteractionFactory,
    rank_by_popularity,
    record_purchases,
)
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MAX_INVALIDATION_SECONDS = 1.0
FEEDBACK_PATH = "/api/v1/recommendations/feedback"


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Clear both cache levels before and the local cache after a test."""
    cache.clear()
    RECOMMENDATION_CACHE.clear_local()
    yield
    RECOMMENDATION_CACHE.clear_local()


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return StoreFactory.create(code="queen-west")


@pytest.fixture
def products(store: Store) -> list[Product]:
    """Eight products in stock, in order of increasing popularity."""
    created = create_products(8, store)
    rank_by_popularity(created, store=store)
    return created


@pytest.fixture
def customer(store: Store, products: list[Product]) -> CustomerProfile:
    """A customer with all consents who has bought the first product six times."""
    created = CustomerFactory.create(verified=True, consenting=True)
    record_purchases(created, products[0], store=store, times=6)
    return created


@pytest.fixture
def computations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A list that gains an item for each response that is computed instead of cached."""
    calls: list[object] = []
    original = load_context

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(pipeline, "load_context", counting)
    return calls


def wait_for_listener() -> None:
    """Wait until the process listens for changes."""
    is_listening()
    wait_until(is_listening, 5, every=0.01)


def _path(customer: CustomerProfile | None, **params: object) -> str:
    query = "&".join(
        f"{name}={value}" for name, value in {"store_code": "queen-west", **params}.items()
    )
    return f"/api/v1/recommendations/{customer.pk if customer else ''}?{query}"


def _path_without_store(customer: CustomerProfile, limit: int) -> str:
    return f"/api/v1/recommendations/{customer.pk}?limit={limit}"


def _get_from(level: str, client: APIClient, path: str) -> Any:
    """Return the body from the local cache, or from Redis as in another process."""
    if level == "redis":
        RECOMMENDATION_CACHE.clear_local()
    return _get(client, path)


def _get(client: APIClient, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, response.content
    return json.loads(response.content)


def _skus(body: Any) -> list[str]:
    return [product["sku"] for product in body["results"]]


def test_response_explains_results_and_fallback(
    customer: CustomerProfile, products: list[Product]
) -> None:
    body = _get(create_api_client("verified"), _path(customer, limit=3))

    assert _skus(body)[0] == "P-0"
    assert body["scenario"] == "home"
    assert body["title"] == "For you"
    assert body["is_personalized"] is True
    assert len(body["results"]) == 3
    assert body["fallback"] == {"level": "degraded", "reasons": ["vectors_unavailable"]}
    assert body["results"][0]["reasons"][0] == {
        "type": "previously_purchased",
        "value": "",
        "text": "You bought it before",
        "similar_to_product_id": None,
    }
    assert UUID(body["recommendation_id"]) == Recommendation.objects.get().id


def test_scores_rules_and_filters_are_for_staff(
    customer: CustomerProfile, products: list[Product]
) -> None:
    BusinessRuleFactory.create(
        name="overstock",
        action="boost",
        product=products[0],
        reason="too many",
        unpaid_note="not paid for",
    )

    verified = _get(create_api_client("verified"), _path(customer))
    staff = _get(create_api_client("staff"), _path(customer, scenario="lookup"))

    first = staff["results"][0]
    assert first["rules"] == [{"name": "overstock", "action": "boost", "reason": "too many"}]
    assert first["score_components"]["repurchase"] > 0
    assert first["score"] >= first["score_components"]["repurchase"]
    filters = set(staff["applied_filters"])
    assert {"stock", "age", "province", "consent", "dislike", "rule", "price"} <= filters
    assert "applied_filters" not in verified
    assert not {"score", "score_components", "rules", "effects"} & set(verified["results"][0])


def test_cached_response_is_identical_in_both_levels(
    customer: CustomerProfile, computations: list[object]
) -> None:
    wait_for_listener()
    client = create_api_client("verified")
    path = _path(customer)

    computed = client.get(path)
    from_local_cache = client.get(path)
    not_modified = client.get(path, HTTP_IF_NONE_MATCH=computed["ETag"])
    RECOMMENDATION_CACHE.clear_local()  # as in another process, which finds it in Redis
    from_redis = client.get(path)

    assert from_local_cache.content == computed.content
    assert from_local_cache["ETag"] == computed["ETag"]
    assert from_local_cache["Cache-Control"] == "private, no-cache"
    assert from_local_cache["Vary"] == "Authorization, Accept-Language"
    assert not_modified.status_code == 304
    assert not_modified.content == b""
    assert from_redis.content == computed.content
    assert len(computations) == 1
    logged = PersonalAccess.objects.filter(customer_id=customer.pk, action="recommendations.read")
    assert logged.count() == 2
    keys = [key for _, key in find_keys(lambda text: str(customer.pk) in text)]
    assert f"recommendations:{customer.pk}".encode() in keys


def test_cached_responses_respect_audience_and_scope_of_the_key(customer: CustomerProfile) -> None:
    path = _path(customer)
    staff = create_api_client("staff")
    verified = create_api_client("verified")
    without_scope = create_api_client("verified", ("catalog:read",))
    public = create_api_client("public")

    for _ in range(2):  # first computed, then cached
        assert "score" in _get(staff, path)["results"][0]
        assert "score" not in _get(verified, path)["results"][0]
        assert without_scope.get(path).status_code == 403
        assert public.get(path).status_code == 403
        assert APIClient().get(path).status_code == 401


def _dislike(customer: CustomerProfile, products: list[Product]) -> None:
    InteractionFactory.create(customer=customer, kind="dislike", product=products[0], days_ago=0)


def _sell_out(_customer: CustomerProfile, products: list[Product]) -> None:
    StoreStockFactory.create(
        store=Store.objects.get(code="queen-west"), product=products[0], quantity=0
    )


def _hide(_customer: CustomerProfile, products: list[Product]) -> None:
    BusinessRuleFactory.create(name="recall", action="hide", product=products[0], reason="lot 7")


def _merge(_customer: CustomerProfile, products: list[Product]) -> None:
    Product.objects.filter(pk=products[0].pk).update(merged_into=products[1])


def _state_disliked_brand(customer: CustomerProfile, _products: list[Product]) -> None:
    profiles.correct_profile(
        customer=customer, changes={"disliked_brands": ["Brand 0"]}, by="user:test"
    )


def _raise_price_above_range(customer: CustomerProfile, products: list[Product]) -> None:
    profiles.correct_profile(customer=customer, changes={"price_range": [0, 100]}, by="user:test")
    with connection.cursor() as cursor:  # by SQL, bypassing every service
        cursor.execute("UPDATE products SET price = 500 WHERE id = %s", [products[0].pk])


@pytest.mark.parametrize(
    "change",
    [_dislike, _sell_out, _hide, _merge, _state_disliked_brand, _raise_price_above_range],
)
@pytest.mark.parametrize("level", ["local", "redis"])
def test_products_that_become_ineligible_disappear_from_cached_responses(
    customer: CustomerProfile, products: list[Product], change: Callable[..., None], level: str
) -> None:
    wait_for_listener()
    client = create_api_client("verified")
    path = _path(customer)
    assert "P-0" in _skus(_get(client, path))

    change(customer, products)

    wait_until(
        lambda: "P-0" not in _skus(_get_from(level, client, path)),
        MAX_INVALIDATION_SECONDS,
        every=0.01,
    )


def test_withdrawn_consent_invalidates_cached_recommendations(customer: CustomerProfile) -> None:
    wait_for_listener()
    client = create_api_client("verified")
    path = _path(customer)
    assert _get(client, path)["is_personalized"]

    consents.withdraw_consent(customer=customer, purpose="profiling", by="user:test")

    wait_until(
        lambda: not _get(client, path)["is_personalized"], MAX_INVALIDATION_SECONDS, every=0.01
    )


def test_other_customers_events_do_not_invalidate_cached_recommendations(
    customer: CustomerProfile,
    products: list[Product],
    store: Store,
    computations: list[object],
) -> None:
    wait_for_listener()
    other_customer = CustomerFactory.create(verified=True, consenting=True)
    client = create_api_client("verified")
    path = _path(customer)
    _get(client, path)

    witness = RenderedResponse(b"", "", frozenset({str(other_customer.pk)}), 60)
    RECOMMENDATION_CACHE.put_local("witness", witness, RECOMMENDATION_CACHE.generation())

    record_purchases(other_customer, products[3], store=store)
    wait_until(lambda: not RECOMMENDATION_CACHE.get_local("witness"), 5, every=0.01)
    _get(client, path)

    assert len(computations) == 1


def test_cached_response_expires_when_a_scheduled_rule_starts(
    customer: CustomerProfile, products: list[Product]
) -> None:
    wait_for_listener()
    now = timezone.now()
    starts_at = now + timedelta(seconds=1)
    BusinessRuleFactory.create(name="soon", action="hide", product=products[0], starts_at=starts_at)
    client = create_api_client("verified")
    path = _path(customer)
    # However slow the machine is, the response is computed one second before the rule starts.
    with time_machine.travel(now, tick=False):
        assert "P-0" in _skus(_get(client, path))

    wait_until(lambda: "P-0" not in _skus(_get(client, path)), 5, every=0.01)


def test_erasure_removes_a_customer_from_caches_and_tables(customer: CustomerProfile) -> None:
    wait_for_listener()
    client = create_api_client("verified")
    path = _path(customer)
    body = _get(client, path)
    feedback = {
        "recommendation_id": body["recommendation_id"],
        "feedback": [{"product_id": body["results"][0]["id"], "type": "shown"}],
    }
    client.post(FEEDBACK_PATH, feedback, format="json")

    erase(subject=customer.pk, requested_by="key:test", reason="they asked", dry_run=False)

    assert not find_keys(lambda text: str(customer.pk) in text)
    assert not Recommendation.objects.exists()
    assert not RecommendationFeedback.objects.exists()
    wait_until(lambda: client.get(path).status_code == 404, MAX_INVALIDATION_SECONDS, every=0.01)


def test_anonymous_session_gets_best_sellers(products: list[Product]) -> None:
    body = _get(create_api_client("verified"), _path(None, session_id="session-7"))

    assert _skus(body)[0] == "P-7"
    assert body["is_personalized"] is False
    assert body["fallback"]["level"] == "not_personalized"
    assert "anonymous" in body["fallback"]["reasons"]


def test_feedback_counts_each_outcome_once(
    customer: CustomerProfile, products: list[Product]
) -> None:
    client = create_api_client("verified")
    recommended = _get(client, _path(customer, limit=3))
    product_ids = [product["id"] for product in recommended["results"]]
    body = {
        "recommendation_id": recommended["recommendation_id"],
        "feedback": [
            *({"product_id": product_id, "type": "shown"} for product_id in product_ids),
            {"product_id": product_ids[0], "type": "clicked"},
        ],
    }

    first = client.post(FEEDBACK_PATH, body, format="json")
    repeated = client.post(FEEDBACK_PATH, body, format="json")

    assert first.status_code == 200
    assert first.json()["recorded_count"] == 4
    assert repeated.json()["recorded_count"] == 0
    assert RecommendationFeedback.objects.filter(kind="shown", scenario="home").count() == 3


def test_feedback_is_rejected_for_unknown_products_and_recommendations(
    customer: CustomerProfile, products: list[Product]
) -> None:
    client = create_api_client("verified")
    recommended = _get(client, _path(customer, limit=3))
    recommended_ids = [product["id"] for product in recommended["results"]]
    other_id = next(
        str(product.pk) for product in products if str(product.pk) not in recommended_ids
    )
    body = {
        "recommendation_id": recommended["recommendation_id"],
        "feedback": [{"product_id": other_id, "type": "bought"}],
    }

    not_recommended = client.post(FEEDBACK_PATH, body, format="json")
    unknown = client.post(FEEDBACK_PATH, {**body, "recommendation_id": str(uuid4())}, format="json")

    assert not_recommended.status_code == 400
    assert not_recommended.json()["errors"][0]["field"] == "feedback.0.product_id"
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"scenario": "palm-reading"}, "scenario"),
        ({"scenario": "lookup"}, "scenario"),
        ({"store_code": "atlantis"}, "store_code"),
        ({"limit": "0"}, "limit"),
        ({"limit": "51"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"price_min": "-1"}, "price_min"),
        ({"price_max": "NaN"}, "price_max"),
        ({"price_min": "9", "price_max": "8"}, "price_min"),
        ({"language": "de"}, "language"),
        ({"scenario": "product"}, "product_id"),
        ({"scenario": "product", "product_id": "nothing"}, "product_id"),
        ({"scenario": "product", "product_id": "P-0,P-1"}, "product_id"),
        ({"product_id": "P-0"}, "product_id"),
        ({"scenario": "basket"}, "basket"),
        ({"scenario": "basket", "basket": ",".join(["x"] * 51)}, "basket"),
        ({"session_id": "mine"}, "session_id"),
        ({"colour": "green"}, "colour"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else ",".join(f"{k}={v[:12]}" for k, v in value.items())
    ),
)
def test_invalid_parameters_are_rejected_by_name(
    customer: CustomerProfile, params: dict[str, str], field: str
) -> None:
    response = create_api_client("verified").get(_path(customer, **params))

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


def test_unknown_customer_is_404_and_invalid_id_is_400(products: list[Product]) -> None:
    client = create_api_client("verified")

    assert client.get(f"/api/v1/recommendations/{uuid4()}").status_code == 404
    assert client.get("/api/v1/recommendations/not-a-uuid").status_code == 400


def test_key_bound_to_a_province_cannot_query_other_provinces(products: list[Product]) -> None:
    _, secret = ApiKey.objects.create_key(
        name="west",
        audience="verified",
        scopes=["recommendations:read"],
        provinces=["AB"],
        rate="1000/min",
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")

    response = client.get(_path(None))

    assert response.status_code == 400
    assert "AB" in response.json()["errors"][0]["message"]
    # No product is in stock in Alberta.
    assert _get(client, "/api/v1/recommendations/")["results"] == []


def _count_stock(product: Product, store_code: str) -> None:
    store = Store.objects.get(code=store_code)
    save_stock_counts([StockCount(store.pk, product.pk, 3, timezone.now())])


def _stock_in_new_store(product: Product) -> None:
    StoreStockFactory.create(
        store=StoreFactory.create(code="king-east"), product=product, quantity=3
    )


def _reassign_stock_row(product: Product) -> None:
    """Assign the stock row of another product to this one, as the console's form allows."""
    StoreStock.objects.filter(product__sku="M-0").update(product=product)


_RESTOCKING: dict[str, Callable[[Product], None]] = {
    "first count": lambda product: _count_stock(product, "queen-west"),
    "new count": lambda product: _count_stock(product, "danforth"),
    "new store": _stock_in_new_store,
    "reassigned row": _reassign_stock_row,
}


@pytest.mark.parametrize("way", list(_RESTOCKING))
@pytest.mark.parametrize("level", ["local", "redis"])
def test_restocked_products_appear_in_cached_responses(
    customer: CustomerProfile, store: Store, level: str, way: str
) -> None:
    wait_for_listener()
    restocked = ProductFactory.create(sku="C-0", name="Restocked", category="oils")
    hidden = ProductFactory.create(sku="M-0", name="Hidden")
    BusinessRuleFactory.create(name="never", action="hide", product=hidden)
    StoreStockFactory.create(store=store, product=hidden)
    StoreStockFactory.create(
        store=StoreFactory.create(code="danforth"), product=restocked, quantity=0
    )
    client = create_api_client("verified")
    path = _path_without_store(customer, limit=50)
    assert "C-0" not in _skus(_get(client, path))

    _RESTOCKING[way](restocked)

    wait_until(
        lambda: "C-0" in _skus(_get_from(level, client, path)),
        MAX_INVALIDATION_SECONDS,
        every=0.01,
    )


def test_stock_committed_after_the_response_was_computed_invalidates_it(
    customer: CustomerProfile, products: list[Product]
) -> None:
    wait_for_listener()
    client = create_api_client("verified")
    path = _path(customer)
    StoreStock.objects.filter(product=products[0]).update(quantity=0)

    with psycopg.connect(**connection.get_connection_params()) as other_connection:
        other_connection.execute(
            "UPDATE store_stock SET quantity = 1 WHERE product_id = %s", [products[0].pk]
        )
        assert "P-0" not in _skus(_get(client, path))
        other_connection.commit()

    wait_until(
        lambda: "P-0" in _skus(_get_from("redis", client, path)),
        MAX_INVALIDATION_SECONDS,
        every=0.01,
    )


def test_stock_in_another_store_does_not_outdate_the_responses_of_a_store(
    customer: CustomerProfile, products: list[Product], computations: list[object]
) -> None:
    wait_for_listener()
    client = create_api_client("verified")
    other_store = StoreFactory.create(code="king-east")
    StoreStockFactory.create(store=other_store, product=products[1], quantity=0)
    _get(client, _path(customer))
    everywhere = _get(client, _path_without_store(customer, limit=5))

    StoreStockFactory.create(store=other_store, product=products[1], quantity=4)
    wait_until(
        lambda: _get(client, _path_without_store(customer, limit=5)) != everywhere,
        MAX_INVALIDATION_SECONDS,
        every=0.01,
    )

    _get(client, _path(customer))
    assert len(computations) == 3


def test_only_responses_to_a_session_basket_belong_to_the_session(
    products: list[Product], computations: list[object]
) -> None:
    wait_for_listener()
    client = create_api_client("verified")

    for session_id in ("session-1", "session-2"):
        _get(client, _path(None, session_id=session_id))

    assert len(computations) == 1
    assert Recommendation.objects.get().session == ""

    for _ in range(2):
        _get(client, _path(None, scenario="basket", session_id="session-1"))

    assert len(computations) == 3
    assert Recommendation.objects.filter(session="session-1").count() == 2
