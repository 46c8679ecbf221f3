"""Django system checks of the database (`manage.py check --database default`)."""

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from mlops.privacy.partitions import missing_months, monthly_models


@register(Tags.database)
def check_partitions(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Report missing partitions of this and the next month: rows would go to the default one."""
    if not databases:
        return []
    return [
        Error(
            f"{model._meta.db_table} has no partition for {month:%Y-%m}.",
            hint="Run the task mlops.tasks.make_partitions, or manage.py pgpartition.",
            id="mlops.E001",
        )
        for model in monthly_models()
        for month in missing_months(model._meta.db_table, months_ahead=1)
    ]
