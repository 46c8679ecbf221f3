"""Lists and single products that a process keeps until a product changes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from catalog.api.product_cache import PRODUCT_CACHE
from catalog.models import Product, Store, StoreStock
from catalog.selectors.similarity import PRODUCT_EMBEDDINGS
from config.api import keys
from config.cache.invalidation import is_listening
from tests.factories.catalog import ProductFactory
from tests.factories.config import create_api_client
from tests.factories.vectors import VectorIndexFactory
from tests.polling import wait_until
from vectors import exact
from vectors.models import IndexedVector, VectorIndex

pytestmark = pytest.mark.django_db(transaction=True)
PRODUCTS = "/api/v1/products/"
READ = ("catalog:read",)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    wait_until(is_listening)
    PRODUCT_CACHE.clear_local()
    yield
    PRODUCT_CACHE.clear_local()


@pytest.fixture
def client() -> APIClient:
    return create_api_client("verified", READ)


@pytest.fixture
def product() -> Product:
    return ProductFactory.create(name="Pink Kush")


def _product_queries(client: APIClient, path: str) -> tuple[Any, int]:
    """Return the response, and the number of queries that read products for it."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code in (200, 304), response.content
    return response, sum("FROM products" in query["sql"].replace('"', "") for query in queries)


def _keep(client: APIClient, path: str) -> Any:
    """Request a path until its response is kept: a notice of earlier rows may arrive late."""
    responses: list[Any] = []

    def is_kept() -> bool:
        response, query_count = _product_queries(client, path)
        responses.append(response)
        return query_count == 0

    wait_until(is_kept)
    return responses[-1]


@pytest.mark.parametrize("path", [PRODUCTS, f"{PRODUCTS}?category=dried_flower&limit=1"])
def test_a_kept_list_is_the_computed_one(client: APIClient, path: str) -> None:
    ProductFactory.create_batch(2, category="dried_flower")
    computed = create_api_client("verified", READ).get(path)

    stored = _keep(client, path)

    assert stored.content == computed.content
    headers = ("ETag", "Cache-Control", "Vary", "Link", "Content-Type")
    assert [stored.get(name) for name in headers] == [computed.get(name) for name in headers]
    assert stored["RateLimit"]


@pytest.mark.parametrize("path", ["", "{id}/"])
def test_a_kept_response_is_sent_to_a_client_that_was_silent(
    client: APIClient, product: Product, path: str
) -> None:
    url = PRODUCTS + path.format(id=product.pk)
    stored = _keep(client, url)

    keys._recent_clients.clear()  # as after two seconds
    response, query_count = _product_queries(client, url)

    assert (response.content, query_count) == (stored.content, 0)


def test_a_kept_list_is_answered_with_304(client: APIClient, product: Product) -> None:
    tag = _keep(client, PRODUCTS)["ETag"]

    assert client.get(PRODUCTS, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("change", ["insert", "update", "delete"])
def test_a_list_is_outdated_by_any_change_of_a_product(
    client: APIClient, product: Product, change: str
) -> None:
    _keep(client, PRODUCTS)

    if change == "insert":
        ProductFactory.create(name="Blue Dream")
    elif change == "update":
        Product.objects.filter(pk=product.pk).update(name="Blue Dream")
    else:
        product.delete()

    expected = {
        "insert": ["Blue Dream", "Pink Kush"],
        "update": ["Blue Dream"],
        "delete": [],
    }[change]
    wait_until(
        lambda: [row["name"] for row in client.get(PRODUCTS).json()["results"]] == expected, 10
    )


def test_a_product_is_outdated_by_its_own_changes_alone(
    client: APIClient, product: Product
) -> None:
    other = ProductFactory.create(name="Other")
    _keep(client, f"{PRODUCTS}{product.pk}/")
    _keep(client, f"{PRODUCTS}{other.pk}/")

    Product.objects.filter(pk=product.pk).update(name="Blue Dream")

    path = f"{PRODUCTS}{product.pk}/"
    wait_until(lambda: client.get(path).json()["name"] == "Blue Dream", 10)
    assert _product_queries(client, f"{PRODUCTS}{other.pk}/")[1] == 0


def test_a_product_is_outdated_when_it_is_merged(client: APIClient, product: Product) -> None:
    other = ProductFactory.create(name="Other")
    path = f"{PRODUCTS}{product.pk}/"
    _keep(client, path)

    Product.objects.filter(pk=product.pk).update(merged_into=other)

    wait_until(lambda: client.get(path).json()["name"] == "Other", 10)


def test_keys_that_may_write_see_what_they_wrote(product: Product) -> None:
    client = create_api_client("staff", ("catalog:read", "catalog:write"))
    client.get(PRODUCTS)

    response, query_count = _product_queries(client, PRODUCTS)

    assert (response.status_code, query_count) == (200, 1)


@pytest.mark.parametrize("query", ["include=stock", "store_code=queen-west", "in_stock=true"])
def test_lists_by_stock_are_not_kept(client: APIClient, product: Product, query: str) -> None:
    store = Store.objects.create(code="queen-west", name="Queen West", province="ON")
    StoreStock.objects.create(store=store, product=product, quantity=1)
    client.get(f"{PRODUCTS}?{query}")

    _, query_count = _product_queries(client, f"{PRODUCTS}?{query}")

    assert query_count > 0


def test_nothing_is_kept_for_another_host(client: APIClient) -> None:
    ProductFactory.create_batch(2)
    path = f"{PRODUCTS}?limit=1"
    _keep(client, path)

    response = client.get(path, HTTP_HOST="127.0.0.1")

    assert response["Link"].startswith("<http://127.0.0.1/")


@pytest.fixture
def vector_index() -> Iterator[VectorIndex]:
    exact.clear_cache()
    yield VectorIndexFactory.create(collection=PRODUCT_EMBEDDINGS)
    exact.clear_cache()


def _store_vector(index: VectorIndex, product: Product, position: int) -> None:
    """Store a vector that is farther from the first axis the greater the position."""
    vector = np.array([8 - position, position, 0, 0, 0, 0, 0, 0], np.float32)
    IndexedVector.objects.create(
        index=index,
        entity_id=product.pk,
        text_hash=str(position),
        content_hash=str(position),
        vector=(vector / np.linalg.norm(vector)).tobytes(),
    )
    VectorIndex.objects.filter(pk=index.pk).update(version=F("version") + 1)


def _names(client: APIClient, path: str) -> list[str]:
    return [row["name"] for row in client.get(path).json()["results"]]


def test_kept_similar_products_are_the_computed_ones(
    client: APIClient, product: Product, vector_index: VectorIndex
) -> None:
    for position, name in enumerate(["Near", "Far"], start=1):
        _store_vector(vector_index, ProductFactory.create(name=name), position)
    _store_vector(vector_index, product, 0)
    path = f"{PRODUCTS}{product.pk}/similar/"
    computed = create_api_client("verified", READ).get(path)

    stored = _keep(client, path)

    assert stored.content == computed.content
    assert stored["ETag"] == computed["ETag"]
    assert [row["name"] for row in stored.json()["results"]] == ["Near", "Far"]


def test_similar_products_are_outdated_by_newer_vectors(
    client: APIClient, product: Product, vector_index: VectorIndex
) -> None:
    far, near = ProductFactory.create(name="Far"), ProductFactory.create(name="Near")
    _store_vector(vector_index, product, 0)
    _store_vector(vector_index, far, 2)
    path = f"{PRODUCTS}{product.pk}/similar/"
    _keep(client, path)

    _store_vector(vector_index, near, 1)

    wait_until(lambda: _names(client, path) == ["Near", "Far"], 10)


def test_similar_products_are_outdated_by_a_change_of_one_of_them(
    client: APIClient, product: Product, vector_index: VectorIndex
) -> None:
    near = ProductFactory.create(name="Near")
    _store_vector(vector_index, product, 0)
    _store_vector(vector_index, near, 1)
    path = f"{PRODUCTS}{product.pk}/similar/"
    _keep(client, path)

    Product.objects.filter(pk=near.pk).update(name="Renamed")

    wait_until(lambda: _names(client, path) == ["Renamed"], 10)
