"""A stack with a web process and a worker: its logs, and recommendations without its servers."""

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
print(customer.pk, secret, create_api_key("staff"))
"""
_SELL_OUT = """
UPDATE store_stock SET quantity = 0
WHERE product_id = (SELECT id FROM products WHERE sku = %s)
"""
# A word of each kind that no log may contain.
_PERSON = {
    "number": "loyalty-canary-5f3a",
    "name": "Canarina-Birdsong",
    "mail": "canarina@birdsong.example",
    "phone": "416-555-0199",
    "chat": "canary-of-the-chat",
    "template": "Y2FuYXJ5LWZhY2UtdGVtcGxhdGU=",
    "key": "canary.secret-of-a-key",
}
_NO_FALLBACK = {"level": "none", "reasons": []}


class WebStack:
    """A separate stack and a web process that asks Milvus for every vector search."""

    def __init__(self, directory: Path) -> None:
        self.stack = Stack(directory / "state", settings={}, needs=("postgres", "valkey", "milvus"))
        self.stack.start()
        self.environment = throwaway_environment(self.stack) | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            "VECTORS_EXACT_BELOW": "0",
            "VECTORS_FALLBACK_BELOW": "0",
        }
        self._port = free_port()
        self._url = f"http://{LOOPBACK}:{self._port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._customer_id = ""
        self._key = ""
        self._staff_key = ""

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
        self._customer_id, self._key, self._staff_key = created.stdout.split()[-3:]
        self._start_process(
            "web",
            "gunicorn",
            "config.wsgi",
            "--bind",
            f"{LOOPBACK}:{self._port}",
            "--threads",
            "4",
            "--no-control-socket",
            "--log-level",
            "error",
        )
        wait_until(self._is_live, 60)

    def start_worker(self) -> None:
        """Start a Celery worker; wait until it takes tasks."""
        self._start_process("worker", "celery", "-A", "config", "worker", "--pool", "solo")
        wait_until(lambda: " ready." in self.logs()["worker"], 60)

    def call_task(self, name: str) -> None:
        """Send a task; wait until the worker has ended it."""
        command = [sys.executable, "-m", "celery", "-A", "config", "call", name]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)
        wait_until(lambda: "succeeded in" in self.logs()["worker"], 60)

    def logs(self) -> dict[str, str]:
        """Return what every process and server has written, by its name."""
        paths = self.stack.logs.glob("*.log")
        return {path.stem: path.read_text(errors="replace") for path in paths}

    def _start_process(self, name: str, module: str, *arguments: str) -> None:
        with (self.stack.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)

    def _is_live(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self._url}/health/live", timeout=2).ok
        return False

    def stop(self) -> None:
        """Stop the web process and the stack, and remove its data."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)
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

    def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", **options: Any
    ) -> requests.Response:
        """Send a request with the key of staff, or another one."""
        headers = {"Authorization": f"Api-Key {key or self._staff_key}"}
        url = f"{self._url}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=30, **options)

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


@pytest.fixture(scope="module")
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


def _talk_about_a_person(web: WebStack) -> None:
    """Send requests that are accepted, refused and invalid, each with data of a person."""
    customer = {"external_id": _PERSON["number"], "province": "ON"}
    created = web.send("POST", "/api/v1/customers/", customer)
    assert created.status_code == 201, created.text
    again = web.send("POST", "/api/v1/customers/", {**customer, "province": _PERSON["name"]})
    assert again.status_code == 400
    session = web.send("POST", "/api/v1/chat/sessions/", {}).json()
    text = " ".join(_PERSON.values())
    message = web.send("POST", f"/api/v1/chat/sessions/{session['id']}/messages/", {"text": text})
    assert message.status_code == 201, message.text
    search = web.send("GET", "/api/v1/products/search/", params={"q": text})
    assert search.status_code == 200
    event = {"topic": "customer_interactions", "id": "x", "type": "purchase", "data": _PERSON}
    web.send("POST", "/api/v1/events/", {"events": [event]})
    web.send("POST", "/api/v1/biometrics/identifications/", {"image": _PERSON["template"]})
    refused = web.send("GET", "/api/v1/products/", key=_PERSON["key"])
    assert refused.status_code == 401
    broken = web.send("POST", "/api/v1/customers/", data=f"{{{text}")
    assert broken.status_code in {400, 415}
    web.send("POST", "/console/login/", data={"username": _PERSON["mail"], "password": text})


def test_logs_of_processes_and_servers_have_nothing_of_a_person(web: WebStack) -> None:
    web.start_worker()
    _talk_about_a_person(web)
    web.call_task("customers.tasks.derive_preferences")
    duplicate = "INSERT INTO customer_profiles (external_customer_id) VALUES (%s)"
    with (
        psycopg.connect(web.environment["DATABASE_URL"], autocommit=True) as connection,
        pytest.raises(psycopg.errors.UniqueViolation, match=_PERSON["number"]),
    ):
        connection.execute(duplicate, [_PERSON["number"]])

    logs = web.logs()

    assert "POST /api/v1/customers/" in logs["web"]
    assert "duplicate key value" in logs["postgres"]
    assert "derive_preferences" in logs["worker"]
    found = [
        (log, kind)
        for log, text in logs.items()
        for kind, canary in _PERSON.items()
        if canary in text
    ]
    assert found == []


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
