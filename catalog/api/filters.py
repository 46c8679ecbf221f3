"""Filters of product endpoints, as conditions on rows and on vectors."""

from collections.abc import Iterator, Mapping
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from catalog.reference.strains import name_key
from catalog.reference.terpenes import terpenes
from catalog.selectors.conditions import is_in_stock, is_in_stock_at
from catalog.selectors.stores import store_ids_by_code
from config.errors import BadInput
from vectors.filters import AnyOfFilter, RangeFilter, VectorFilter

_MAX_PERCENTAGE = 100


def _choices(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(value, value) for value in sorted(values)]


def _canonical_choices(vocabulary: Mapping[str, str]) -> list[tuple[str, str]]:
    return _choices(dict.fromkeys(vocabulary.values()))


def _minimum(
    column: str, help_text: str, max_value: int | None = None
) -> django_filters.NumberFilter:
    return django_filters.NumberFilter(
        field_name=column,
        lookup_expr="gte",
        min_value=0,
        max_value=max_value,
        help_text=help_text,
    )


def _maximum(
    column: str, help_text: str, max_value: int | None = None
) -> django_filters.NumberFilter:
    return django_filters.NumberFilter(
        field_name=column,
        lookup_expr="lte",
        min_value=0,
        max_value=max_value,
        help_text=help_text,
    )


class _StrictBoolean(forms.Field):
    """`true` or `false`; anything else is an error instead of no filter."""

    def to_python(self, value: Any) -> bool | None:
        """Return the boolean; None without a value. Raises ValidationError."""
        if value in (None, ""):
            return None
        if value not in ("true", "false"):
            raise forms.ValidationError("must be true or false")
        return bool(value == "true")


class _BooleanFilter(django_filters.BooleanFilter):
    field_class = _StrictBoolean  # type: ignore[assignment]  # no field of three values

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django's widget would read any other word as no value.
        self.extra["widget"] = forms.TextInput()


class _FilterForm(forms.Form):
    """Checks between filters."""

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError for bounds that no product can meet."""
        values = super().clean() or {}
        for name, minimum in list(values.items()):
            maximum = values.get(f"{name.removesuffix('_min')}_max")
            is_bound = name.endswith("_min") and minimum is not None and maximum is not None
            if is_bound and minimum > maximum:
                self.add_error(name, f"must not be above {name.removesuffix('_min')}_max")
        return values


class ProductFilters(django_filters.FilterSet):
    """Hard filters: products that do not meet them are never returned, whatever their score."""

    strain_type = django_filters.ChoiceFilter(
        choices=_canonical_choices(STRAIN_TYPES), help_text="Strain type."
    )
    category = django_filters.ChoiceFilter(
        choices=_canonical_choices(CATEGORIES), help_text="Product category."
    )
    brand = django_filters.CharFilter(
        lookup_expr="iexact", max_length=100, help_text="Brand; upper and lower case are equal."
    )
    source = django_filters.CharFilter(
        max_length=50, help_text="Code of the source whose values have priority, for example `ocs`."
    )
    sku = django_filters.CharFilter(max_length=50, help_text="Exact SKU.")
    terpene = django_filters.ChoiceFilter(
        choices=_choices(terpenes()),
        method="filter_terpene",
        help_text="A terpene of the product, for example `myrcene`.",
    )
    price_min = _minimum("price", "Minimum price in CAD.")
    price_max = _maximum("price", "Maximum price in CAD.")
    thc_percentage_min = _minimum(
        "thc_percentage", "Minimum THC, percent by mass.", _MAX_PERCENTAGE
    )
    thc_percentage_max = _maximum(
        "thc_percentage", "Maximum THC, percent by mass.", _MAX_PERCENTAGE
    )
    cbd_percentage_min = _minimum(
        "cbd_percentage", "Minimum CBD, percent by mass.", _MAX_PERCENTAGE
    )
    cbd_percentage_max = _maximum(
        "cbd_percentage", "Maximum CBD, percent by mass.", _MAX_PERCENTAGE
    )
    weight_grams_min = _minimum("weight_grams", "Minimum net weight in grams.")
    weight_grams_max = _maximum("weight_grams", "Maximum net weight in grams.")
    store_code = django_filters.CharFilter(
        max_length=50,
        method="filter_store",
        help_text="Code of a store that has the product in stock.",
    )
    in_stock = _BooleanFilter(
        method="filter_in_stock",
        help_text="`true`: in stock in a store or at a supplier; `false`: in stock nowhere.",
    )

    class Meta:
        model = Product
        form = _FilterForm
        fields: list[str] = []

    def filter_terpene(self, rows: QuerySet[Product], _name: str, value: str) -> QuerySet[Product]:
        """Return the rows with the terpene."""
        return rows.filter(terpenes__contains=[value])

    def filter_store(self, rows: QuerySet[Product], _name: str, value: str) -> QuerySet[Product]:
        """Return the rows that the store has in stock. Raises BadInput for an unknown store."""
        if not store_ids_by_code([value]):
            raise BadInput("store_code", gettext("is not the code of a store"))
        return rows.filter(is_in_stock_at(value))

    def filter_in_stock(
        self, rows: QuerySet[Product], _name: str, value: bool
    ) -> QuerySet[Product]:
        """Return the rows that are in stock in a store or at a supplier, or those that are not."""
        condition = is_in_stock()
        return rows.filter(condition if value else ~condition)

    def vector_filters(self) -> list[VectorFilter]:
        """Return the valid filters whose fields vector collections have."""
        return list(self._vector_filters())

    def _vector_filters(self) -> Iterator[VectorFilter]:
        values = self.form.cleaned_data
        for name in ("strain_type", "category"):
            if values.get(name):
                yield AnyOfFilter(name, (values[name],))
        if values.get("brand"):
            yield AnyOfFilter("brand_key", (name_key(values["brand"]),))
        for column in ("price", "thc_percentage", "cbd_percentage"):
            minimum = values.get(f"{column}_min")
            maximum = values.get(f"{column}_max")
            if minimum is not None or maximum is not None:
                yield RangeFilter(
                    column,
                    float(minimum) if minimum is not None else None,
                    float(maximum) if maximum is not None else None,
                )
