"""Queries on API keys, and counts of rows."""

import json
from typing import Any, cast

from django.db import connection
from django.db.models import QuerySet

from config.models import ApiKey

# Largest estimate for which rows are counted exactly: up to here a count is fast.
_MAX_EXACT_COUNT = 20_000


def find_api_key(secret: str) -> ApiKey | None:
    """Return the key with this secret, expired or not; None if it is unknown or revoked."""
    try:
        return cast(ApiKey, ApiKey.objects.get_from_key(secret))
    except ApiKey.DoesNotExist:
        return None


def count_rows(rows: QuerySet) -> int:
    """Return the number of rows: the planner's estimate for large lists, else the exact count."""
    estimate = _estimated_rows(rows)
    return estimate if estimate > _MAX_EXACT_COUNT else int(rows.order_by().count())


def is_large(rows: QuerySet) -> bool:
    """Return whether the planner expects more rows than can be counted quickly."""
    return _estimated_rows(rows) > _MAX_EXACT_COUNT


def _estimated_rows(rows: QuerySet) -> int:
    query, params = rows.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
        plan: Any = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Plan Rows"])
