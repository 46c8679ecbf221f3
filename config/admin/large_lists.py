"""Lists of millions of rows in the console: estimated counts, filters, cached figures."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.admin import AllValuesFieldListFilter, FieldListFilter
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db.models import CharField, Field, IntegerField, QuerySet, TextField
from django.utils.functional import cached_property

from config.selectors import count_rows, is_large

# Reading all rows for the values of a filter takes seconds in a large table; new ones are rare.
_CACHE_SECONDS = 900
_MAX_VALUES = 200
T = TypeVar("T")


class EstimatingPaginator(Paginator):
    """Paginator with the planner's estimate for large lists and an exact count for others."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, estimated for large lists."""
        rows: Any = self.object_list
        return count_rows(rows)


class StoredValuesFilter(AllValuesFieldListFilter):
    """Filter by the values that a field has, at most 200 of them, read every 15 minutes."""

    def __init__(  # noqa: PLR0913, PLR0917  # the arguments of Django's filters
        self,
        field: Any,
        request: Any,
        params: Any,
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        values = self.lookup_choices[:_MAX_VALUES]
        key = f"filter-values:{model._meta.label_lower}:{field_path}"
        self.lookup_choices: Any = cache.get_or_set(key, lambda: list(values), _CACHE_SECONDS)


def cached_if_large(rows: QuerySet, key: str, compute: Callable[[], T]) -> T:
    """
    Return a computed value; of many rows, as it was at most 15 minutes ago.

    rows: what the value is computed from. Up to 20,000 of them it is computed each time.
    """
    if not is_large(rows):
        return compute()
    # None is a value too.
    (value,) = cache.get_or_set(f"large-list:{key}", lambda: (compute(),), _CACHE_SECONDS)
    return value


def _has_stored_values(field: Field) -> bool:
    return isinstance(field, (CharField, TextField, IntegerField)) and not field.choices


FieldListFilter.register(_has_stored_values, StoredValuesFilter, take_priority=True)
