"""Recommendations over REST: what is answered to whom, kept as it left, made anew when something has changed."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product, Store, StoreStock
from catalog.services.stock import Count, count_stock
from config.cache.invalidation import is_listening
from config.clients.redis import keys_naming
from customers.models import (
    CustomerProfile,
    PersonalAccess,
    ProductPopularity,
    Recommendation,
    RecommendationFeedback,
    Rule,
)
from customers.recommendations import pipeline
from customers.recommendations.cache import ANSWERS
from customers.services import consents, profiles
from mlops.privacy.erasure import erase
from tests.integration import customer_data, store_data
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
HEARD_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """Begin without what other tests left."""
    cache.clear()
    ANSWERS.forget()
    yield
    ANSWERS.forget()


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return store_data.store()


@pytest.fixture
def shelf(store: Store) -> list[Product]:
    """Eight products on its shelves; the later ones sell better."""
    made = store_data.products(8, store)
    for number, one in enumerate(made):
        ProductPopularity.objects.create(
            store=store, product=one, score=(number + 1) / 8, orders=number + 1
        )
    return made


@pytest.fixture
def customer(store: Store, shelf: list[Product]) -> CustomerProfile:
    """Somebody who buys the first product again and again, and agreed to all."""
    made = store_data.shopper("history", "profiling")
    store_data.bought(made, shelf[0], where=store, times=6)
    return made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with every answer that is made and not taken from what is kept."""
    counted: list[object] = []
    whole = pipeline.weigh

    def weigh(*arguments: Any, **named: Any) -> Any:
        counted.append(arguments)
        return whole(*arguments, **named)

    monkeypatch.setattr(pipeline, "weigh", weigh)
    return counted


def listening() -> None:
    """Wait until changes are heard."""
    is_listening()
    wait_until(is_listening, 5, every=0.01)


def _path(customer: CustomerProfile | None, **asked: object) -> str:
    told = "&".join(f"{name}={value}" for name, value in {"store": "queen-west", **asked}.items())
    return f"/api/v1/recommendations/{f'{customer.pk}' if customer else ''}?{told}"


def _get(client: APIClient, path: str, **headers: str) -> Any:
    answer = client.get(path, **headers)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def _shown(told: Any) -> list[str]:
    return [one["sku"] for one in told["results"]]


def test_an_answer_tells_how_it_came_to_be(customer: CustomerProfile, shelf: list[Product]) -> None:
    told = _get(customer_data.client_with("verified"), _path(customer, limit=3))
    assert _shown(told)[0] == "P-0"
    assert (told["scenario"], told["title"], told["is_personal"], told["count"]) == (
        "home",
        "For you",
        True,
        3,
    )
    assert told["fallback"] == {"level": 1, "why": ["vectors-silent"]}
    assert {"stock", "age", "province", "consent", "dislike", "rule", "price"} <= set(
        told["filters"]
    )
    assert told["results"][0]["reasons"][0]["text"] == "You bought it before"
    assert UUID(told["recommendation_id"]) == Recommendation.objects.get().id
    assert not {"score", "parts", "rules", "effects"} & set(told["results"][0])


def test_staff_see_scores_and_rules(customer: CustomerProfile, shelf: list[Product]) -> None:
    Rule.objects.create(
        name="overstock",
        deed="raise",
        product=shelf[0],
        reason="too many",
        unpaid_note="nobody pays",
    )
    first = _get(customer_data.client_with("staff"), _path(customer, scenario="lookup"))["results"][
        0
    ]
    assert first["rules"] == [{"name": "overstock", "deed": "raise", "reason": "too many"}]
    assert first["parts"]["again"] > 0
    assert first["score"] >= first["parts"]["again"]


def test_it_is_kept_as_it_left(customer: CustomerProfile, made: list[object]) -> None:
    listening()
    client, path = customer_data.client_with("verified"), _path(customer)
    first = client.get(path)
    second = client.get(path)
    assert first.content == second.content
    assert first["ETag"] == second["ETag"]
    assert (second["Cache-Control"], second["Vary"]) == ("private, no-cache", "Authorization")
    again = client.get(path, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    ANSWERS.forget()  # as another process, which finds it in Redis
    assert client.get(path).content == first.content
    assert len(made) == 1
    assert (
        PersonalAccess.objects.filter(
            customer_id=customer.pk, action="recommendations.read"
        ).count()
        == 2
    )
    assert any(
        key == f"recommendations:{customer.pk}".encode()
        for _, key in keys_naming(lambda text: str(customer.pk) in text)
    )


def test_each_client_sees_what_its_own_key_may(customer: CustomerProfile) -> None:
    path = _path(customer)
    staff, verified = customer_data.client_with("staff"), customer_data.client_with("verified")
    poor, public = (
        customer_data.client_with("verified", ("catalog:read",)),
        customer_data.client_with("public"),
    )
    for _ in range(2):  # made, and from what is kept
        assert "score" in _get(staff, path)["results"][0]
        assert "score" not in _get(verified, path)["results"][0]
        assert poor.get(path).status_code == 403
        assert public.get(path).status_code == 403
        assert APIClient().get(path).status_code == 401


def _dislike(customer: CustomerProfile, shelf: list[Product]) -> None:
    store_data.acted(customer, "dislike", shelf[0], days=0)


def _sell_out(_customer: CustomerProfile, shelf: list[Product]) -> None:
    store_data.on_shelf(Store.objects.get(code="queen-west"), shelf[0], 0)


def _hide(_customer: CustomerProfile, shelf: list[Product]) -> None:
    Rule.objects.create(name="recall", deed="hide", product=shelf[0], reason="lot 7")


def _merge(_customer: CustomerProfile, shelf: list[Product]) -> None:
    Product.objects.filter(pk=shelf[0].pk).update(merged_into=shelf[1])


def _state_dislike(customer: CustomerProfile, _shelf: list[Product]) -> None:
    profiles.correct(customer=customer, changes={"disliked_brands": ["Brand 0"]}, by="user:test")


def _become_dearer(customer: CustomerProfile, shelf: list[Product]) -> None:
    profiles.correct(customer=customer, changes={"price_range": [0, 100]}, by="user:test")
    with connection.cursor() as cursor:  # by hand, past every service
        cursor.execute("UPDATE products SET price = 500 WHERE id = %s", [shelf[0].pk])


@pytest.mark.parametrize(
    "change", [_dislike, _sell_out, _hide, _merge, _state_dislike, _become_dearer]
)
@pytest.mark.parametrize("level", ["process", "redis"])
def test_what_may_not_be_shown_any_more_is_gone_at_once(
    customer: CustomerProfile, shelf: list[Product], change: Callable[..., None], level: str
) -> None:
    listening()
    client, path = customer_data.client_with("verified"), _path(customer)
    assert "P-0" in _shown(_get(client, path))
    change(customer, shelf)
    if level == "redis":  # in a process that has not heard of it, and holds nothing itself
        ANSWERS.forget()
        assert "P-0" not in _shown(_get(client, path))
    else:
        wait_until(lambda: "P-0" not in _shown(_get(client, path)), HEARD_SECONDS, every=0.01)


def test_a_withdrawn_consent_is_seen_at_once(customer: CustomerProfile) -> None:
    listening()
    client, path = customer_data.client_with("verified"), _path(customer)
    assert _get(client, path)["is_personal"]
    consents.withdraw(customer=customer, purpose="profiling", by="user:test")
    wait_until(lambda: not _get(client, path)["is_personal"], HEARD_SECONDS, every=0.01)


def test_another_ones_deeds_leave_an_answer_where_it_is(
    customer: CustomerProfile, shelf: list[Product], store: Store, made: list[object]
) -> None:
    listening()
    other = store_data.shopper("history", "profiling")
    client, path = customer_data.client_with("verified"), _path(customer)
    _get(client, path)
    store_data.bought(other, shelf[3], where=store)
    time.sleep(0.2)
    _get(client, path)
    assert len(made) == 1


def test_a_rule_that_begins_is_not_overslept(
    customer: CustomerProfile, shelf: list[Product]
) -> None:
    listening()
    soon = timezone.now() + timedelta(seconds=1)
    Rule.objects.create(name="soon", deed="hide", product=shelf[0], reason="a test", starts_at=soon)
    client, path = customer_data.client_with("verified"), _path(customer)
    time.sleep(0.1)
    assert "P-0" in _shown(_get(client, path))
    time.sleep(max((soon - timezone.now()).total_seconds(), 0) + 0.05)
    assert "P-0" not in _shown(_get(client, path))


def test_an_erased_person_is_in_no_cache(customer: CustomerProfile) -> None:
    listening()
    client, path = customer_data.client_with("verified"), _path(customer)
    told = _get(client, path)
    client.post(
        "/api/v1/recommendations/feedback",
        {
            "recommendation_id": told["recommendation_id"],
            "feedback": [{"product": told["results"][0]["id"], "kind": "shown"}],
        },
        format="json",
    )
    erase(subject=customer.pk, asked_by="key:test", reason="they asked", dry_run=False)
    assert not keys_naming(lambda text: str(customer.pk) in text)
    assert not Recommendation.objects.exists()
    assert not RecommendationFeedback.objects.exists()
    wait_until(lambda: client.get(path).status_code == 404, HEARD_SECONDS, every=0.01)


def test_a_visit_is_answered_by_what_sells(shelf: list[Product]) -> None:
    told = _get(customer_data.client_with("verified"), _path(None, session="visit-7"))
    assert _shown(told)[0] == "P-7"
    assert (told["is_personal"], told["fallback"]["level"]) == (False, 2)
    assert "nobody-known" in told["fallback"]["why"]


def test_feedback_is_noted_once_and_only_of_what_was_shown(
    customer: CustomerProfile, shelf: list[Product]
) -> None:
    client = customer_data.client_with("verified")
    told = _get(client, _path(customer, limit=3))
    shown = [one["id"] for one in told["results"]]
    body = {
        "recommendation_id": told["recommendation_id"],
        "feedback": [{"product": one, "kind": "shown"} for one in shown]
        + [{"product": shown[0], "kind": "clicked"}],
    }
    first = client.post("/api/v1/recommendations/feedback", body, format="json")
    assert (first.status_code, first.json()["recorded"]) == (200, 4)
    assert (
        client.post("/api/v1/recommendations/feedback", body, format="json").json()["recorded"] == 0
    )
    assert RecommendationFeedback.objects.filter(kind="shown", scenario="home").count() == 3
    other = next(str(one.pk) for one in shelf if str(one.pk) not in shown)
    refused = client.post(
        "/api/v1/recommendations/feedback",
        {**body, "feedback": [{"product": other, "kind": "bought"}]},
        format="json",
    )
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "feedback.0.product"
    unknown = client.post(
        "/api/v1/recommendations/feedback",
        {**body, "recommendation_id": str(uuid4())},
        format="json",
    )
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"scenario": "palm-reading"}, "scenario"),
        ({"scenario": "lookup"}, "scenario"),
        ({"store": "atlantis"}, "store"),
        ({"limit": "0"}, "limit"),
        ({"limit": "51"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"min_price": "-1"}, "min_price"),
        ({"max_price": "NaN"}, "max_price"),
        ({"min_price": "9", "max_price": "8"}, "min_price"),
        ({"lang": "de"}, "lang"),
        ({"scenario": "product"}, "product"),
        ({"scenario": "product", "product": "nothing"}, "product"),
        ({"scenario": "product", "product": "P-0,P-1"}, "product"),
        ({"product": "P-0"}, "product"),
        ({"scenario": "basket"}, "basket"),
        ({"scenario": "basket", "basket": ",".join(["x"] * 51)}, "basket"),
        ({"session": "mine"}, "session"),
        ({"colour": "green"}, "colour"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else ",".join(f"{k}={v[:12]}" for k, v in value.items())
    ),
)
def test_bad_questions_name_the_field(
    customer: CustomerProfile, asked: dict[str, str], field: str
) -> None:
    answer = customer_data.client_with("verified").get(_path(customer, **asked))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_nobody_and_nonsense(shelf: list[Product]) -> None:
    client = customer_data.client_with("verified")
    assert client.get(f"/api/v1/recommendations/{uuid4()}").status_code == 404
    assert client.get("/api/v1/recommendations/somebody").status_code == 400


def test_a_key_for_a_province_asks_for_stores_there_alone(shelf: list[Product]) -> None:
    from config.api.keys import ApiKey

    _, secret = ApiKey.objects.create_key(
        name="west",
        audience="verified",
        scopes=["recommendations:read"],
        province="AB",
        rate="1000/min",
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    answer = client.get(_path(None))
    assert answer.status_code == 400
    assert "AB" in answer.json()["errors"][0]["reason"]
    assert (
        _get(client, "/api/v1/recommendations/")["results"] == []
    )  # nothing is in stock in Alberta


def _count(product: Product, where: str) -> None:
    count_stock([Count(Store.objects.get(code=where).pk, product.pk, 3, timezone.now())])


def _in_a_new_store(product: Product) -> None:
    store_data.on_shelf(store_data.store("king-east"), product, 3)


def _by_another_row(product: Product) -> None:
    """A row of what was never shown becomes one of the product, as the console's form lets one do."""
    StoreStock.objects.filter(product__sku="M-0").update(product=product)


_WAYS: dict[str, Callable[[Product], None]] = {
    "counted first": lambda product: _count(product, "queen-west"),
    "counted again": lambda product: _count(product, "danforth"),
    "in a new store": _in_a_new_store,
    "by another row": _by_another_row,
}


@pytest.mark.parametrize("way", list(_WAYS))
@pytest.mark.parametrize("level", ["process", "redis"])
def test_what_comes_in_is_shown(
    customer: CustomerProfile, store: Store, level: str, way: str
) -> None:
    listening()
    came, other = (
        customer_data.product("C-0", name="Came in", category="oils"),
        customer_data.product("M-0", name="Moved"),
    )
    Rule.objects.create(name="never", deed="hide", product=other, reason="a test")
    store_data.on_shelf(store, other)
    store_data.on_shelf(store_data.store("danforth"), came, 0)
    client, path = (
        customer_data.client_with("verified"),
        _path(customer).replace("store=queen-west", "limit=50"),
    )
    assert "C-0" not in _shown(_get(client, path))
    _WAYS[way](came)
    if level == "redis":  # in a process that has not heard of it, and holds nothing itself
        ANSWERS.forget()
        assert "C-0" in _shown(_get(client, path))
    else:
        wait_until(lambda: "C-0" in _shown(_get(client, path)), HEARD_SECONDS, every=0.01)


def test_what_is_committed_after_an_answer_was_made_comes_in_however_long_it_took(
    customer: CustomerProfile, shelf: list[Product]
) -> None:
    listening()
    client, path = customer_data.client_with("verified"), _path(customer)
    StoreStock.objects.filter(product=shelf[0]).update(quantity=0)
    with psycopg.connect(**connection.get_connection_params()) as elsewhere:
        elsewhere.execute(
            "UPDATE store_stock SET quantity = 1 WHERE product_id = %s", [shelf[0].pk]
        )
        assert "P-0" not in _shown(_get(client, path))
        elsewhere.commit()
    ANSWERS.forget()
    assert "P-0" in _shown(_get(client, path))


def test_what_comes_to_another_store_of_those_in_reach_changes_nothing(
    customer: CustomerProfile, shelf: list[Product], made: list[object]
) -> None:
    """It was to be had already; where one store is asked for, the others are not looked at."""
    listening()
    client, other = customer_data.client_with("verified"), store_data.store("king-east")
    paths = [_path(customer), _path(customer).replace("store=queen-west", "limit=5")]
    before = [_get(client, path) for path in paths]
    store_data.on_shelf(other, shelf[1], 0)
    store_data.on_shelf(other, shelf[1], 4)
    ANSWERS.forget()
    assert [_get(client, path) for path in paths] == before
    assert len(made) == 2


def test_what_a_visit_sees_is_kept_for_all_and_its_basket_for_nobody(
    shelf: list[Product], made: list[object]
) -> None:
    listening()
    client = customer_data.client_with("verified")
    for session in ("visit-1", "visit-2"):
        _get(client, _path(None, session=session))
    assert len(made) == 1
    assert Recommendation.objects.get().session == ""
    for _ in range(2):
        _get(client, _path(None, scenario="basket", session="visit-1"))
    assert len(made) == 3
    assert Recommendation.objects.filter(session="visit-1").count() == 2
