"""Tables by month: partitions made ahead, old ones dropped whole."""

from collections.abc import Iterator
from datetime import UTC, datetime

from dateutil.relativedelta import relativedelta
from django.apps import apps
from django.db import connection
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from psqlextra.models import PostgresPartitionedModel
from psqlextra.partitioning import (
    PostgresCurrentTimePartitioningStrategy,
    PostgresPartitioningManager,
    PostgresTimePartitionSize,
)
from psqlextra.partitioning.config import PostgresPartitioningConfig

MONTHS_AHEAD = 3


class _WholeMonths(PostgresCurrentTimePartitioningStrategy):
    """Months from midnight UTC; the library's begin at the hour of the call."""

    def get_start_datetime(self) -> datetime:
        now: datetime = super().get_start_datetime()
        return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def monthly_tables() -> list[type[PostgresPartitionedModel]]:
    """Return the models whose rows lie by month, as far as their tables are there."""
    there = set(connection.introspection.table_names())
    models = (model for model in apps.get_models() if issubclass(model, PostgresPartitionedModel))
    return [model for model in models if model._meta.db_table in there]


def manager() -> PostgresPartitioningManager:
    """Plan this month and the three after it for each of them; what is dated elsewhere goes to a default partition."""
    size = PostgresTimePartitionSize(months=1)
    return PostgresPartitioningManager(
        [
            PostgresPartitioningConfig(
                model=model, strategy=_WholeMonths(size=size, count=MONTHS_AHEAD + 1)
            )
            for model in monthly_tables()
        ]
    )


MANAGER = SimpleLazyObject(manager)
"""By this `manage.py pgpartition` plans, as the clock's task does."""


def make_partitions() -> int:
    """Make what this and the next three months lack; return how many. Safe to repeat."""
    plan = manager().plan(skip_delete=True)
    plan.apply()
    return len(plan.creations)


def partitions(table: str) -> dict[str, tuple[datetime, datetime]]:
    """Return the partitions of a table with what they hold, from and up to; the default one is left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname, substring(pg_get_expr(c.relpartbound, c.oid) FROM $$FROM \\('([^']+)'$$)::timestamptz,
              substring(pg_get_expr(c.relpartbound, c.oid) FROM $$TO \\('([^']+)'$$)::timestamptz
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = %s::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
            """,
            [table],
        )
        return {name: (start, end) for name, start, end in cursor.fetchall()}


def missing(
    table: str, *, months_ahead: int = MONTHS_AHEAD, now: datetime | None = None
) -> list[datetime]:
    """Return the months, this one and those ahead, that no partition of the table holds."""
    held = [start for start, _ in partitions(table).values()]
    return [month for month in _months(now or timezone.now(), months_ahead) if month not in held]


def _months(now: datetime, ahead: int) -> Iterator[datetime]:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + relativedelta(months=number) for number in range(ahead + 1))
