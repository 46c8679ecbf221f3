"""Filter of a list by the name of a field, with labels."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin

from catalog.reference.field_labels import FIELD_LABELS


class FieldFilter(admin.AllValuesFieldListFilter):
    """Filter by field; its choices are labels instead of column names."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the choices with the label of each field."""
        for choice in super().choices(changelist):
            name = str(choice["display"])
            yield {**choice, "display": FIELD_LABELS.get(name, choice["display"])}
