"""Kills of consumers, broker and PostgreSQL: every event is applied, and none twice."""

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError

from config.embedded.stack import ROOT, Stack
from config.embedded.test import throwaway_directory, throwaway_environment
from tests.functional.forks import ForkServer, kill_process
from tests.functional.killing import kill
from tests.polling import wait_until
from tests.servers.kafka import API_VERSION, Kafka, start_kafka, unavailable_reason

pytestmark = pytest.mark.slow
_EVENT_COUNT = 20_000
_CONSUMER_KILLS = 100
_BROKER_KILLS = 3
_PRODUCER_BATCH_SIZE = 200
_SEED = 20261126
_INBOX_COUNT = "SELECT count(*) FROM event_inbox"
_CACHE = Path(os.environ.get("MODELS_DIR") or ROOT / "var" / "models") / "servers"
_CONSUMER_COUNT = 2
# Imported once, so that consumers are killed while they work and not while they import.
_CONSUMER_MODULES = (
    "kafka",
    "mlops.management.commands.consume_events",
    "mlops.events",
    "catalog.events",
    "customers.events",
    "competitors.events",
)
_CONSUME_SCRIPT = """
import os
from django.core.management import call_command
call_command("consume_events", name="killed-{number}", stdout=open(os.devnull, "w"))
"""


class Servers:
    """PostgreSQL with durable data, a real Kafka, and consumers."""

    def __init__(self, directory: Path, broker: Kafka) -> None:
        self.kafka = broker
        self.stack = Stack(directory / "state", settings={}, needs=("postgres", "valkey"))
        self.stack.start()
        self.environment = throwaway_environment(self.stack) | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
            "KAFKA_API_VERSION": API_VERSION,
            "KAFKA_SESSION_TIMEOUT_SECONDS": "1",
            "KAFKA_BATCH_SIZE": "100",
        }
        self.consumers: dict[int, psutil.Process] = {}
        self._forks = ForkServer(self.environment, modules=_CONSUMER_MODULES)

    def manage(self, *arguments: str) -> str:
        """Run a management command; return its output."""
        process = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert process.returncode == 0, process.stderr[-3000:]
        return process.stdout

    def start_consumer(self, number: int) -> None:
        """Start a consumer."""
        self.consumers[number] = self._forks.run(_CONSUME_SCRIPT.format(number=number))

    def kill_consumer(self, number: int) -> None:
        """Kill a consumer with SIGKILL."""
        kill_process(self.consumers[number])

    def stop(self) -> None:
        """Kill all consumers."""
        for consumer in self.consumers.values():
            kill_process(consumer)
        self._forks.stop()

    def kill_postgres(self) -> None:
        """Kill PostgreSQL with SIGKILL, and start it again with the same data."""
        server = self.stack.servers["postgres"]
        kill(server)
        server.stop()
        server.start()

    def query_number(self, sql: str) -> int:
        """Return the number that a query returns; 0 while the database is down."""
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(
                self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
            ) as connection,
        ):
            row = connection.execute(sql).fetchone()
            return int(row[0] or 0) if row else 0
        return 0


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Start servers with an empty database."""
    if reason := unavailable_reason(_CACHE):
        pytest.skip(reason)
    directory = throwaway_directory(Path(os.environ["STATE_DIR"]).parent)
    with start_kafka(_CACHE) as broker:
        servers = Servers(directory, broker)
        try:
            servers.manage("migrate", "--no-input", "-v", "0")
            yield servers
        finally:
            servers.stop()
            servers.stack.stop()
            servers.stack.remove()


def _metric(number: int, occurred_at: datetime) -> bytes:
    event = {
        "id": str(uuid.UUID(int=number + 1)),
        "type": "metric",
        "version": 1,
        "occurred_at": occurred_at.isoformat(),
        "data": {"source": "till", "name": "killed", "value": number},
    }
    return json.dumps(event).encode()


class Till(threading.Thread):
    """
    A producer that sends each event until it is acknowledged, some therefore twice.

    allowed: number of events that it may send so far.
    """

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.bootstrap = bootstrap
        self.allowed = 0
        self.sent = 0
        # An event that is sent again is the same event, with the time at which it happened.
        self._occurred_at = datetime.now(UTC)

    def run(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            api_version=(0, 9),
            acks="all",
            linger_ms=5,
            reconnect_backoff_max_ms=500,
            delivery_timeout_ms=60_000,
            request_timeout_ms=3000,
            max_block_ms=60_000,
        )
        while self.sent < _EVENT_COUNT:
            end = min(self.allowed, _EVENT_COUNT, self.sent + _PRODUCER_BATCH_SIZE)
            if end <= self.sent:
                time.sleep(0.01)
                continue
            try:
                futures = [
                    producer.send("system_metrics", value=_metric(number, self._occurred_at))
                    for number in range(self.sent, end)
                ]
                for future in futures:
                    future.get(timeout=60)
            except KafkaError:  # it may have arrived; send it again
                continue
            self.sent = end


def test_killed_processes_neither_lose_nor_duplicate_events(servers: Servers) -> None:
    rng = random.Random(_SEED)
    victims = ["consumer"] * _CONSUMER_KILLS + ["broker"] * _BROKER_KILLS + ["postgres"]
    rng.shuffle(victims)
    till = Till(servers.kafka.bootstrap)
    till.start()
    kills_during_work = 0
    for number in range(_CONSUMER_COUNT):
        servers.start_consumer(number)

    for index, victim in enumerate(victims):
        before = servers.query_number(_INBOX_COUNT)
        till.allowed = (index + 1) * _EVENT_COUNT // len(victims) + 1
        if victim == "consumer":
            # Wait until a consumer has committed a transaction, and is probably in the next one.
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline and servers.query_number(_INBOX_COUNT) == before:
                time.sleep(0.01)
            kills_during_work += servers.query_number(_INBOX_COUNT) > before
            time.sleep(rng.uniform(0, 0.05))
            servers.kill_consumer(index % _CONSUMER_COUNT)
            servers.start_consumer(index % _CONSUMER_COUNT)
        elif victim == "broker":
            servers.kafka.kill_broker()
            servers.kafka.start_broker()
        else:
            servers.kill_postgres()
    till.allowed = _EVENT_COUNT
    till.join(120)

    assert till.sent == _EVENT_COUNT
    wait_until(lambda: servers.query_number(_INBOX_COUNT) == _EVENT_COUNT, 60)
    # Messages in flight have been delivered again by now; another consumer finds none.
    for consumer in servers.consumers.values():
        consumer.terminate()
        consumer.wait(30)
    assert servers.manage("consume_events", "--until-idle").startswith("0 accepted")
    metrics = "FROM system_metrics WHERE name = 'killed'"
    assert servers.query_number(f"SELECT count(*) {metrics}") == _EVENT_COUNT
    assert servers.query_number(f"SELECT count(DISTINCT value) {metrics}") == _EVENT_COUNT
    assert servers.query_number(f"SELECT sum(value) {metrics}") == sum(range(_EVENT_COUNT))
    with psycopg.connect(servers.environment["DATABASE_URL"], connect_timeout=5) as connection:
        query = "SELECT DISTINCT field, reason FROM quarantined_records"
        assert connection.execute(query).fetchall() == []
    assert kills_during_work >= _CONSUMER_KILLS // 2
