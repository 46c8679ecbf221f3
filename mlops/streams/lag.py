"""Consumer metrics: lag, rate, dead letters and errors, with an alert when the lag is too high."""

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
ALERT_CODE = "stream_lag"
INTERVAL_SECONDS = 10.0
log = structlog.get_logger(__name__)
_INSERT = """
INSERT INTO system_metrics (id, source, name, value, measured_at)
SELECT id, source, name, value, now()
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::float8[])
  AS measurements(id, source, name, value)
"""


@dataclass(slots=True)
class ConsumerCounts:
    """Counts of a consumer since it started, some by partition."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    failures: int = 0
    messages: Counter[Partition] = field(default_factory=Counter)
    dead_letters: Counter[Partition] = field(default_factory=Counter)

    @property
    def total_messages(self) -> int:
        """Number of messages of all partitions."""
        return sum(self.messages.values())


class ConsumerMetrics:
    """Writes the metrics of a consumer every ten seconds, each time since the last."""

    def __init__(self, name: str) -> None:
        self._name = name[:50]
        self._written_at = time.monotonic()
        self._messages: dict[Partition, int] = {}
        self._dead_letters: dict[Partition, int] = {}
        self._failures = 0

    def write_if_due(
        self,
        counts: ConsumerCounts,
        read_lag: Callable[[], Mapping[Partition, int]],
        *,
        force: bool = False,
    ) -> bool:
        """
        Write the metrics if the interval has passed; return whether they were written.

        An unavailable database is logged, not raised: it must not stop the consumer.
        """
        now = time.monotonic()
        if not force and now - self._written_at < INTERVAL_SECONDS:
            return False
        lag = read_lag()
        try:
            self._write(self._values(counts, lag, seconds=max(0.001, now - self._written_at)))
            self._update_alerts(lag)
        except DatabaseFailed as error:
            log.warning("consumer.metrics_not_written", error_type=type(error).__name__)
            connection.close()
            return False
        self._written_at = now
        self._failures = counts.failures
        self._messages = dict(counts.messages)
        self._dead_letters = dict(counts.dead_letters)
        return True

    def _values(
        self, counts: ConsumerCounts, lag: Mapping[Partition, int], *, seconds: float
    ) -> dict[tuple[str, str], float]:
        """Return the values by (source, metric name)."""
        values: dict[tuple[str, str], float] = {
            (self._name, ERRORS): counts.failures - self._failures
        }
        for partition, waiting in lag.items():
            source = f"{self._name} {partition}"[:100]
            messages = counts.messages[partition] - self._messages.get(partition, 0)
            dead_letters = counts.dead_letters[partition] - self._dead_letters.get(partition, 0)
            values[source, LAG] = waiting
            values[source, RATE] = messages / seconds
            values[source, DEAD_LETTERS] = dead_letters
        return values

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

    def _update_alerts(self, lag: Mapping[Partition, int]) -> None:
        for partition, waiting in lag.items():
            if waiting > settings.KAFKA_LAG_ALERT:
                message = (
                    f"{waiting:,} events are waiting in {partition}; the limit is"
                    f" {settings.KAFKA_LAG_ALERT:,}."
                )
                open_alert(
                    code=ALERT_CODE, subject=str(partition), message=message, severity="warning"
                )
            else:
                close_alerts(codes=(ALERT_CODE,), subject=str(partition))
