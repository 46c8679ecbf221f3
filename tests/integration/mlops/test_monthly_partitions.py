"""Monthly partitions are created ahead of time; a missing one is reported."""

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

from mlops.privacy.partitions import missing_months, monthly_models, partitions
from mlops.tasks import make_partitions
from tests.factories.customers import ChatMessageFactory
from tests.factories.mlops import SystemMetricFactory

pytestmark = pytest.mark.django_db
# The last second of a long month before a short one, a leap day, the end of a year, a first day.
MOMENTS = (
    datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2028, 2, 29, 12, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2027, 3, 1, tzinfo=UTC),
)


def _partition_of_message(created_at: datetime) -> str:
    message = ChatMessageFactory.create(created_at=created_at, message_text="hello", session=None)
    return _partition_of_row("chat_messages", message.id)


def _partition_of_row(table: str, row_id: uuid.UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE id = %s", [row_id])
        return str(cursor.fetchone()[0])


def _partition_name(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%b}".lower()


def _first_of_month(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def test_a_row_is_stored_in_the_partition_of_its_month() -> None:
    now = timezone.now()
    this_month = _partition_name("chat_messages", now)

    assert _partition_of_message(now) == this_month
    assert _partition_of_message(_first_of_month(now)) == this_month
    assert _partition_of_message(datetime(2001, 1, 1, tzinfo=UTC)) == "chat_messages_default"


def test_partitions_of_four_months_exist_and_are_created_once() -> None:
    for model in monthly_models():
        assert len(partitions(model._meta.db_table)) == 4
    assert make_partitions() == {"created": 0}


@pytest.mark.parametrize("moment", MOMENTS)
def test_rows_of_the_next_three_months_have_partitions_on_any_date(moment: datetime) -> None:
    with time_machine.travel(moment, tick=False):
        make_partitions()

        for months_ahead in range(4):
            start = _first_of_month(moment) + relativedelta(months=months_ahead)
            middle = start + timedelta(days=14, hours=5)
            end = start + relativedelta(months=1) - timedelta(microseconds=1)
            for created_at in (start, middle, end):
                partition = _partition_of_message(created_at)
                assert partition == _partition_name("chat_messages", start)
            metric = SystemMetricFactory.create(measured_at=start)
            partition = _partition_of_row("system_metrics", metric.id)
            assert partition == _partition_name("system_metrics", start)
        assert missing_months("chat_messages") == []
        assert run_checks(databases=["default"]) == []


def test_system_check_fails_while_the_next_month_has_no_partition() -> None:
    assert [error for error in run_checks(databases=["default"]) if error.id == "mlops.E001"] == []
    next_month = timezone.now() + relativedelta(months=1)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {_partition_name('chat_messages', next_month)}")

    (error,) = [error for error in run_checks(databases=["default"]) if error.id == "mlops.E001"]

    assert "chat_messages" in error.msg
    assert f"{next_month:%Y-%m}" in error.msg
    with pytest.raises(SystemCheckError, match="chat_messages has no partition"):
        call_command("check", databases=["default"])

    make_partitions()

    assert run_checks(databases=["default"]) == []


def test_system_check_fails_after_the_task_has_not_run_for_months() -> None:
    with time_machine.travel(timezone.now() + relativedelta(months=3)):
        assert {error.id for error in run_checks(databases=["default"])} == {"mlops.E001"}

        assert make_partitions()["created"] == 3 * len(monthly_models())

        assert run_checks(databases=["default"]) == []
