"""What `manage.py check --database default` refuses."""

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from mlops.privacy.partitions import missing, monthly_tables


@register(Tags.database)
def partitions_are_there(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse when this or the next month has no partition: its rows would all lie in the default one."""
    if not databases:
        return []
    return [
        Error(
            f"{model._meta.db_table} has no partition for {month:%Y-%m}.",
            hint="Run the task mlops.tasks.make_partitions, or manage.py pgpartition.",
            id="mlops.E001",
        )
        for model in monthly_tables()
        for month in missing(model._meta.db_table, months_ahead=1)
    ]
