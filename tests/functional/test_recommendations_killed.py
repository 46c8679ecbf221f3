"""Recommendations without Redis and Milvus: still served, degraded with reasons, filtered."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from config.embedded.ports import LOOPBACK, free_port
from config.embedded.stack import ROOT, Stack
from config.embedded.test import throwaway_directory, throwaway_environment
from tests.functional.killing import kill
from tests.polling import wait_until

pytestmark = pytest.mark.slow
_CREATE_DATA = """
import django; django.setup()
from customers.services.preferences import derive_due_preferences
from tests.factories.catalog import StoreFactory, create_products
from tests.factories.config import create_api_key
from tests.factories.customers import CustomerFactory, rank_by_popularity, record_purchases
from vectors.index.write import index_due_rows

store = StoreFactory.create(code="queen-west")
products = create_products(12, store)
rank_by_popularity(products, store=store)
customer = CustomerFactory.create(verified=True, consenting=True)
record_purchases(customer, products[0], store=store, times=6)
derive_due_preferences()
index_due_rows()
secret = create_api_key("verified", ("recommendations:read",))
print(customer.pk, secret)
"""
_SELL_OUT = """
UPDATE store_stock SET quantity = 0
WHERE product_id = (SELECT id FROM products WHERE sku = %s)
"""
_NO_FALLBACK = {"level": "none", "reasons": []}


class WebStack:
    """A separate stack and a web process that asks Milvus for every vector search."""

    def __init__(self, directory: Path) -> None:
        self.stack = Stack(directory / "state", settings={}, needs=("postgres", "valkey", "milvus"))
        self.stack.start()
        self.environment = throwaway_environment(self.stack) | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
            "VECTORS_EXACT_BELOW": "0",
            "VECTORS_FALLBACK_BELOW": "0",
        }
        self._port = free_port()
        self._url = f"http://{LOOPBACK}:{self._port}"
        self._web: subprocess.Popen[bytes] | None = None
        self._customer_id = ""
        self._key = ""

    def start(self) -> None:
        """Migrate, create the data, and start the web process."""
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"],
            cwd=ROOT,
            env=self.environment,
            check=True,
        )
        created = subprocess.run(
            [sys.executable, "-c", _CREATE_DATA],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._customer_id, self._key = created.stdout.split()[-2:]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "config.wsgi",
            "--bind",
            f"{LOOPBACK}:{self._port}",
            "--threads",
            "4",
            "--no-control-socket",
            "--log-level",
            "error",
        ]
        self._web = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        wait_until(self._is_live, 60)

    def _is_live(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self._url}/health/live", timeout=2).ok
        return False

    def stop(self) -> None:
        """Stop the web process and the stack, and remove its data."""
        if self._web:
            self._web.terminate()
            self._web.wait(30)
        self.stack.stop()
        self.stack.remove()

    def recommend(self, **params: int) -> Any:
        """Return the recommendations for the customer."""
        response = requests.get(
            f"{self._url}/api/v1/recommendations/{self._customer_id}",
            {"store_code": "queen-west", **{name: str(value) for name, value in params.items()}},
            headers={"Authorization": f"Api-Key {self._key}"},
            timeout=30,
        )
        assert response.status_code == 200, response.text
        return response.json()

    def restart(self, server: str) -> None:
        """Start a killed server again on the same data."""
        self.stack.servers[server].stop()
        self.stack.servers[server].start()

    def sell_out(self, sku: str) -> None:
        """Set the stock of a product to 0 by SQL, without any service."""
        with psycopg.connect(
            self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
        ) as connection:
            connection.execute(_SELL_OUT, [sku])


@pytest.fixture
def web() -> Iterator[WebStack]:
    """A web process with twelve indexed products and a customer who buys the first of them."""
    web = WebStack(throwaway_directory(Path(os.environ["STATE_DIR"]).parent))
    try:
        web.start()
        yield web
    finally:
        web.stop()


def _fallback_reasons(body: Any) -> set[str]:
    return set(body["fallback"]["reasons"])


def _skus(body: Any) -> list[str]:
    return [product["sku"] for product in body["results"]]


def test_recommendations_degrade_and_recover_without_redis_and_milvus(web: WebStack) -> None:
    complete = web.recommend()
    assert complete["fallback"] == _NO_FALLBACK
    assert _skus(complete)[0] == "P-0"

    kill(web.stack.servers["valkey"])
    wait_until(lambda: _fallback_reasons(web.recommend()) == {"cache_unavailable"}, 15)
    without_cache = web.recommend(limit=5)
    assert without_cache["fallback"]["level"] == "degraded"
    assert _skus(without_cache)[0] == "P-0"
    sold_out = _skus(without_cache)[0]
    web.sell_out(sold_out)
    wait_until(lambda: sold_out not in _skus(web.recommend(limit=5)), 1)

    kill(web.stack.servers["milvus"])
    wait_until(
        lambda: (
            _fallback_reasons(web.recommend(limit=6))
            == {"cache_unavailable", "vectors_unavailable"}
        ),
        60,
    )
    assert _skus(web.recommend(limit=6))
    assert sold_out not in _skus(web.recommend(limit=50))

    web.restart("valkey")
    web.restart("milvus")
    wait_until(lambda: web.recommend()["fallback"] == _NO_FALLBACK, 60)
