"""Event types of the topic `system_metrics`: measurements and log lines."""

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from django.db import connection
from pydantic import Field

from mlops.quality.thresholds import evaluate_thresholds
from mlops.sql_arrays import array
from mlops.streams.event_types import Event, EventData, EventType, Outcome, register

_INSERT = """
INSERT INTO system_metrics (id, source, name, value, level, message, measured_at)
SELECT * FROM unnest(
  %s::uuid[], %s::text[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::timestamptz[]
)
"""
_MetricRow = tuple[Event, float | None, str, str]
"""Event, value, level and message."""


class MetricData(EventData):
    """One measurement."""

    source: str = Field(min_length=1, max_length=100, description="machine or service")
    name: str = Field(min_length=1, max_length=100, description="name of the metric")
    value: float = Field(allow_inf_nan=False, description="measured value")


class LogData(EventData):
    """One log line."""

    source: str = Field(min_length=1, max_length=100, description="machine or service")
    name: str = Field(default="log", max_length=100, description="name of the log")
    level: Literal["debug", "info", "warning", "error", "critical"] = Field(description="severity")
    message: str = Field(min_length=1, max_length=10_000, description="text of the line")


def apply_metrics(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Store measurements, and evaluate the thresholds with the newest of each metric."""
    _insert([(event, event.data.value, "", "") for event in events])
    newest: dict[tuple[str, str], Event] = {}
    for event in events:
        key = (event.data.source, event.data.name)
        if key not in newest or newest[key].occurred_at <= event.occurred_at:
            newest[key] = event
    evaluate_thresholds({key: event.data.value for key, event in newest.items()})
    return {}


def apply_logs(events: Sequence[Event]) -> Mapping[UUID, Outcome]:
    """Store log lines."""
    _insert([(event, None, event.data.level, event.data.message) for event in events])
    return {}


def _insert(rows: Sequence[_MetricRow]) -> None:
    events = [event for event, *_ in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                array(event.id for event in events),
                array(event.data.source for event in events),
                array(event.data.name for event in events),
                array(value for _, value, _, _ in rows),
                array(level for _, _, level, _ in rows),
                array(message for *_, message in rows),
                array(event.occurred_at for event in events),
            ],
        )


register(
    EventType(topic="system_metrics", type="metric", versions={1: MetricData}, apply=apply_metrics)
)
register(EventType(topic="system_metrics", type="log", versions={1: LogData}, apply=apply_logs))
