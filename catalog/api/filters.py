"""Filters of product endpoints, in SQL and as conditions on vectors."""

from collections.abc import Iterator, Mapping
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product, StoreStock, SupplierListing
from catalog.reference.strains import fold
from catalog.reference.terpenes import terpenes
from vectors.filters import Between, Condition, OneOf


def _choices(words: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(word, word) for word in sorted(words)]


def _ours(words: Mapping[str, str]) -> list[tuple[str, str]]:
    return _choices(dict.fromkeys(words.values()))


def _least(column: str, most: int | None = None) -> django_filters.NumberFilter:
    return django_filters.NumberFilter(
        field_name=column, lookup_expr="gte", min_value=0, max_value=most
    )


def _most(column: str, most: int | None = None) -> django_filters.NumberFilter:
    return django_filters.NumberFilter(
        field_name=column, lookup_expr="lte", min_value=0, max_value=most
    )


class ProductFilters(django_filters.FilterSet):
    """Hard filters: what they leave out stays out, whatever the search thinks of it."""

    strain_type = django_filters.ChoiceFilter(choices=_ours(STRAIN_TYPES))
    category = django_filters.ChoiceFilter(choices=_ours(CATEGORIES))
    brand = django_filters.CharFilter(lookup_expr="iexact", max_length=100)
    source = django_filters.CharFilter(max_length=50)
    sku = django_filters.CharFilter(max_length=50)
    terpene = django_filters.ChoiceFilter(choices=_choices(terpenes()), method="has_terpene")
    price_min = _least("price")
    price_max = _most("price")
    thc_min = _least("thc_percentage", 100)
    thc_max = _most("thc_percentage", 100)
    cbd_min = _least("cbd_percentage", 100)
    cbd_max = _most("cbd_percentage", 100)
    grams_min = _least("weight_grams")
    grams_max = _most("weight_grams")
    store = django_filters.CharFilter(
        max_length=50, method="is_in_store", help_text="code of a store that has it"
    )
    in_stock = django_filters.BooleanFilter(
        method="is_in_stock", help_text="some store or supplier has it, or none"
    )

    class Meta:
        model = Product
        fields: list[str] = []

    def has_terpene(self, rows: QuerySet[Product], _name: str, value: str) -> QuerySet[Product]:
        """Keep what has the terpene."""
        return rows.filter(terpenes__contains=[value])

    def is_in_store(self, rows: QuerySet[Product], _name: str, value: str) -> QuerySet[Product]:
        """Keep what the store has."""
        return rows.filter(
            Exists(
                StoreStock.objects.filter(product=OuterRef("pk"), store__code=value, quantity__gt=0)
            )
        )

    def is_in_stock(self, rows: QuerySet[Product], _name: str, value: bool) -> QuerySet[Product]:
        """Keep what some store or supplier has, or what none has."""
        shelved = StoreStock.objects.filter(product=OuterRef("pk"), quantity__gt=0)
        listed = SupplierListing.objects.filter(
            merge_key=OuterRef("merge_key"), in_stock=True, gone_at=None
        )
        has = Q(Exists(shelved)) | Q(Exists(listed))
        return rows.filter(has if value else ~has)

    def conditions(self) -> list[Condition]:
        """Return the valid filters as far as vectors can be narrowed by them."""
        return list(self._conditions())

    def _conditions(self) -> Iterator[Condition]:
        told = self.form.cleaned_data
        for name in ("strain_type", "category"):
            if told.get(name):
                yield OneOf(name, (told[name],))
        if told.get("brand"):
            yield OneOf("brand_key", (fold(told["brand"]),))
        for name, column in (
            ("price", "price"),
            ("thc", "thc_percentage"),
            ("cbd", "cbd_percentage"),
        ):
            low, high = told.get(f"{name}_min"), told.get(f"{name}_max")
            if low is not None or high is not None:
                yield Between(
                    column, *(float(end) if end is not None else None for end in (low, high))
                )
