"""
Kill every part of an installation under load, in turn, and count what was lost.

Each part is killed with SIGKILL, with all its processes, while events, searches, recommendations
and tasks go on. The recovery time lasts from the kill until the part does its work again, as
observed from outside; the restart is part of it.
"""

import argparse
import logging
import os
import socket
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import requests
from kafka import KafkaProducer
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from config.embedded.orphans import terminate_descendants_on_exit
from config.embedded.test import throwaway_directory
from tests.chaos.installation import PARTS, WORKERS, Installation, known_parts, wait_for
from tests.chaos.load import Load, message

FAILED, UNAVAILABLE, INTERRUPTED = 1, 2, 130
MAX_RECOVERY_SECONDS = 30
_MAX_WAIT_SECONDS = 120
_SETTLE_SECONDS = 5
_DRAIN_SECONDS = 180
_SEED = 20261129
_CUSTOMER_COUNT = 20
_BEAT_QUEUE = "chaos-beat"
_CHEAP_TASK = "catalog.tasks.expire_product_imports"
_WIDTH = 120


def main() -> int:
    """Run; exit code 1 when an event or a row was damaged, or a recovery took too long."""
    options = _parse()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    from tests.servers import s3
    from tests.servers.kafka import unavailable_reason

    cache = Path(os.environ.get("MODELS_DIR") or "var/models") / "servers"
    reason = unavailable_reason(cache) or ("" if s3.is_available() else "SeaweedFS is missing")
    if reason:
        console.print(f"[red]{reason}[/red]")
        return UNAVAILABLE
    with terminate_descendants_on_exit():
        installation = Installation(throwaway_directory(), cache / "kafka", console)
        try:
            console.print("Starting an installation …")
            installation.start()
            import django

            django.setup()
            # Errors are what this process expects; the logs of the installation have all.
            logging.disable(logging.CRITICAL)
            return Chaos(installation, console).run(options.parts, options.times)
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            installation.stop()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/chaos", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all"
    )
    parser.add_argument("--times", type=int, default=10, help="kills of each part; 10 by default")
    options = parser.parse_args()
    try:
        options.parts = known_parts(options.parts)
    except ValueError as error:
        parser.error(str(error))
    return options


class Chaos:
    """Kills on an installation that runs, with their recovery times."""

    def __init__(self, installation: Installation, console: Console) -> None:
        self._installation = installation
        self._console = console
        self._recoveries: dict[str, list[float]] = {}
        products, customers = _sample_data()
        self._load = Load(
            address=installation.address,
            bootstrap=installation.bootstrap,
            keys=installation.keys,
            products=products,
            customers=customers,
            seed=_SEED,
        )
        self._probes: dict[str, Callable[[], object]] = {
            "postgres": self._is_event_accepted,
            "valkey": _runs_task,
            "milvus": self._is_search_complete,
            "web": self._is_event_accepted,
            "consumer": self._is_event_consumed,
            "beat": _sends_tasks,
            "kafka": self._is_event_consumed,
            "objects": _stores_objects,
            **{name: partial(_answers_ping, name) for name in WORKERS},
        }

    def run(self, parts: list[str], times: int) -> int:
        """Kill each part `times` times under load; print both tables; return the exit code."""
        from mlops.quality.integrity_check import check_integrity

        load_before = os.getloadavg()[0]
        check_integrity()  # seals the rows as they are before the kills
        for part in parts:
            wait_for(self._probes[part], _MAX_WAIT_SECONDS)
        self._load.start()
        started_at = time.monotonic()
        for number in range(times):
            for part in parts:
                time.sleep(_SETTLE_SECONDS)
                start = time.monotonic()
                self._installation.kill(part)
                with suppress(TimeoutError):
                    wait_for(self._probes[part], _MAX_WAIT_SECONDS)
                seconds = time.monotonic() - start
                self._recoveries.setdefault(part, []).append(seconds)
                self._console.print(f"{number + 1} {part}: {seconds:.1f} s", style="dim")
        self._load.stop()
        minutes = (time.monotonic() - started_at) / 60
        is_sound = self._show_findings()
        is_quick = self._show_recoveries()
        self._show_responses()
        self._console.print(
            f"{self._load.accepted_count} events accepted in {minutes:.0f} minutes; {times} kills"
            f" of each part; {os.cpu_count()} cores, load before {load_before:.1f}"
        )
        return 0 if is_sound and is_quick else FAILED

    def _show_findings(self) -> bool:
        from django.db import connection

        from tests.chaos.integrity import event_findings, row_findings

        connection.close()
        with suppress(TimeoutError):  # what is still missing then is lost
            wait_for(lambda: not event_findings(self._load.accepted)[0].count, _DRAIN_SECONDS)
        findings = [*event_findings(self._load.accepted), *row_findings()]
        table = Table("after the kills", "count")
        for finding in findings:
            table.add_row(finding.name, str(finding.count))
        table.add_row("answers to events other than accepted", str(len(self._load.unexpected)))
        self._console.print(table)
        for answer in self._load.unexpected[:5]:
            self._console.print(answer, markup=False)
        return not (any(finding.count for finding in findings) or self._load.unexpected)

    def _show_recoveries(self) -> bool:
        table = Table("part", "kills", "median s", "max s", f"within {MAX_RECOVERY_SECONDS} s")
        for part, seconds in self._recoveries.items():
            within = sum(value <= MAX_RECOVERY_SECONDS for value in seconds)
            values = (f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}")
            table.add_row(part, str(len(seconds)), *values, f"{within} of {len(seconds)}")
        self._console.print(table)
        return max(map(max, self._recoveries.values())) <= MAX_RECOVERY_SECONDS

    def _show_responses(self) -> None:
        table = Table("request", "status", "count")
        for (name, status), count in sorted(self._load.responses.items()):
            table.add_row(name, str(status or "none"), str(count))
        self._console.print(table)

    # Probes: each returns whether a part does its work.

    def _is_event_accepted(self) -> bool:
        return self._load.post([_metric()])

    def _is_event_consumed(self) -> bool:
        """Return whether an event that is sent to Kafka arrives in the database."""
        event = _metric()
        try:
            producer = KafkaProducer(
                bootstrap_servers=self._installation.bootstrap,
                api_version=(0, 9),
                acks="all",
                max_block_ms=3000,
            )
            try:
                producer.send(event["topic"], message(event)).get(timeout=3)
            finally:
                producer.close(timeout=1)
        except KafkaError:  # the broker is not there yet
            return False
        with suppress(TimeoutError):
            wait_for(lambda: _is_in_inbox(event["id"]), 2)
            return True
        return False

    def _is_search_complete(self) -> bool:
        """Return whether a search is answered with vectors."""
        reading_key, _ = self._installation.keys
        # Another query each time, since answers are cached.
        query = f"indica {uuid.uuid4().hex[:6]}"
        try:
            response = requests.get(
                f"{self._installation.address}/api/v1/products/search/",
                {"q": query},
                headers={"Authorization": f"Api-Key {reading_key}"},
                timeout=10,
            )
        except requests.RequestException:
            return False
        return response.status_code == 200 and "dense" in response.json()["retrievers"]


def _sample_data() -> tuple[list[str], list[str]]:
    """Register customers with consents; return ids of products and external ids of customers."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    from catalog.models import Product
    from tests.factories.customers import CustomerFactory

    customers = [f"L-{number}" for number in range(_CUSTOMER_COUNT)]
    for number, external_id in enumerate(customers):
        CustomerFactory.create(external_id=external_id, consenting=number % 2 == 0)
    every_second, _ = IntervalSchedule.objects.get_or_create(
        every=1, period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.create(
        name="Chaos: beat", task=_CHEAP_TASK, interval=every_second, queue=_BEAT_QUEUE
    )
    products = Product.objects.order_by("pk").values_list("pk", flat=True)[:200]
    return [str(pk) for pk in products], customers


def _metric() -> dict[str, Any]:
    event_id = str(uuid.uuid4())
    return {
        "topic": "system_metrics",
        "id": event_id,
        "type": "metric",
        "version": 1,
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {"source": "chaos", "name": event_id, "value": 1},
    }


def _is_in_inbox(event_id: str) -> bool:
    from django.db import DatabaseError, connection

    from mlops.models import InboxEvent

    try:
        return InboxEvent.objects.filter(pk=event_id).exists()
    except DatabaseError:  # the connection is of before the kill
        connection.close()
        return False


def _answers_ping(worker: str) -> bool:
    """Return whether a worker answers a broadcast, even while it executes a task."""
    from config.celery import app

    name = f"{worker}@{socket.gethostname()}"
    try:
        return bool(app.control.ping(destination=[name], timeout=2))
    except Exception:  # kombu raises errors of redis and its own
        return False


def _runs_task() -> bool:
    """Return whether a task is executed."""
    from config.celery import app

    try:
        result = app.send_task(_CHEAP_TASK, queue="default", expires=20, retry=False)
        result.get(timeout=20)
    except Exception:  # kombu raises errors of redis and its own
        return False
    return True


def _sends_tasks() -> bool:
    """Return whether beat sends a task to the queue that only this process reads."""
    import redis
    from django.conf import settings

    try:
        with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
            client.delete(_BEAT_QUEUE)
            wait_for(lambda: client.llen(_BEAT_QUEUE), 3)
    except Exception:  # no task, or no Redis
        return False
    return True


def _stores_objects() -> bool:
    """Return whether an object is stored and read."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    content = uuid.uuid4().bytes
    try:
        name = default_storage.save("chaos/probe", ContentFile(content))
        with default_storage.open(name) as stored:
            return bool(stored.read() == content)
    except Exception:  # botocore raises many unrelated errors
        return False


if __name__ == "__main__":
    raise SystemExit(main())
