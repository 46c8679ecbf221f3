"""Effects are visible to staff only: every endpoint is called and searched for them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from catalog.services.search_vocabulary import refresh_search_words
from config.api.keys import Audience
from customers.services import chats
from tests.factories.catalog import ProductFactory, StoreFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import (
    BusinessRuleFactory,
    CustomerFactory,
    InteractionFactory,
    ProductNeighborFactory,
    ProductPopularityFactory,
    record_purchases,
)
from tests.factories.mlops import event_payload
from vectors.index.write import index_due_rows

pytestmark = pytest.mark.django_db
# Words that occur in effects only.
EFFECTS = ("glimmerstate", "quietening", "zestfulness")
_EFFECT_TERMS = (
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
_STORE_CODE = "queen-west"
_EXTERNAL_ID = "L-effects"
_MIN_SUCCESSFUL_REQUESTS = 30


@dataclass(frozen=True, slots=True)
class SampleIds:
    """Ids for requests: of path parameters by path prefix, and of a product and a customer."""

    by_path: dict[str, str]
    product_id: str
    customer_id: str


@pytest.fixture(scope="module")
def schema() -> Any:
    """The OpenAPI schema as served."""
    return Client().get("/api/schema/", {"format": "json"}).json()


@pytest.fixture
def sample_ids() -> SampleIds:
    """A store whose products all have effects, with a customer, a chat and statistics."""
    cache.clear()
    store = StoreFactory.create(code=_STORE_CODE)
    products = create_products(
        6, store, effects=list(EFFECTS), effects_source="reported", terpenes=["myrcene"]
    )
    for product in products[1:]:
        ProductNeighborFactory.create(product=products[0], neighbor=product, score=0.5, buyers=5)
        ProductPopularityFactory.create(store=store, product=product, score=0.5, orders=5)
    BusinessRuleFactory.create(
        name="boost",
        action="boost",
        product=products[1],
        reason="overstock",
        unpaid_note="no supplier pays for it",
    )
    ProductFactory.create(name="Pink Kush", sku="effects", effects=list(EFFECTS))
    customer = CustomerFactory.create(
        verified=True, consents=("history", "profiling", "chat"), external_id=_EXTERNAL_ID
    )
    record_purchases(customer, products[0], store=store, times=4)
    InteractionFactory.create(customer=customer, kind="view", product=products[2])
    session = chats.open_session(customer=customer, store=store, by="user:test")
    message = chats.append_message(
        session=session, role="assistant", text="P product 1 is in stock.", by="user:test"
    )
    refresh_search_words()
    index_due_rows()
    return SampleIds(
        by_path={
            "/api/v1/customers/": str(customer.pk),
            "/api/v1/chat/sessions/": str(session.pk),
            "/api/v1/chat/messages/": str(message.id),
            "/api/v1/products/": str(products[0].pk),
            "/api/v1/recommendations/": str(customer.pk),
        },
        product_id=str(products[0].pk),
        customer_id=str(customer.pk),
    )


def _operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1/"):
                yield path, method, operation


def _queries(operation: Any, sample_ids: SampleIds) -> Iterator[dict[str, str]]:
    """Yield queries of an operation: required parameters only, then each sample value."""
    samples = {
        "q": ["pink", "glimmerstate", "product indica myrcene"],
        "external_id": [_EXTERNAL_ID],
        "store_code": [_STORE_CODE],
        "similar_to": [sample_ids.product_id],
        "facets": ["brand,strain_type,terpene,category"],
        "limit": ["5"],
        "language": ["fr"],
        "session_id": ["visit"],
    }
    parameters = {
        parameter["name"]: parameter
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    required = {
        name: samples[name][0]
        for name, parameter in parameters.items()
        if parameter.get("required")
    }
    if "q" in parameters:
        required.setdefault("q", "pink")
    yield required
    for name in parameters:
        for value in samples.get(name, []):
            yield {**required, name: value}
    product_parameters = {
        "product": "product_id",
        "substitute": "product_id",
        "basket": "basket",
    }
    for scenario in parameters.get("scenario", {}).get("schema", {}).get("enum", []):
        query = {"scenario": scenario, "store_code": _STORE_CODE}
        if scenario in product_parameters:
            query[product_parameters[scenario]] = sample_ids.product_id
        yield query


def _request_body(path: str, sample_ids: SampleIds) -> dict[str, Any]:
    """Return a request body for a path; an empty object for paths without a sample."""
    if path.endswith("/events/"):
        stock = {"store_code": _STORE_CODE, "product_id": sample_ids.product_id, "quantity": 3}
        return {"events": [event_payload("stock", stock)]}
    if path.endswith("/sessions/"):
        return {"customer_id": sample_ids.customer_id}
    if path.endswith("/messages/"):
        return {"role": "customer", "text": "Do you have Pink Kush?"}
    if path.endswith("/customers/"):
        return {"external_id": uuid4().hex}
    return {}


def _responses(
    schema: Any, sample_ids: SampleIds, client: APIClient
) -> Iterator[tuple[str, int, str]]:
    """Call every operation; yield the request, the status and the body of each response."""
    for path, method, operation in _operations(schema):
        if "erasure" in path or method == "delete":
            continue  # these return no products, and would delete the data of later requests
        pk = next((pk for prefix, pk in sample_ids.by_path.items() if path.startswith(prefix)), "")
        url = (
            path.replace("{id}", pk).replace("{customer_id}", pk).replace("{purpose}", "marketing")
        )
        if method == "get":
            for query in _queries(operation, sample_ids):
                response = client.get(url, query)
                yield f"{path} {query}", response.status_code, response.content.decode()
        else:
            body = _request_body(path, sample_ids)
            response = getattr(client, method)(url, body, format="json", HTTP_IF_MATCH="*")
            yield f"{method} {path}", response.status_code, response.content.decode()


@pytest.mark.parametrize("audience", ["public", "verified"])
def test_no_response_for_customers_contains_effects(
    schema: Any, sample_ids: SampleIds, audience: str
) -> None:
    client = create_api_client(audience)

    statuses: dict[str, int] = {}
    for request, status, text in _responses(schema, sample_ids, client):
        # A response may repeat its query, whose words are not effects of a product.
        leaked = [word for word in EFFECTS if word in text.lower() and word not in request]
        assert not leaked, request
        statuses[request] = status

    if audience == "verified":
        successful = [request for request, status in statuses.items() if status < 300]
        assert len(successful) > _MIN_SUCCESSFUL_REQUESTS
        for path in (
            "/api/v1/products/search/",
            "/api/v1/products/{id}/similar/",
            "/api/v1/recommendations/{customer_id}/",
        ):
            assert any(request.startswith(path) for request in successful), path


def test_the_same_requests_show_effects_to_staff(schema: Any, sample_ids: SampleIds) -> None:
    client = create_api_client("staff")

    paths_with_effects = {
        request.split(" ")[0]
        for request, _, text in _responses(schema, sample_ids, client)
        if any(word in text for word in EFFECTS)
    }

    assert {
        "/api/v1/products/",
        "/api/v1/products/{id}/",
        "/api/v1/products/search/",
        "/api/v1/products/{id}/similar/",
        "/api/v1/recommendations/",
        "/api/v1/recommendations/{customer_id}/",
    } <= paths_with_effects


def test_no_property_below_staff_refers_to_effects(schema: Any) -> None:
    for name, component in schema["components"]["schemas"].items():
        for field, described in component.get("properties", {}).items():
            if Audience[described["x-audience"].upper()] < Audience.STAFF:
                assert "effect" not in field, (name, field)
                allowed = [str(value).lower() for value in described.get("enum", [])]
                assert not [
                    term
                    for term, value in itertools.product(_EFFECT_TERMS, allowed)
                    if term in value
                ], (name, field)


def test_reason_texts_do_not_refer_to_effects() -> None:
    from customers.reference.reasons import REASON_TEXTS

    for texts in REASON_TEXTS.values():
        assert not [
            term
            for term, text in itertools.product(_EFFECT_TERMS, texts.values())
            if term in text.lower()
        ]
