"""Filters of product endpoints, as conditions on rows and on vectors."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext

from catalog.ingest.cleaning.identifiers import gtin_query
from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from catalog.reference.strains import name_key
from catalog.reference.terpenes import terpenes
from catalog.selectors.conditions import has_any_id, is_in_stock, is_in_stock_at
from catalog.selectors.stores import find_store
from config.api.keys import Audience, binding_of, client_of
from config.errors import BadInput
from vectors.filters import AnyOfFilter, RangeFilter, VectorFilter

MAX_VALUES = 100
"""Maximum number of values of one filter."""
STOCK_FILTERS = {"store_code", "in_stock"}
"""Of all filters, only these read other tables than products."""
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
            raise forms.ValidationError(gettext("must be true or false"))
        return bool(value == "true")


class _BooleanFilter(django_filters.BooleanFilter):
    field_class = _StrictBoolean  # type: ignore[assignment]  # no field of three values

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django's widget would read any other word as no value.
        self.extra["widget"] = forms.TextInput()


class _Time(forms.Field):
    """A time with an offset, so that its zone is not guessed."""

    def to_python(self, value: Any) -> datetime | None:
        """Return the time; None without a value. Raises ValidationError."""
        if value in (None, ""):
            return None
        try:
            # An unescaped plus sign in a URL is read as a space.
            time = parse_datetime(str(value).replace(" ", "+"))
        except ValueError:
            time = None
        if time is None or not is_aware(time):
            raise forms.ValidationError(
                gettext("must be a time with offset, for example 2026-11-28T14:00:00Z")
            )
        return time


class _TimeFilter(django_filters.IsoDateTimeFilter):
    field_class = _Time  # type: ignore[assignment]  # no time without an offset


class _ValuesField(django_filters.fields.BaseCSVField):
    def clean(self, value: Any) -> Any:
        values: Any = super().clean(value)
        if values is not None and len(values) > MAX_VALUES:
            raise forms.ValidationError(
                gettext("must have at most %(maximum)s values") % {"maximum": MAX_VALUES}
            )
        return values


class _ChoicesFilter(django_filters.BaseInFilter, django_filters.ChoiceFilter):
    """Several values of an enumeration, comma-separated."""

    base_field_class = _ValuesField


class _TextsFilter(django_filters.BaseInFilter, django_filters.CharFilter):
    """Several texts, comma-separated."""

    base_field_class = _ValuesField


class _IdsFilter(django_filters.BaseInFilter, django_filters.UUIDFilter):
    """Several ids, comma-separated."""

    base_field_class = _ValuesField


class _FilterForm(forms.Form):
    """Checks between filters."""

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError for bounds that no product can meet."""
        values = super().clean() or {}
        for name, minimum in list(values.items()):
            upper = f"{name.removesuffix('_min')}_max"
            maximum = values.get(upper)
            is_bound = name.endswith("_min") and minimum is not None and maximum is not None
            if is_bound and minimum > maximum:
                self.add_error(name, gettext("must not be above %(maximum)s") % {"maximum": upper})
        return values


class ProductFilters(django_filters.FilterSet):
    """Hard filters: products that do not meet them are never returned, whatever their score."""

    ids = _IdsFilter(
        field_name="id",
        method="filter_ids",
        help_text="Product ids, also of products that were merged into another.",
    )
    gtin = _TextsFilter(max_length=20, method="filter_gtin", help_text="GTINs of 8 to 14 digits.")
    strain_type = _ChoicesFilter(
        choices=_canonical_choices(STRAIN_TYPES), help_text="Strain types."
    )
    category = _ChoicesFilter(
        choices=_canonical_choices(CATEGORIES), help_text="Product categories."
    )
    brand = _TextsFilter(
        max_length=100, method="filter_brand", help_text="Brands; upper and lower case are equal."
    )
    source = _TextsFilter(
        max_length=50,
        method="filter_source",
        help_text="Codes of the sources whose values have priority; for staff keys.",
    )
    sku = _TextsFilter(max_length=50, help_text="Exact SKUs.")
    updated_since = _TimeFilter(
        field_name="updated_at",
        lookup_expr="gte",
        help_text="Time since which the product has changed, with offset.",
    )
    terpene = _ChoicesFilter(
        choices=_choices(terpenes()),
        method="filter_terpene",
        help_text="Terpenes of which the product has one, for example `myrcene`.",
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

    def filter_ids(
        self, rows: QuerySet[Product], _name: str, values: list[UUID]
    ) -> QuerySet[Product]:
        """Return the rows with these ids, and those that they were merged into."""
        return rows.filter(has_any_id(values))

    def filter_gtin(
        self, rows: QuerySet[Product], _name: str, values: list[str]
    ) -> QuerySet[Product]:
        """Return the rows with these GTINs, in any width. Raises BadInput for other texts."""
        gtins = [gtin_query(value) for value in values]
        if not all(gtins):
            raise BadInput("gtin", gettext("must be numbers of at most 14 digits"))
        return rows.filter(gtin__in=gtins)

    def filter_brand(
        self, rows: QuerySet[Product], _name: str, values: list[str]
    ) -> QuerySet[Product]:
        """Return the rows of these brands."""
        condition = Q()
        for value in values:
            condition |= Q(brand__iexact=value)
        return rows.filter(condition)

    def filter_source(
        self, rows: QuerySet[Product], name: str, values: list[str]
    ) -> QuerySet[Product]:
        """Return the rows of these sources. Raises BadInput for keys that may not see them."""
        request: Any = self.request
        client = client_of(request) if request else None
        if client is None or client.audience < Audience.STAFF:
            raise BadInput(name, gettext("This needs a key of audience staff."), "forbidden")
        return rows.filter(source__in=values)

    def filter_terpene(
        self, rows: QuerySet[Product], _name: str, values: list[str]
    ) -> QuerySet[Product]:
        """Return the rows with one of the terpenes."""
        return rows.filter(terpenes__overlap=values)

    def filter_store(self, rows: QuerySet[Product], _name: str, value: str) -> QuerySet[Product]:
        """
        Return the rows that the store has in stock.

        Raises BadInput for an unknown store, and for one that the key does not reach.
        """
        check_store(self.request, value)
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
                yield AnyOfFilter(name, tuple(values[name]))
        if values.get("brand"):
            yield AnyOfFilter("brand_key", tuple(map(name_key, values["brand"])))
        for column in ("price", "thc_percentage", "cbd_percentage"):
            minimum = values.get(f"{column}_min")
            maximum = values.get(f"{column}_max")
            if minimum is not None or maximum is not None:
                yield RangeFilter(
                    column,
                    float(minimum) if minimum is not None else None,
                    float(maximum) if maximum is not None else None,
                )


def check_store(request: Any, code: str) -> None:
    """Raise BadInput unless there is a store with a code that the key of a request reaches."""
    store = find_store(code)
    if store is None:
        raise BadInput("store_code", gettext("is not the code of a store"), "unknown")
    if request is not None and not binding_of(request).allows_store(store.code, store.province):
        raise BadInput(
            "store_code", gettext("is outside the provinces and stores of this key"), "forbidden"
        )
