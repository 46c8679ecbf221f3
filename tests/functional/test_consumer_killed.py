"""Consumers are killed a hundred times, the broker and PostgreSQL too: every event is applied, and none twice."""

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
from tests.functional.killing import kill
from tests.polling import wait_until
from tests.servers.kafka import API_VERSION, Kafka, kafka, unavailable

pytestmark = pytest.mark.slow
_EVENTS, _KILLS, _BROKER_KILLS = 20_000, 100, 3
_SEED = 20261126
_CACHE = Path(os.environ.get("MODELS_DIR") or ROOT / "var" / "models") / "servers"
_CONSUMERS = 2
# Forks a consumer for each line it reads and says its number: a start costs milliseconds then, not the seconds that
# importing Django takes, and kills fall into work.
_NURSERY = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
import mlops.management.commands.consume_events
from mlops.streams.event_types import event_types
event_types()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.stdin.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = 1
        try:
            call_command("consume_events", name=line.strip(), stdout=open(os.devnull, "w"))
            code = 0
        finally:
            os._exit(code)
    print(child, flush=True)
"""


class Servers:
    """PostgreSQL whose data outlive a crash, a real Kafka, and consumers."""

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
        self._nursery: subprocess.Popen[str] | None = None

    def manage(self, *arguments: str) -> str:
        """Run a management command; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def start_consumer(self, number: int) -> None:
        """Start one."""
        if self._nursery is None:
            self._nursery = subprocess.Popen(
                [sys.executable, "-c", _NURSERY],
                cwd=ROOT,
                env=self.environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self._nursery.stdin
        assert self._nursery.stdout
        print(f"killed-{number}", file=self._nursery.stdin, flush=True)
        self.consumers[number] = psutil.Process(int(self._nursery.stdout.readline()))

    def kill_consumer(self, number: int) -> None:
        """Kill one -9."""
        self.consumers[number].kill()
        self.consumers[number].wait(10)

    def stop(self) -> None:
        """Kill all of them."""
        for consumer in self.consumers.values():
            with suppress(psutil.NoSuchProcess):
                consumer.kill()
        if self._nursery:
            self._nursery.kill()
            self._nursery.wait()

    def kill_postgres(self) -> None:
        """Kill it -9 with all its processes, and start it again on the same data."""
        server = self.stack.servers["postgres"]
        kill(server)
        server.stop()
        server.start()

    def ask(self, query: str) -> int:
        """Return one number of the database, 0 while it is down."""
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(
                self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
            ) as connection,
        ):
            row = connection.execute(query).fetchone()
            return int(row[0] or 0) if row else 0
        return 0


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers with tables."""
    if why := unavailable(_CACHE):
        pytest.skip(why)
    directory = throwaway_directory(Path(os.environ["STATE_DIR"]).parent)
    with kafka(_CACHE) as broker:
        servers = Servers(directory, broker)
        try:
            servers.manage("migrate", "--no-input", "-v", "0")
            yield servers
        finally:
            servers.stop()
            servers.stack.stop()
            servers.stack.remove()


def _metric(number: int) -> bytes:
    data = {"source": "till", "name": "killed", "value": number}
    at = datetime.now(UTC).isoformat()
    told = {
        "id": str(uuid.UUID(int=number + 1)),
        "type": "metric",
        "version": 1,
        "occurred_at": at,
        "data": data,
    }
    return json.dumps(told).encode()


class Till(threading.Thread):
    """Sends each event until it is acknowledged, as fast as it is let, and some twice, as tills do after an outage."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.bootstrap = bootstrap
        self.allowed = 0
        self.sent = 0

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
        while self.sent < _EVENTS:
            most = min(self.allowed, _EVENTS, self.sent + 200)
            if most <= self.sent:
                time.sleep(0.01)
                continue
            some = range(self.sent, most)
            try:
                waiting = [
                    producer.send("system_metrics", value=_metric(number)) for number in some
                ]
                for one in waiting:
                    one.get(timeout=60)
            except KafkaError:  # not told whether it arrived: sent again
                continue
            self.sent = most


def test_a_hundred_kills_lose_and_double_nothing(servers: Servers) -> None:
    chance = random.Random(_SEED)
    victims = ["consumer"] * _KILLS + ["broker"] * _BROKER_KILLS + ["postgres"]
    chance.shuffle(victims)
    till = Till(servers.kafka.bootstrap)
    till.start()
    in_work = 0
    for number in range(_CONSUMERS):
        servers.start_consumer(number)
    for place, victim in enumerate(victims):
        before = servers.ask("SELECT count(*) FROM event_inbox")
        till.allowed = (place + 1) * _EVENTS // len(victims) + 1
        if victim == "consumer":
            # Wait for a transaction of a consumer to be under way, or for one to have been.
            end = time.monotonic() + 1.5
            while (
                time.monotonic() < end and servers.ask("SELECT count(*) FROM event_inbox") == before
            ):
                time.sleep(0.01)
            in_work += servers.ask("SELECT count(*) FROM event_inbox") > before
            time.sleep(chance.uniform(0, 0.05))
            servers.kill_consumer(place % _CONSUMERS)
            servers.start_consumer(place % _CONSUMERS)
        elif victim == "broker":
            servers.kafka.kill_broker()
            servers.kafka.start_broker()
        else:
            servers.kill_postgres()
    till.allowed = _EVENTS
    till.join(120)
    assert till.sent == _EVENTS
    wait_until(lambda: servers.ask("SELECT count(*) FROM event_inbox") == _EVENTS, 60)
    # Whatever was in flight has come twice by now; one who joins last finds nothing left.
    for consumer in servers.consumers.values():
        consumer.terminate()
        consumer.wait(30)
    assert servers.manage("consume_events", "--until-idle").startswith("0 applied")
    kept = "FROM system_metrics WHERE name = 'killed'"
    assert servers.ask(f"SELECT count(*) {kept}") == _EVENTS
    assert servers.ask(f"SELECT count(DISTINCT value) {kept}") == _EVENTS
    assert servers.ask(f"SELECT sum(value) {kept}") == sum(range(_EVENTS))
    assert servers.ask("SELECT count(*) FROM quarantined_records") == 0
    assert in_work >= _KILLS // 2, f"only {in_work} of {_KILLS} kills fell into work"
