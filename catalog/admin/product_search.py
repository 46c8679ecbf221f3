"""How staff find products among a million: words, spellings, filters, and counts that need no counting."""

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

# Up to here a count is quick, and people want to know it exactly.
_COUNTED = 20_000


class EstimatingPaginator(Paginator):
    """Counts what is few; of what is many it takes the planner's estimate."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or about that."""
        rows: Any = self.object_list
        query, params = rows.order_by().values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
            plan = cursor.fetchone()[0]
        plan = json.loads(plan) if isinstance(plan, str) else plan
        estimate = int(plan[0]["Plan"]["Plan Rows"])
        if estimate > _COUNTED:
            return estimate
        return int(rows.order_by().count())


def find_products(rows: QuerySet[Product], text: str) -> QuerySet[Product]:
    """Return rows with every word, or beginning of one, in English or French; if none has, those spelled nearly so."""
    words = words_of(text)
    if not words:
        return rows.none()
    by_words = SearchQuery(
        " & ".join(f"{word}:*" for word in words), search_type="raw", config="simple"
    )
    exact = Q(search_document=by_words) | Q(sku=text.strip()) | Q(gtin=text.strip().zfill(14))
    if rows.filter(exact).exists():
        return rows.filter(exact)
    near = Q(name__trigram_word_similar=text) | Q(name_fr__trigram_word_similar=text)
    return rows.filter(near | Q(brand__trigram_word_similar=text))


class SourceFilter(DropdownFilter):
    """Whose name and facts come first."""

    title, parameter_name = _("source"), "source"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the sources."""
        return [*CatalogSource.objects.values_list("code", "label"), ("staff", "staff")]

    def queryset(self, request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Keep one."""
        return queryset.filter(source=self.value()) if self.value() else queryset


class CategoryFilter(DropdownFilter):
    """Dried flower, vapes, …"""

    title, parameter_name = _("category"), "category"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the categories."""
        return [(word, word) for word in sorted(set(CATEGORIES.values()))]

    def queryset(self, request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Keep one."""
        return queryset.filter(category=self.value()) if self.value() else queryset


class StrainTypeFilter(DropdownFilter):
    """Indica, sativa, …"""

    title, parameter_name = _("strain type"), "strain_type"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the types."""
        return [(word, word) for word in sorted(set(STRAIN_TYPES.values()))]

    def queryset(self, request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Keep one."""
        return queryset.filter(strain_type=self.value()) if self.value() else queryset


_HAS_POTENCY = ~Q(thc_percentage=None) | ~Q(thc_mg=None) | ~Q(cbd_percentage=None) | ~Q(cbd_mg=None)
_HAS_SIZE = ~Q(weight_grams=None) | ~Q(volume_ml=None) | ~Q(pieces=None)
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
    """What is missing."""

    title, parameter_name = _("missing"), "missing"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name what may be missing."""
        return [(word, word) for word in _MISSING]

    def queryset(self, request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Keep what lacks it."""
        return queryset.filter(_MISSING[value]) if (value := self.value()) in _MISSING else queryset


class StateFilter(DropdownFilter):
    """What of it needs a person, or has had one."""

    title, parameter_name = _("state"), "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the states."""
        return [
            ("locked", "locked in a field"),
            ("review", "to be reviewed"),
            ("findings", "breaks a rule of quality"),
            ("stale", "listed by no source now"),
        ]

    def queryset(self, request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Keep what is in the state."""
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
    """Return how much of what a customer asks for is known, in percent."""
    known = (
        product.name,
        product.name_fr,
        product.brand,
        product.gtin or product.sku,
        product.category,
        product.strain_type,
        product.thc_percentage is not None
        or product.thc_mg is not None
        or product.cbd_mg is not None,
        product.weight_grams or product.volume_ml or product.pieces,
        product.price,
        product.terpenes,
    )
    return 100 * sum(map(bool, known)) // len(known)
