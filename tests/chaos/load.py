"""
Load on an installation: events over REST and Kafka, searches, recommendations and tasks.

Every event has an id. It counts as accepted when the API or the broker has acknowledged it, and is
sent until then, so that some are sent twice.
"""

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import requests
from kafka import KafkaProducer
from kafka.errors import KafkaError

_TIMEOUT_SECONDS = 15
_BATCH_SIZE = 20
_PAUSE_SECONDS = 0.3
_TASK_PAUSE_SECONDS = 60
_QUERIES = ("pink kush", "earthy indica myrcene", "gummies", "huile cbd", "sativa 3.5 g")
_TASKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("catalog.tasks.sync_source", {"code": "ocs"}),
    ("competitors.tasks.crawl_competitor", {"code": "lakeside", "is_forced": True}),
    ("vectors.tasks.index_due_vectors", {}),
    ("mlops.tasks.retrain", {"name": "recommendation"}),
    ("catalog.tasks.match_products", {}),
)


class Event:
    """Makes events of four types, and knows which rows each must leave."""

    def __init__(self, products: Sequence[str], customers: Sequence[str], seed: int) -> None:
        self._rng = random.Random(seed)
        self._products = products
        self._customers = customers

    def make(self) -> dict[str, Any]:
        """Return an event with its topic."""
        event_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        topic, kind, data = self._content(event_id)
        return {
            "topic": topic,
            "id": event_id,
            "type": kind,
            "version": 1,
            "occurred_at": datetime.now(UTC).isoformat(),
            "data": data,
        }

    def _content(self, event_id: str) -> tuple[str, str, dict[str, Any]]:
        product, customer = self._rng.choice(self._products), self._rng.choice(self._customers)
        kind = self._rng.randrange(4)
        if kind == 0:
            lines = [{"product_id": product, "quantity": 1, "unit_price": "9.95"}]
            receipt = {"order_id": event_id, "external_id": customer, "lines": lines}
            return "customer_interactions", "purchase", receipt
        if kind == 1:
            view = {"type": "view", "product_id": product, "external_id": customer}
            return "customer_interactions", "interaction", view
        metric = {"source": "chaos", "name": event_id, "value": 1}
        return "system_metrics", "metric", metric


class Load:
    """
    Threads that send requests, events and tasks until they are stopped.

    accepted: ids of acknowledged events by type. responses: number of responses by request and
    status; status 0: no response.
    """

    def __init__(
        self,
        *,
        address: str,
        bootstrap: str,
        keys: tuple[str, str],
        products: Sequence[str],
        customers: Sequence[str],
        seed: int,
    ) -> None:
        self._address = f"{address}/api/v1"
        self._bootstrap = bootstrap
        self._reading_key, self._sending_key = keys
        self._products = products
        self._rest_events = Event(products, customers, seed)
        self._kafka_events = Event(products, customers, seed + 1)
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._send_rest, self._send_kafka, self._read, self._send_tasks)
        ]
        self.accepted: dict[str, set[str]] = {
            "purchase": set(),
            "interaction": set(),
            "metric": set(),
        }
        self.responses: Counter[tuple[str, int]] = Counter()
        self.unexpected: list[str] = []

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; events that are being sent are sent until they are acknowledged."""
        self._is_stopped.set()
        for thread in self._threads:
            thread.join(180)

    @property
    def accepted_count(self) -> int:
        """Number of acknowledged events."""
        return sum(map(len, self.accepted.values()))

    def _accept(self, events: Sequence[dict[str, Any]]) -> None:
        with self._lock:
            for event in events:
                self.accepted[event["type"]].add(event["id"])

    def _send_rest(self) -> None:
        """Send batches; repeat each until it is answered, with the same ids."""
        while not self._is_stopped.is_set():
            events = [self._rest_events.make() for _ in range(_BATCH_SIZE)]
            while not self.post(events):
                time.sleep(_PAUSE_SECONDS)
            time.sleep(_PAUSE_SECONDS)

    def post(self, events: Sequence[dict[str, Any]]) -> bool:
        """Send events over REST; return whether they were answered."""
        response = self._request(
            "events",
            lambda: requests.post(
                f"{self._address}/events/",
                json={"events": events},
                headers={"Authorization": f"Api-Key {self._sending_key}"},
                timeout=_TIMEOUT_SECONDS,
            ),
        )
        if response is None or response.status_code != 200:
            return False
        results = response.json()["results"]
        done = [
            event
            for event, result in zip(events, results, strict=True)
            if result["status"] in ("accepted", "duplicate")
        ]
        self.unexpected += [
            str(result) for result in results if result["status"] not in ("accepted", "duplicate")
        ]
        self._accept(done)
        return True

    def _send_kafka(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self._bootstrap,
            api_version=(0, 9),
            acks="all",
            linger_ms=5,
            reconnect_backoff_max_ms=500,
            request_timeout_ms=3000,
            delivery_timeout_ms=60_000,
            max_block_ms=60_000,
        )
        while not self._is_stopped.is_set():
            events = [self._kafka_events.make() for _ in range(_BATCH_SIZE)]
            while not self._produce(producer, events):
                time.sleep(_PAUSE_SECONDS)
            time.sleep(_PAUSE_SECONDS)
        producer.close(timeout=10)

    def _produce(self, producer: KafkaProducer, events: Sequence[dict[str, Any]]) -> bool:
        try:
            futures = [producer.send(event["topic"], message(event)) for event in events]
            for future in futures:
                future.get(timeout=60)
        except KafkaError:  # it may have arrived; it is sent again
            self.responses["kafka", 0] += 1
            return False
        self.responses["kafka", 200] += 1
        self._accept(events)
        return True

    def _read(self) -> None:
        """Search, and ask for recommendations, in turn."""
        headers = {"Authorization": f"Api-Key {self._reading_key}"}
        number = 0
        while not self._is_stopped.is_set():
            number += 1
            name, path = "search", f"products/search/?q={_QUERIES[number % len(_QUERIES)]}"
            if number % 2:
                product = self._products[number % len(self._products)]
                name = "recommendations"
                path = f"recommendations/?scenario=product&product_id={product}"
            url = f"{self._address}/{path}"
            self._request(
                name, partial(requests.get, url, headers=headers, timeout=_TIMEOUT_SECONDS)
            )
            time.sleep(_PAUSE_SECONDS)

    def _request(
        self, name: str, send: Callable[[], requests.Response]
    ) -> requests.Response | None:
        try:
            response = send()
        except requests.RequestException:
            self.responses[name, 0] += 1
            return None
        self.responses[name, response.status_code] += 1
        return response

    def _send_tasks(self) -> None:
        """Give the workers work: syncs, crawls, indexing, training."""
        from config.celery import app

        number = 0
        while not self._is_stopped.wait(_TASK_PAUSE_SECONDS / len(_TASKS)):
            name, arguments = _TASKS[number % len(_TASKS)]
            number += 1
            try:
                app.send_task(name, kwargs=arguments, expires=60, retry=False, ignore_result=True)
            except Exception as error:  # kombu raises errors of redis and its own
                self.responses[f"task {type(error).__name__}", 0] += 1
            else:
                self.responses["task", 200] += 1


def message(event: dict[str, Any]) -> bytes:
    """Return an event as its topic contains it."""
    return json.dumps({name: value for name, value in event.items() if name != "topic"}).encode()
