"""Product list of the console: filters, completeness."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from catalog.reference.word_labels import word_choices
from catalog.selectors.conditions import (
    has_locked_field,
    has_open_finding,
    is_unlisted,
    needs_review,
)
from catalog.selectors.sources import source_labels

_STATES = {
    "locked": (_("has a locked field"), has_locked_field),
    "review": (_("needs review"), needs_review),
    "findings": (_("violates a quality rule"), has_open_finding),
    "stale": (_("no longer listed by any source"), is_unlisted),
}


class SourceFilter(DropdownFilter):
    """Filter by the source whose values have priority."""

    title = _("source")
    parameter_name = "source"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the sources."""
        return [*source_labels(), ("staff", str(_("staff")))]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows with the chosen value."""
        return queryset.filter(source=self.value()) if self.value() else queryset


class CategoryFilter(DropdownFilter):
    """Filter by category."""

    title = _("category")
    parameter_name = "category"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the categories."""
        return word_choices(CATEGORIES.values())

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows with the chosen value."""
        return queryset.filter(category=self.value()) if self.value() else queryset


class StrainTypeFilter(DropdownFilter):
    """Filter by strain type."""

    title = _("strain type")
    parameter_name = "strain_type"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the strain types."""
        return word_choices(STRAIN_TYPES.values())

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows with the chosen value."""
        return queryset.filter(strain_type=self.value()) if self.value() else queryset


_HAS_POTENCY = ~Q(thc_percentage=None) | ~Q(thc_mg=None) | ~Q(cbd_percentage=None) | ~Q(cbd_mg=None)
_HAS_SIZE = ~Q(weight_grams=None) | ~Q(volume_ml=None) | ~Q(unit_count=None)
_MISSING = {
    "brand": (_("brand"), Q(brand=None)),
    "French name": (_("name in French"), Q(name_fr=None)),
    "GTIN": (_("GTIN"), Q(gtin=None)),
    "potency": (_("potency"), ~_HAS_POTENCY),
    "price": (_("price"), Q(price=None)),
    "size": (_("size"), ~_HAS_SIZE),
    "strain type": (_("strain type"), Q(strain_type=None)),
    "terpenes": (_("terpenes"), Q(terpenes=[])),
}


class CompletenessFilter(DropdownFilter):
    """Filter by a missing attribute."""

    title = _("missing")
    parameter_name = "missing"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the attributes that may be missing."""
        return [(word, str(label)) for word, (label, _condition) in _MISSING.items()]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows without the attribute."""
        if (value := self.value()) not in _MISSING:
            return queryset
        _label, condition = _MISSING[value]
        return queryset.filter(condition)


class StateFilter(DropdownFilter):
    """Filter by state: locked, to be reviewed, with findings, no longer listed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [(state, str(label)) for state, (label, _condition) in _STATES.items()]

    def queryset(self, _request: Any, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Return the rows in the state."""
        if (value := self.value()) not in _STATES:
            return queryset
        _label, condition = _STATES[value]
        return queryset.filter(condition())


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
