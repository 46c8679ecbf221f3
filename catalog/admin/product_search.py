"""Product search of the console: words and spellings, list filters, and estimated row counts."""

import json
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import CatalogSource, Product, ProductLock, ReviewItem, SupplierListing
from catalog.search.normalize import words_of
from mlops.models import QualityFinding

# Largest estimate for which rows are counted exactly: up to here a count is fast.
_MAX_EXACT_COUNT = 20_000


class EstimatingPaginator(Paginator):
    """Paginator with the planner's estimate for large lists and an exact count for others."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, estimated for large lists."""
        rows: Any = self.object_list
        query, params = rows.order_by().values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
            plan = cursor.fetchone()[0]
        plan = json.loads(plan) if isinstance(plan, str) else plan
        estimate = int(plan[0]["Plan"]["Plan Rows"])
        if estimate > _MAX_EXACT_COUNT:
            return estimate
        return int(rows.order_by().count())


def find_products(rows: QuerySet[Product], text: str) -> QuerySet[Product]:
    """
    Return the rows with every word or word prefix of a text, or with its SKU or GTIN.

    Without any, the rows with a similar spelling.
    """
    words = words_of(text)
    if not words:
        return rows.none()
    has_every_word = SearchQuery(
        " & ".join(f"{word}:*" for word in words), search_type="raw", config="simple"
    )
    exact = Q(search_document=has_every_word) | Q(sku=text.strip()) | Q(gtin=text.strip().zfill(14))
    if rows.filter(exact).exists():
        return rows.filter(exact)
    is_similar = Q(name__trigram_word_similar=text) | Q(name_fr__trigram_word_similar=text)
    return rows.filter(is_similar | Q(brand__trigram_word_similar=text))


class SourceFilter(DropdownFilter):
    """Filter by the source whose values have priority."""

    title = _("source")
    parameter_name = "source"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the sources."""
        return [*CatalogSource.objects.values_list("code", "label"), ("staff", "staff")]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows with the chosen value."""
        return queryset.filter(source=self.value()) if self.value() else queryset


class CategoryFilter(DropdownFilter):
    """Filter by category."""

    title = _("category")
    parameter_name = "category"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the categories."""
        return [(word, word) for word in sorted(set(CATEGORIES.values()))]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows with the chosen value."""
        return queryset.filter(category=self.value()) if self.value() else queryset


class StrainTypeFilter(DropdownFilter):
    """Filter by strain type."""

    title = _("strain type")
    parameter_name = "strain_type"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the strain types."""
        return [(word, word) for word in sorted(set(STRAIN_TYPES.values()))]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows with the chosen value."""
        return queryset.filter(strain_type=self.value()) if self.value() else queryset


_HAS_POTENCY = ~Q(thc_percentage=None) | ~Q(thc_mg=None) | ~Q(cbd_percentage=None) | ~Q(cbd_mg=None)
_HAS_SIZE = ~Q(weight_grams=None) | ~Q(volume_ml=None) | ~Q(unit_count=None)
_MISSING = {
    "brand": Q(brand=None),
    "French name": Q(name_fr=None),
    "GTIN": Q(gtin=None),
    "potency": ~_HAS_POTENCY,
    "price": Q(price=None),
    "size": ~_HAS_SIZE,
    "strain type": Q(strain_type=None),
    "terpenes": Q(terpenes=[]),
}


class CompletenessFilter(DropdownFilter):
    """Filter by a missing attribute."""

    title = _("missing")
    parameter_name = "missing"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the attributes that may be missing."""
        return [(word, word) for word in _MISSING]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows without the attribute."""
        return queryset.filter(_MISSING[value]) if (value := self.value()) in _MISSING else queryset


class StateFilter(DropdownFilter):
    """Filter by state: locked, to be reviewed, with findings, no longer listed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [
            ("locked", "has a locked field"),
            ("review", "needs review"),
            ("findings", "violates a quality rule"),
            ("stale", "no longer listed by any source"),
        ]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows in the state."""
        match self.value():
            case "locked":
                return queryset.filter(Exists(ProductLock.objects.filter(product=OuterRef("pk"))))
            case "review":
                return queryset.filter(
                    Exists(ReviewItem.objects.filter(product=OuterRef("pk"), closed_at=None))
                )
            case "findings":
                return queryset.filter(
                    pk__in=QualityFinding.objects.filter(closed_at=None).values("row_id")
                )
            case "stale":
                listed = SupplierListing.objects.filter(
                    merge_key=OuterRef("merge_key"), gone_at=None
                )
                return queryset.exclude(source="staff").filter(~Exists(listed))
        return queryset


def completeness(product: Product) -> int:
    """Return the share of customer-facing attributes that are known, in percent."""
    attributes = (
        product.name,
        product.name_fr,
        product.brand,
        product.gtin or product.sku,
        product.category,
        product.strain_type,
        product.thc_percentage is not None
        or product.thc_mg is not None
        or product.cbd_mg is not None,
        product.weight_grams or product.volume_ml or product.unit_count,
        product.price,
        product.terpenes,
    )
    return 100 * sum(map(bool, attributes)) // len(attributes)
