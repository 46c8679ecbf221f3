"""The checks of `bin/chaos` find what they look for, and nothing in an untouched database."""

from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from mlops.models import InboxEvent, SystemMetric
from tests.chaos.integrity import event_findings, row_findings

pytestmark = pytest.mark.django_db


def _store(event_id: str, *, metrics: int) -> None:
    InboxEvent.objects.create(
        id=event_id, topic="system_metrics", type="metric", occurred_at=timezone.now()
    )
    for _ in range(metrics):
        SystemMetric.objects.create(
            source="chaos", name=event_id, value=1, measured_at=timezone.now()
        )


def _counts(*event_ids: str) -> list[int]:
    accepted: dict[str, set[str]] = {"metric": set(event_ids), "purchase": set()}
    return [finding.count for finding in event_findings(accepted)]


def test_events_with_their_rows_are_neither_lost_nor_repeated() -> None:
    event_id = str(uuid4())
    _store(event_id, metrics=1)

    assert _counts(event_id) == [0, 0]


def test_event_that_is_not_stored_is_lost() -> None:
    assert _counts(str(uuid4()))[0] > 0


def test_event_without_its_row_is_lost() -> None:
    event_id = str(uuid4())
    _store(event_id, metrics=0)

    assert _counts(event_id) == [1, 0]


def test_event_with_two_rows_was_applied_twice() -> None:
    event_id = str(uuid4())
    _store(event_id, metrics=2)

    assert _counts(event_id) == [0, 1]


def test_untouched_database_has_no_broken_row() -> None:
    assert {finding.name: finding.count for finding in row_findings() if finding.count} == {}


def test_rows_that_break_constraints_are_found() -> None:
    # The role `replica` skips foreign keys.
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "INSERT INTO chat_sessions (id, customer_id, session_start)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), now())"
        )

    found = {finding.name: finding.count for finding in row_findings()}

    assert found["rows that break a foreign key"] == 1
