"""Search results that a process keeps until what they show changes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from catalog.api.product_cache import SEARCH_CACHE
from catalog.models import Product, SearchWeights, StoreStock, SupplierListing
from catalog.search import search_products
from config.cache import RenderedResponse
from config.cache.invalidation import is_listening
from tests.factories.catalog import (
    ProductFactory,
    StoreFactory,
    StoreStockFactory,
    SupplierListingFactory,
)
from tests.factories.config import create_api_client
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SEARCH = "/api/v1/products/search/"
FLOWER = f"{SEARCH}?category=dried_flower"
"""A search without words needs no vectors, without which results are kept for seconds only."""
READ = ("catalog:read",)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    wait_until(is_listening)
    SEARCH_CACHE.clear_local()
    yield
    SEARCH_CACHE.clear_local()


@pytest.fixture
def client() -> APIClient:
    return create_api_client("verified", READ)


@pytest.fixture
def product() -> Product:
    return ProductFactory.create(name="Pink Kush", category="dried_flower", price="30.00")


@pytest.fixture
def stock(product: Product) -> StoreStock:
    store = StoreFactory.create(code="queen-west")
    return StoreStockFactory.create(store=store, product=product, quantity=5)


def _search(client: APIClient, path: str) -> tuple[Any, bool]:
    """Return the response, and whether products were read for it."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200, response.content
    is_computed = any("FROM products" in query["sql"].replace('"', "") for query in queries)
    return response, is_computed


def _is_kept(client: APIClient, path: str) -> bool:
    return not _search(client, path)[1]


def _keep(client: APIClient, path: str) -> Any:
    """Search until the result is kept: a notice of earlier rows may arrive late."""
    wait_until(lambda: _is_kept(client, path))
    return client.get(path)


def _receive_notices() -> None:
    """Wait until the process has received all notices so far; they arrive in order."""
    generation = SEARCH_CACHE.generation()
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY rows_changed, 'nothing'")
    wait_until(lambda: SEARCH_CACHE.generation() > generation)


@pytest.mark.parametrize("path", [FLOWER, f"{FLOWER}&limit=1&sort=price&facets=brand"])
def test_a_kept_result_is_the_computed_one(client: APIClient, path: str) -> None:
    ProductFactory.create_batch(2, category="dried_flower")
    computed = create_api_client("verified", READ).get(path)

    repeated = _keep(client, path)

    assert repeated.content == computed.content
    headers = ("ETag", "Cache-Control", "Vary", "Link", "Content-Type")
    assert [repeated.get(name) for name in headers] == [computed.get(name) for name in headers]
    assert repeated["RateLimit"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("added", [("Blue Dream", "20.00"), ("Pink Kush", "30.00")]),
        ("renamed", [("Blue Dream", "30.00")]),
        ("price", [("Pink Kush", "25.00")]),
        ("deleted", []),
    ],
)
def test_a_result_is_outdated_by_a_change_of_a_product(
    client: APIClient, product: Product, change: str, expected: list[tuple[str, str]]
) -> None:
    path = f"{FLOWER}&sort=name&facets=none"
    _keep(client, path)

    match change:
        case "added":
            ProductFactory.create(name="Blue Dream", category="dried_flower", price="20.00")
        case "renamed":
            Product.objects.update(name="Blue Dream")
        case "price":
            Product.objects.update(price="25.00")
        case "deleted":
            product.delete()

    def is_shown() -> bool:
        results = client.get(path).json()["results"]
        return [(result["name"], result["price"]) for result in results] == expected

    wait_until(is_shown, 10)


@pytest.mark.parametrize("change", ["sold out", "deleted", "restocked"])
def test_a_result_is_outdated_where_a_product_leaves_or_enters_stock(
    client: APIClient, stock: StoreStock, change: str
) -> None:
    if change == "restocked":
        StoreStock.objects.update(quantity=0)
    path = f"{FLOWER}&facets=store_code"
    _keep(client, path)

    if change == "deleted":
        stock.delete()
    else:
        StoreStock.objects.update(quantity=0 if change == "sold out" else 3)

    expected = [{"value": "queen-west", "count": 1}] if change == "restocked" else []
    wait_until(lambda: client.get(path).json()["facets"]["store_code"] == expected, 10)


def test_a_filter_by_store_is_outdated_by_new_stock(client: APIClient, stock: StoreStock) -> None:
    path = f"{SEARCH}?store_code=queen-west&facets=none"
    _keep(client, path)

    other = ProductFactory.create(category="dried_flower")
    StoreStockFactory.create(store=stock.store, product=other, quantity=1)

    wait_until(lambda: client.get(path).json()["total_count"] == 2, 10)


def test_a_sale_that_leaves_stock_outdates_nothing(client: APIClient, stock: StoreStock) -> None:
    path = f"{FLOWER}&facets=store_code"
    _keep(client, path)

    StoreStock.objects.update(quantity=4)
    _receive_notices()

    assert _is_kept(client, path)


def test_a_result_without_stock_is_kept_when_a_product_is_sold_out(
    client: APIClient, stock: StoreStock
) -> None:
    path = f"{FLOWER}&facets=brand"
    _keep(client, path)
    _keep(client, FLOWER)

    # The row alone: the product itself is announced by its triggers as well, and changes nothing.
    StoreStock.objects.update(quantity=0)
    _receive_notices()

    assert _is_kept(client, path)
    assert not _is_kept(client, FLOWER)


def test_a_result_is_outdated_by_new_weights(stock: StoreStock, admin_user: User) -> None:
    client = create_api_client("staff", READ)
    path = f"{FLOWER}&fields=score_components&facets=none"
    _keep(client, path)

    SearchWeights.objects.create(stock=1, note="no supplier pays for it", set_by=admin_user)

    def boost() -> Any:
        (result,) = client.get(path).json()["results"]
        return result["score_components"]["boost"]

    wait_until(lambda: boost() == {"stock": 1.0, "margin": 0.0, "freshness": 0.0}, 10)


def test_boosts_of_a_kept_result_are_outdated_by_stock(stock: StoreStock, admin_user: User) -> None:
    SearchWeights.objects.create(stock=1, note="no supplier pays for it", set_by=admin_user)
    client = create_api_client("staff", READ)
    path = f"{FLOWER}&fields=score_components&facets=none"
    _keep(client, path)

    StoreStock.objects.update(quantity=0)

    def stock_boost() -> Any:
        (result,) = client.get(path).json()["results"]
        return result["score_components"]["boost"]["stock"]

    wait_until(lambda: stock_boost() == 0, 10)


def test_a_result_is_outdated_by_listings(client: APIClient, product: Product) -> None:
    SupplierListingFactory.create(merge_key=product.merge_key, in_stock=False)
    path = f"{SEARCH}?in_stock=true&facets=none"
    _keep(client, path)

    SupplierListing.objects.update(in_stock=True)

    wait_until(lambda: client.get(path).json()["total_count"] == 1, 10)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE search_words SET documents = documents",
        "UPDATE product_aliases SET product_key = product_key",
        "UPDATE vector_indexes SET version = version",
    ],
)
def test_a_result_is_outdated_by_vocabulary_aliases_and_vectors(
    client: APIClient, product: Product, statement: str
) -> None:
    _keep(client, FLOWER)

    with connection.cursor() as cursor:
        cursor.execute(statement)

    wait_until(lambda: not _is_kept(client, FLOWER), 10)


def test_audiences_have_results_of_their_own(client: APIClient, product: Product) -> None:
    _keep(client, FLOWER)

    (result,) = create_api_client("staff", READ).get(FLOWER).json()["results"]

    assert "score" in result


def test_other_filters_have_results_of_their_own(client: APIClient, product: Product) -> None:
    _keep(client, FLOWER)

    other = client.get(f"{FLOWER}&price_max=10").json()

    assert other["total_count"] == 0


def test_keys_that_may_write_see_what_they_wrote(product: Product) -> None:
    client = create_api_client("staff", ("catalog:read", "catalog:write"))
    client.get(FLOWER)
    _receive_notices()
    client.get(FLOWER)

    assert not _is_kept(client, FLOWER)


def test_a_result_from_vectors_that_are_being_replaced_is_not_kept(
    client: APIClient, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "catalog.api.search.search_products",
        lambda query: replace(search_products(query), is_current=False),
    )
    _receive_notices()
    client.get(FLOWER)

    assert not _is_kept(client, FLOWER)


def test_a_result_without_vectors_is_kept_for_seconds(
    client: APIClient, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[RenderedResponse] = []
    monkeypatch.setattr(
        SEARCH_CACHE, "put_local", lambda _key, response, _generation: stored.append(response)
    )

    client.get(f"{SEARCH}?q=kush")

    assert [response.lifetime for response in stored] == [5.0]
