"""Effects of products leave to staff alone: every endpoint of the schema is asked, and every answer looked through."""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from catalog.models import Product
from catalog.services.search_vocabulary import refresh_search_words
from config.api.keys import Audience
from customers.models import ProductNeighbor, ProductPopularity, Rule
from customers.services import chats
from tests.integration import customer_data, store_data
from vectors.index.write import index_due

pytestmark = pytest.mark.django_db
# Words that stand nowhere but in effects.
EFFECTS = ("glimmerstate", "quietening", "zestfulness")
_SAID = (
    "effect",
    "relaxing",
    "relaxed",
    "sleepy",
    "euphoric",
    "uplifting",
    "energetic",
    "calming",
    "pain",
    "anxiety",
)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema as it is served."""
    return Client().get("/api/schema/", {"format": "json"}).json()


@pytest.fixture
def known() -> dict[str, str]:
    """A shop in which everything has effects, and what endpoints are asked with."""
    cache.clear()
    store = store_data.store()
    shelf = store_data.products(
        6, store, effects=list(EFFECTS), effects_basis="reported", terpenes=["myrcene"]
    )
    for one in shelf[1:]:
        ProductNeighbor.objects.create(product=shelf[0], neighbor=one, score=0.5, buyers=5)
        ProductPopularity.objects.create(store=store, product=one, score=0.5, orders=5)
    Rule.objects.create(
        name="raise", deed="raise", product=shelf[1], reason="too many", unpaid_note="nobody pays"
    )
    Product.objects.create(
        name="Pink Kush",
        merge_key="effects:1",
        price=Decimal(30),
        effects=list(EFFECTS),
        strain_type="indica",
    )
    customer = store_data.shopper("history", "profiling", "chat", number="L-effects")
    store_data.bought(customer, shelf[0], where=store, times=4)
    store_data.acted(customer, "view", shelf[2])
    session = chats.open_session(customer=customer, store=store, by="user:test")
    said = chats.append(
        session=session, role="assistant", text="P product 1 is in stock.", by="user:test"
    )
    refresh_search_words()
    index_due()
    return {
        "/api/v1/customers/": str(customer.pk),
        "/api/v1/chat/sessions/": str(session.pk),
        "/api/v1/chat/messages/": str(said.id),
        "/api/v1/products/": str(shelf[0].pk),
        "/api/v1/recommendations/": str(customer.pk),
        "external_id": "L-effects",
        "product": str(shelf[0].pk),
        "store": "queen-west",
        "purpose": "marketing",
    }


def _operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            if path.startswith("/api/v1/"):
                yield path, method, described


def _asked(path: str, described: Any, known: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the queries of an endpoint: as little as it needs, then with each value that a parameter may have."""
    samples = {
        "q": ["pink", "glimmerstate", "product indica myrcene"],
        "external_id": [known["external_id"]],
        "store": [known["store"]],
        "like": [known["product"]],
        "facets": ["brand,strain_type,terpene,category"],
        "limit": ["5"],
        "lang": ["fr"],
        "session": ["visit"],
    }
    names = {one["name"]: one for one in described.get("parameters", []) if one["in"] == "query"}
    needed = {name: samples[name][0] for name, one in names.items() if one.get("required")}
    if "q" in names:
        needed.setdefault("q", "pink")
    yield needed
    for name in names:
        for value in samples.get(name, []):
            yield {**needed, name: value}
    for scenario in names.get("scenario", {}).get("schema", {}).get("enum", []):
        context = {"product": "product", "substitute": "product", "basket": "basket"}.get(scenario)
        yield {
            "scenario": scenario,
            "store": known["store"],
            **({context: known["product"]} if context else {}),
        }


def _bodies(path: str, known: dict[str, str]) -> list[Any]:
    """Return what is sent where something is changed; an empty object where nothing is known to fit."""
    if path.endswith("/events/"):
        return [
            {
                "events": [
                    customer_data.event(
                        "stock",
                        {"store": known["store"], "product": known["product"], "quantity": 3},
                    )
                ]
            }
        ]
    if path.endswith("/sessions/"):
        return [{"customer": known["/api/v1/customers/"]}]
    if path.endswith("/messages/"):
        return [{"role": "customer", "text": "Do you have Pink Kush?"}]
    if path.endswith("/customers/"):
        return [{"external_customer_id": uuid4().hex}]
    return [{}]


def _answers(
    schema: Any, known: dict[str, str], client: APIClient
) -> Iterator[tuple[str, int, str]]:
    for path, method, described in _operations(schema):
        if "erasure" in path or method == "delete":
            continue  # what they answer holds no product, and what they do would end the walk
        pk = next(
            (pk for start, pk in known.items() if start.startswith("/") and path.startswith(start)),
            "",
        )
        address = (
            path.replace("{id}", pk)
            .replace("{customer_id}", pk)
            .replace("{purpose}", known["purpose"])
        )
        if method == "get":
            for asked in _asked(path, described, known):
                answer = client.get(address, asked)
                yield f"{path} {asked}", answer.status_code, answer.content.decode()
        else:
            for body in _bodies(path, known):
                answer = getattr(client, method)(address, body, format="json", HTTP_IF_MATCH="*")
                yield f"{method} {path}", answer.status_code, answer.content.decode()


@pytest.mark.parametrize("audience", ["public", "verified"])
def test_no_answer_holds_an_effect(schema: Any, known: dict[str, str], audience: str) -> None:
    answered: dict[str, int] = {}
    for where, status, text in _answers(schema, known, customer_data.client_with(audience)):
        # A question may be told again with its answer; its own words are no effects of a product.
        assert not [word for word in EFFECTS if word in text.lower() and word not in where], where
        answered[where] = status
    done = [where for where, status in answered.items() if status < 300]
    if audience == "verified":
        assert len(done) > 30
        for start in (
            "/api/v1/products/search/",
            "/api/v1/products/{id}/similar/",
            "/api/v1/recommendations/{customer_id}/",
        ):
            assert [where for where in done if where.startswith(start)], start


def test_staff_do_see_them(schema: Any, known: dict[str, str]) -> None:
    """The walk would find an effect if one were there: with a key of staff it does, in every kind of answer with products."""
    seen = {
        where.split(" ")[0]
        for where, _, text in _answers(schema, known, customer_data.client_with("staff"))
        if any(word in text for word in EFFECTS)
    }
    assert {
        "/api/v1/products/",
        "/api/v1/products/{id}/",
        "/api/v1/products/search/",
        "/api/v1/products/{id}/similar/",
        "/api/v1/recommendations/",
        "/api/v1/recommendations/{customer_id}/",
    } <= seen


def test_no_property_below_staff_speaks_of_effects(schema: Any) -> None:
    for name, component in schema["components"]["schemas"].items():
        for field, described in component.get("properties", {}).items():
            if Audience[described["x-audience"].upper()] < Audience.STAFF:
                assert "effect" not in field, (name, field)
                allowed = [str(value).lower() for value in described.get("enum", [])]
                assert not [
                    word for word, value in itertools.product(_SAID, allowed) if word in value
                ], (name, field)


def test_reasons_say_nothing_of_effects() -> None:
    from customers.reference.reasons import TEXTS

    for texts in TEXTS.values():
        assert not [
            word for word, text in itertools.product(_SAID, texts.values()) if word in text.lower()
        ]
