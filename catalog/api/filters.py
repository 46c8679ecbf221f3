"""Filters of product endpoints."""

import django_filters

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product


def _choices(words: dict[str, str]) -> list[tuple[str, str]]:
    return [(word, word) for word in sorted(set(words.values()))]


class ProductFilters(django_filters.FilterSet):
    """Hard filters: what they leave out stays out, whatever the search thinks of it."""

    strain_type = django_filters.ChoiceFilter(choices=_choices(STRAIN_TYPES))
    category = django_filters.ChoiceFilter(choices=_choices(CATEGORIES))
    brand = django_filters.CharFilter(lookup_expr="iexact", max_length=100)
    source = django_filters.CharFilter(max_length=50)
    sku = django_filters.CharFilter(max_length=50)
    price_min = django_filters.NumberFilter(field_name="price", lookup_expr="gte")
    price_max = django_filters.NumberFilter(field_name="price", lookup_expr="lte")
    thc_min = django_filters.NumberFilter(field_name="thc_percentage", lookup_expr="gte", min_value=0, max_value=100)
    thc_max = django_filters.NumberFilter(field_name="thc_percentage", lookup_expr="lte", min_value=0, max_value=100)

    class Meta:
        model = Product
        fields: list[str] = []
