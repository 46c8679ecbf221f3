"""Lists of millions of rows in the console: estimated counts, and filters by stored values."""

from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, FieldListFilter
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db.models import CharField, Field, IntegerField, TextField
from django.utils.functional import cached_property

from config.selectors import count_rows

# Reading all rows for the values of a filter takes seconds in a large table; new ones are rare.
_CACHE_SECONDS = 900
_MAX_VALUES = 200


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


def _has_stored_values(field: Field) -> bool:
    return isinstance(field, (CharField, TextField, IntegerField)) and not field.choices


FieldListFilter.register(_has_stored_values, StoredValuesFilter, take_priority=True)
