"""Monthly partitions: created ahead of time; old ones are dropped as a whole by retention."""

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

# Returns name, start and end of each partition of a table, without the default partition.
_PARTITIONS = """
SELECT c.relname,
  substring(pg_get_expr(c.relpartbound, c.oid) FROM $$FROM \\('([^']+)'$$)::timestamptz,
  substring(pg_get_expr(c.relpartbound, c.oid) FROM $$TO \\('([^']+)'$$)::timestamptz
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
"""


class _WholeMonths(PostgresCurrentTimePartitioningStrategy):
    """Months from midnight UTC on the first; the library's start at the hour of the call."""

    def get_start_datetime(self) -> datetime:
        now: datetime = super().get_start_datetime()
        return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def monthly_models() -> list[type[PostgresPartitionedModel]]:
    """Return the partitioned models whose tables exist."""
    existing = set(connection.introspection.table_names())
    models = (model for model in apps.get_models() if issubclass(model, PostgresPartitionedModel))
    return [model for model in models if model._meta.db_table in existing]


def partitioning_manager() -> PostgresPartitioningManager:
    """
    Return the manager that plans this month and the three months after it for each model.

    Rows with other dates go to the default partition.
    """
    size = PostgresTimePartitionSize(months=1)
    return PostgresPartitioningManager(
        [
            PostgresPartitioningConfig(
                model=model, strategy=_WholeMonths(size=size, count=MONTHS_AHEAD + 1)
            )
            for model in monthly_models()
        ]
    )


PARTITIONING_MANAGER = SimpleLazyObject(partitioning_manager)
"""The manager of `manage.py pgpartition`; the scheduled task uses the same."""


def make_partitions() -> int:
    """Create missing partitions of this month and the next three; return how many."""
    plan = partitioning_manager().plan(skip_delete=True)
    plan.apply()
    return len(plan.creations)


def partitions(table: str) -> dict[str, tuple[datetime, datetime]]:
    """Return the partitions of a table, except the default one, as (start, end) by name."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [table])
        return {name: (start, end) for name, start, end in cursor.fetchall()}


def missing_months(
    table: str, *, months_ahead: int = MONTHS_AHEAD, now: datetime | None = None
) -> list[datetime]:
    """Return the months, from this one on, that have no partition."""
    existing = [start for start, _ in partitions(table).values()]
    return [
        month for month in _months(now or timezone.now(), months_ahead) if month not in existing
    ]


def _months(now: datetime, ahead: int) -> Iterator[datetime]:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + relativedelta(months=number) for number in range(ahead + 1))
