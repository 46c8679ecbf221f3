"""Servers that do not answer: responses go on, and announce what they do without."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.config import Config
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from rest_framework.test import APIClient

from catalog.models import Product
from catalog.services.search_vocabulary import refresh_search_words
from config.middleware import DegradationMiddleware
from config.telemetry.degradation import HEADER, mark_degraded
from config.telemetry.metrics import REGISTRY
from customers.models import Interaction
from tests.factories.catalog import ProductFactory, StoreFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory
from tests.factories.mlops import event_payload
from tests.servers import s3
from vectors.encoders import registry
from vectors.index.write import index_due_rows
from vectors.store import store

pytestmark = pytest.mark.django_db
SEARCH = "/api/v1/products/search/"
# No product has these words: it is vectors that find some.
_MEANING = "something to relax with in the evening"
_NOWHERE = "127.0.0.1:1"  # where no server listens


@contextmanager
def _without_redis() -> Iterator[None]:
    cache = {**settings.CACHES["default"], "LOCATION": f"redis://{_NOWHERE}/0"}
    with override_settings(CACHES={"default": cache}):
        yield


@contextmanager
def _without_milvus(**bounds: int) -> Iterator[None]:
    with override_settings(MILVUS_URI=f"http://{_NOWHERE}", MILVUS_TIMEOUT_SECONDS=1, **bounds):
        store.cache_clear()
        yield
    store.cache_clear()


@contextmanager
def _without_objects() -> Iterator[None]:
    entry = s3.S3(f"http://{_NOWHERE}", "key", "secret", "bucket").storage()
    entry["OPTIONS"]["client_config"] = Config(retries={"total_max_attempts": 1})
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture
def client() -> APIClient:
    return create_api_client("verified")


@pytest.fixture
def products(db: None) -> list[Product]:
    """Indexed products."""
    products = create_products(6, StoreFactory.create(code="queen-west"))
    index_due_rows()
    refresh_search_words()
    return products


def _missing(response: Any) -> str:
    assert response.status_code == 200, response.content
    return str(response.headers.get(HEADER, ""))


def _ids(response: Any) -> list[str]:
    return [product["id"] for product in response.json()["results"]]


def test_response_that_lacks_nothing_has_no_header(client: APIClient) -> None:
    assert _missing(client.get("/api/v1/products/")) == ""


def test_without_redis_products_are_read_from_the_database(client: APIClient) -> None:
    product = ProductFactory.create()

    with _without_redis():
        response = client.get("/api/v1/products/")

    assert _missing(response) == "cache"
    assert _ids(response) == [str(product.pk)]


def test_degraded_responses_are_counted(client: APIClient) -> None:
    name, labels = "cultivar_degraded_responses_total", {"component": "cache"}
    before = REGISTRY.get_sample_value(name, labels) or 0

    with _without_redis():
        client.get("/api/v1/products/")

    assert REGISTRY.get_sample_value(name, labels) == before + 1


def test_without_redis_recommendations_come_from_the_process_and_say_so(
    client: APIClient, products: list[Product]
) -> None:
    customer = CustomerFactory.create(verified=True, consenting=True)
    path = f"/api/v1/recommendations/{customer.pk}/?store_code=queen-west"

    with _without_redis():
        responses = [client.get(path) for _ in range(2)]  # computed, then from the cache

    assert [_missing(response) for response in responses] == ["cache", "cache"]
    assert len(_ids(responses[0])) == len(products)


def test_without_milvus_small_collections_are_searched_exactly(
    client: APIClient, products: list[Product]
) -> None:
    with override_settings(VECTORS_EXACT_BELOW=0):
        with_milvus = client.get(SEARCH, {"q": _MEANING})

    with _without_milvus(VECTORS_EXACT_BELOW=0):
        without = client.get(SEARCH, {"q": _MEANING})

    assert (_missing(with_milvus), _missing(without)) == ("", "vectors")
    assert _ids(without) == _ids(with_milvus) != []


def test_without_milvus_large_collections_are_searched_by_words(
    client: APIClient, products: list[Product]
) -> None:
    with _without_milvus(VECTORS_EXACT_BELOW=0, VECTORS_FALLBACK_BELOW=0):
        by_meaning = client.get(SEARCH, {"q": _MEANING})
        by_words = client.get(SEARCH, {"q": "product"})

    assert _missing(by_meaning) == "vectors"
    assert set(_ids(by_words)) == {str(product.pk) for product in products}


def test_without_model_files_products_are_searched_by_words(
    client: APIClient,
    products: list[Product],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(registry, "_loaded", {})

    with override_settings(MODELS_DIR=tmp_path):
        by_meaning = client.get(SEARCH, {"q": _MEANING})
        by_words = client.get(SEARCH, {"q": "product"})

    assert _missing(by_meaning) == "models"
    assert set(_ids(by_words)) == {str(product.pk) for product in products}


def test_without_kafka_events_are_accepted_by_the_api(client: APIClient) -> None:
    product = ProductFactory.create()
    event = event_payload("interaction", {"type": "view", "product_id": product.sku})

    with override_settings(KAFKA_BOOTSTRAP_SERVERS=_NOWHERE):
        response = client.post("/api/v1/events/", {"events": [event]}, format="json")

    assert response.json()["accepted"] == 1
    assert Interaction.objects.filter(product=product).count() == 1


@pytest.mark.parametrize("page", ["admin:index", "console-status"])
def test_without_object_storage_the_console_goes_on(admin_client: Client, page: str) -> None:
    with _without_objects():
        response = admin_client.get(reverse(page))

    assert response.status_code == 200


def test_status_page_names_the_servers_that_do_not_answer(admin_client: Client) -> None:
    with _without_objects(), _without_redis(), _without_milvus():
        groups = admin_client.get(reverse("console-status")).context["groups"]

    servers = {str(server.title): server for server in groups[0][1]}
    failed = {title for title, server in servers.items() if server.state.name == "FAILED"}
    assert failed == {
        "Cache and task queue (Redis)",
        "Vector store (Milvus)",
        "File storage",
    }
    assert all(servers[title].advice for title in failed)


def test_components_of_one_request_are_not_announced_by_the_next() -> None:
    def handle(request: HttpRequest) -> HttpResponse:
        if request.path == "/first":
            mark_degraded("vectors")
            mark_degraded("cache")
        return HttpResponse()

    middleware = DegradationMiddleware(handle)
    first, second = HttpRequest(), HttpRequest()
    first.path, second.path = "/first", f"/{uuid4()}"

    assert middleware(first)[HEADER] == "cache, vectors"
    assert HEADER not in middleware(second)
