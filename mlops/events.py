"""Events of our systems: measurements and lines of logs."""

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from django.db import connection
from pydantic import Field

from mlops.quality.thresholds import hold_against
from mlops.sql_arrays import array
from mlops.streams.event_types import Event, EventData, EventType, declare

_INSERT = """
INSERT INTO system_metrics (id, source, name, value, level, message, measured_at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::timestamptz[])
"""


class Measured(EventData):
    """One measurement."""

    source: str = Field(min_length=1, max_length=100, description="machine or service")
    name: str = Field(min_length=1, max_length=100)
    value: float = Field(allow_inf_nan=False)


class Logged(EventData):
    """One line of a log."""

    source: str = Field(min_length=1, max_length=100)
    name: str = Field(default="log", max_length=100)
    level: Literal["debug", "info", "warning", "error", "critical"]
    message: str = Field(min_length=1, max_length=10_000)


def measure(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Write measurements and hold the newest of each against what it must not pass."""
    _insert([(e, e.data.value, "", "") for e in events])
    newest: dict[tuple[str, str], Event] = {}
    for event in events:
        held = newest.get((event.data.source, event.data.name))
        if held is None or held.occurred_at <= event.occurred_at:
            newest[event.data.source, event.data.name] = event
    hold_against({key: event.data.value for key, event in newest.items()})
    return {}


def log(events: Sequence[Event]) -> Mapping[UUID, str]:
    """Write lines."""
    _insert([(e, None, e.data.level, e.data.message) for e in events])
    return {}


def _insert(rows: Sequence[tuple[Event, float | None, str, str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                array(e.id for e, *_ in rows),
                array(e.data.source for e, *_ in rows),
                array(e.data.name for e, *_ in rows),
                array(value for _, value, _, _ in rows),
                array(level for _, _, level, _ in rows),
                array(message for *_, message in rows),
                array(e.occurred_at for e, *_ in rows),
            ],
        )


declare(EventType(topic="system_metrics", type="metric", versions={1: Measured}, apply=measure))
declare(EventType(topic="system_metrics", type="log", versions={1: Logged}, apply=log))
