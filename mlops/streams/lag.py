"""How far behind a consumer is, how fast it goes, what fails: kept as metrics, and an alert when too much waits."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connection

from config.clients.kafka import Partition
from mlops.quality.alerts import close_alerts, open_alert
from mlops.quality.thresholds import evaluate_thresholds

LAG, RATE, DEAD_LETTERS, ERRORS = (
    "stream.lag",
    "stream.rate",
    "stream.dead_letters",
    "stream.errors",
)
LAGGING = "stream_lag"
EVERY_SECONDS = 10.0
log = structlog.get_logger(__name__)
_INSERT = """
INSERT INTO system_metrics (id, source, name, value, measured_at)
SELECT id, source, name, value, now() FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::float8[])
  AS told(id, source, name, value)
"""


@dataclass(slots=True)
class ConsumerCounts:
    """What a consumer did since it began."""

    applied: int = 0
    repeated: int = 0
    rejected: int = 0
    failures: int = 0
    messages: Counter[Partition] = field(default_factory=Counter)
    dead: Counter[Partition] = field(default_factory=Counter)


class ConsumerMetrics:
    """Writes, every ten seconds, what a consumer of this name did since the last time."""

    def __init__(self, name: str) -> None:
        self._name = name[:50]
        self._at = time.monotonic()
        self._messages: dict[Partition, int] = {}
        self._dead: dict[Partition, int] = {}
        self._failures = 0

    def note(
        self,
        done: ConsumerCounts,
        lag: Callable[[], Mapping[Partition, int]],
        *,
        at_once: bool = False,
    ) -> bool:
        """Write when it is time; tell whether it was written. A database that does not answer is no reason to stop."""
        now = time.monotonic()
        if not at_once and now - self._at < EVERY_SECONDS:
            return False
        waiting = lag()
        seconds = max(0.001, now - self._at)
        values: dict[tuple[str, str], float] = {
            (self._name, ERRORS): done.failures - self._failures
        }
        for place, count in waiting.items():
            source = f"{self._name} {place}"[:100]
            values[source, LAG] = count
            values[source, RATE] = (done.messages[place] - self._messages.get(place, 0)) / seconds
            values[source, DEAD_LETTERS] = done.dead[place] - self._dead.get(place, 0)
        try:
            self._write(values)
            self._alert(waiting)
        except DatabaseFailed as error:
            log.warning("metrics not written", reason=type(error).__name__)
            connection.close()
            return False
        self._at, self._failures = now, done.failures
        self._messages, self._dead = dict(done.messages), dict(done.dead)
        return True

    def _write(self, values: Mapping[tuple[str, str], float]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                _INSERT,
                [
                    [uuid.uuid4() for _ in values],
                    [source for source, _ in values],
                    [name for _, name in values],
                    [float(value) for value in values.values()],
                ],
            )
        evaluate_thresholds(dict(values))

    def _alert(self, waiting: Mapping[Partition, int]) -> None:
        for place, count in waiting.items():
            if count > settings.KAFKA_LAG_ALERT:
                message = f"{count:,} events wait in {place}; more than {settings.KAFKA_LAG_ALERT:,} are too many."
                open_alert(code=LAGGING, subject=str(place), message=message, severity="warning")
            else:
                close_alerts(codes=(LAGGING,), subject=str(place))
