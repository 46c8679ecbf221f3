"""Columns of the product list."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.admin.product_search import completeness
from catalog.models import Product
from catalog.reference.word_labels import word_label

_MG_UNITS = {"mg_per_ml": "mg/ml"}
_NBSP = "\u00a0"


class ProductColumns:
    """Columns with units; the list is read with `with_list_columns`."""

    @admin.display(description=_("category"), ordering="category", empty_value="–")
    def category_label(self, product: Product) -> str:
        """Show the category in the language of the user."""
        return word_label(product.category)

    @admin.display(description=_("strain type"), ordering="strain_type", empty_value="–")
    def strain_type_label(self, product: Product) -> str:
        """Show the strain type in the language of the user."""
        return word_label(product.strain_type)

    @admin.display(description=_("THC"), ordering="thc_percentage")
    def thc(self, product: Product) -> SafeString:
        """Show THC in the unit of the label."""
        return _on_one_line(
            potency_text(
                product.thc_percentage_low,
                product.thc_percentage_high,
                product.thc_mg,
                product.mg_basis,
            )
        )

    @admin.display(description=_("CBD"), ordering="cbd_percentage")
    def cbd(self, product: Product) -> SafeString:
        """Show CBD in the unit of the label."""
        return _on_one_line(
            potency_text(
                product.cbd_percentage_low,
                product.cbd_percentage_high,
                product.cbd_mg,
                product.mg_basis,
            )
        )

    @admin.display(description=_("size"), ordering="weight_grams")
    def size(self, product: Product) -> str:
        """Show net weight or volume, divided by units where there are several."""
        return size_text(product.weight_grams, product.volume_ml, product.unit_count)

    @admin.display(description=_("stock"), ordering="stock_units")
    def stock(self, product: Product) -> str:
        """Show the units in all stores; a dash where no store counts the product."""
        units = getattr(product, "stock_units", None)
        return "–" if units is None else str(units)

    @admin.display(description=_("marks"))
    def marks(self, product: Product) -> SafeString | str:
        """Show whether a field is locked and whether a quality rule is violated."""
        shown = [
            (icon, text)
            for name, icon, text in (
                ("is_locked", "lock", _("has a locked field")),
                ("has_finding", "warning", _("violates a quality rule")),
            )
            if getattr(product, name, False)
        ]
        mark = (
            '<span class="material-symbols-outlined md-18" role="img" aria-label="{1}" title="{1}">'
            "{0}</span>"
        )
        return format_html_join(" ", mark, shown)

    @admin.display(description=_("listings"))
    def listings(self, product: Product) -> int | str:
        """Show the number of current listings."""
        return getattr(product, "listing_count", "–")

    @admin.display(description=_("completeness"))
    def completeness_percentage(self, product: Product) -> str:
        """Show the share of customer-facing attributes that are known."""
        return f"{completeness(product)}{_NBSP}%"


def potency_text(low: Any, high: Any, milligrams: Any, basis: str | None) -> str:
    """Return a potency such as "18–22 %", "10 mg" or "20 mg/ml"; a dash if it is unknown."""
    if low is not None and high is not None:
        ends = _number(low) if low == high else f"{_number(low)}–{_number(high)}"
        return f"{ends}{_NBSP}%"
    if milligrams is not None:
        return f"{_number(milligrams)}{_NBSP}{_MG_UNITS.get(basis or '', 'mg')}"
    return "–"


def size_text(grams: Decimal | None, milliliters: Decimal | None, units: int | None) -> str:
    """Return a size such as "3.5 g", "5 × 4 g" or "355 ml"; a dash if it is unknown."""
    total, unit = (milliliters, "ml") if grams is None else (grams, "g")
    if total is None:
        return "–" if units is None else f"{units}{_NBSP}×"
    if units is None or units <= 1:
        return f"{_number(total)}{_NBSP}{unit}"
    return f"{units}{_NBSP}×{_NBSP}{_number(round(total / units, 3))}{_NBSP}{unit}"


def _on_one_line(text: str) -> SafeString:
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def _number(value: Decimal) -> str:
    return f"{Decimal(value).normalize():f}"
