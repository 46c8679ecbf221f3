"""Tables by month: their partitions are made ahead, and one that is missing is told."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from dateutil.relativedelta import relativedelta
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.utils import timezone

from customers.models import ChatMessage
from mlops.models import SystemMetric
from mlops.privacy.partitions import missing, monthly_tables, partitions
from mlops.tasks import make_partitions

pytestmark = pytest.mark.django_db
# The last second of a long month before a short one, a leap day, the turn of a year.
MOMENTS = (
    datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2028, 2, 29, 12, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2027, 3, 1, tzinfo=UTC),
)


def _partition(created_at: datetime) -> str:
    message = ChatMessage.objects.create(
        id=uuid.uuid4(), created_at=created_at, message_text="hello"
    )
    return _place("chat_messages", message.id)


def _place(table: str, pk: uuid.UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE id = %s", [pk])
        return str(cursor.fetchone()[0])


def _name(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%b}".lower()


def test_message_lies_in_the_partition_of_its_month() -> None:
    now = timezone.now()
    assert _partition(now) == _name("chat_messages", now)
    midnight = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert _partition(midnight) == _name("chat_messages", now)
    assert _partition(datetime(2001, 1, 1, tzinfo=UTC)) == "chat_messages_default"


def test_partitions_are_there_and_made_once() -> None:
    for model in monthly_tables():
        assert len(partitions(model._meta.db_table)) == 4
    assert make_partitions() == {"made": 0}


@pytest.mark.parametrize("moment", MOMENTS)
def test_whatever_the_date_a_message_of_the_next_three_months_finds_its_partition(
    moment: datetime,
) -> None:
    with time_machine.travel(moment, tick=False):
        make_partitions()
        first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for ahead in range(4):
            month = first + relativedelta(months=ahead)
            end = first + relativedelta(months=ahead + 1) - timedelta(microseconds=1)
            for when in (month, month + timedelta(days=14, hours=5), end):
                assert _partition(when) == _name("chat_messages", month)
            metric = SystemMetric.objects.create(
                id=uuid.uuid4(), source="s", name="n", value=1, measured_at=month
            )
            assert _place("system_metrics", metric.id) == _name("system_metrics", month)
        assert missing("chat_messages") == []
        assert run_checks(databases=["default"]) == []


def test_the_check_fails_when_the_next_month_has_none() -> None:
    assert [error for error in run_checks(databases=["default"]) if error.id == "mlops.E001"] == []
    following = timezone.now() + relativedelta(months=1)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {_name('chat_messages', following)}")
    (error,) = [error for error in run_checks(databases=["default"]) if error.id == "mlops.E001"]
    assert "chat_messages" in error.msg
    assert f"{following:%Y-%m}" in error.msg
    with pytest.raises(SystemCheckError, match="chat_messages has no partition"):
        call_command("check", databases=["default"])
    make_partitions()
    assert run_checks(databases=["default"]) == []


def test_the_check_fails_when_the_clock_of_the_task_has_stood_still() -> None:
    with time_machine.travel(timezone.now() + relativedelta(months=3)):
        assert {error.id for error in run_checks(databases=["default"])} == {"mlops.E001"}
        assert make_partitions()["made"] == 3 * len(monthly_tables())
        assert run_checks(databases=["default"]) == []
