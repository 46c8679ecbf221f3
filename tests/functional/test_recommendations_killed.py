"""Redis and Milvus are killed under a web process: answers go on, say what they do without, and break no filter."""

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
_MAKE = """
import django; django.setup()
from tests.integration import store_data
from config.api.keys import ApiKey
from customers.models import ProductPopularity
from vectors.index.write import index_due
store = store_data.store()
made = store_data.products(12, store)
for number, one in enumerate(made):
    ProductPopularity.objects.create(store=store, product=one, score=(number + 1) / 12, orders=1)
customer = store_data.shopper("history", "profiling")
store_data.bought(customer, made[0], where=store, times=6)
from customers.services.preferences import derive_due
derive_due()
index_due()
_, secret = ApiKey.objects.create_key(name="t", audience="verified", scopes=["recommendations:read"], rate="100000/min")
print(customer.pk, secret)
"""


class Shop:
    """A stack of its own and a web process, which asks Milvus for every vector."""

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
        self._address = f"http://{LOOPBACK}:{free_port()}"
        self._web: subprocess.Popen[bytes] | None = None
        self._customer = self._key = ""

    def open(self) -> None:
        """Make the rows and start the web process."""
        command = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True)
        made = subprocess.run(
            [sys.executable, "-c", _MAKE],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._customer, self._key = made.stdout.split()[-2:]
        port = self._address.rpartition(":")[2]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "config.wsgi",
            "--bind",
            f"{LOOPBACK}:{port}",
            "--threads",
            "4",
        ]
        self._web = subprocess.Popen(
            [*command, "--no-control-socket", "--log-level", "error"],
            cwd=ROOT,
            env=self.environment,
        )
        wait_until(self._is_open, 60)

    def _is_open(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self._address}/health/live", timeout=2).ok
        return False

    def close(self) -> None:
        """End all of it."""
        if self._web:
            self._web.terminate()
            self._web.wait(30)
        self.stack.stop()
        self.stack.remove()

    def ask(self, **asked: int) -> Any:
        """Return what is recommended to the customer."""
        answer = requests.get(
            f"{self._address}/api/v1/recommendations/{self._customer}",
            {"store": "queen-west", **{name: str(value) for name, value in asked.items()}},
            headers={"Authorization": f"Api-Key {self._key}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, name: str) -> None:
        """Start a killed server again on the same data."""
        self.stack.servers[name].stop()
        self.stack.servers[name].start()

    def sell_out(self, sku: str) -> None:
        """Take a product from the shelf, by hand."""
        with psycopg.connect(
            self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
        ) as connection:
            connection.execute(
                "UPDATE store_stock SET quantity = 0 WHERE product_id = (SELECT id FROM products WHERE sku = %s)",
                [sku],
            )


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A web process with products, somebody who buys the first of them, and vectors of all."""
    shop = Shop(throwaway_directory(Path(os.environ["STATE_DIR"]).parent))
    try:
        shop.open()
        yield shop
    finally:
        shop.close()


def _why(told: Any) -> set[str]:
    return set(told["fallback"]["why"])


def _shown(told: Any) -> list[str]:
    return [one["sku"] for one in told["results"]]


def test_answers_go_on_without_redis_and_without_milvus(shop: Shop) -> None:
    whole = shop.ask()
    assert (whole["fallback"], _shown(whole)[0]) == ({"level": 0, "why": []}, "P-0")

    kill(shop.stack.servers["valkey"])
    wait_until(lambda: _why(shop.ask()) == {"cache-silent"}, 15)
    without = shop.ask(limit=5)
    assert (without["fallback"]["level"], _shown(without)[0]) == (1, "P-0")
    sold_out = _shown(without)[0]
    shop.sell_out(sold_out)
    wait_until(lambda: sold_out not in _shown(shop.ask(limit=5)), 1)

    kill(shop.stack.servers["milvus"])
    wait_until(lambda: _why(shop.ask(limit=6)) == {"cache-silent", "vectors-silent"}, 60)
    assert _shown(shop.ask(limit=6))
    assert sold_out not in _shown(shop.ask(limit=50))

    shop.start("valkey")
    shop.start("milvus")
    wait_until(lambda: shop.ask()["fallback"] == {"level": 0, "why": []}, 60)
