"""Products, brands and sources in the command palette."""

from collections.abc import Iterator
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from catalog.search import find_products
from catalog.selectors.products import brands_like, current_products, find_products_by_number
from catalog.selectors.sources import sources_like
from config.admin.palette import MAX_RESULTS, register


@register("catalog.view_product")
def products(term: str) -> Iterator[SearchResult]:
    """Yield the product with a SKU or scanned GTIN alone, else those whose names are near."""
    numbered = find_products_by_number(term)
    for product in numbered or find_products(current_products(), term)[:MAX_RESULTS]:
        parts = (product.brand, product.sku, product.gtin)
        yield SearchResult(
            title=product.name,
            description=", ".join([_("product"), *(part for part in parts if part)]),
            link=reverse("admin:catalog_product_change", args=[product.pk]),
            icon="inventory_2",
        )


@register("catalog.view_product")
def brands(term: str) -> Iterator[SearchResult]:
    """Yield the brands that contain a term."""
    page = reverse("admin:catalog_product_changelist")
    for brand in brands_like(term, limit=MAX_RESULTS):
        yield SearchResult(
            title=brand,
            description=_("products of the brand"),
            link=f"{page}?{urlencode({'brand__icontains': brand})}",
            icon="sell",
        )


@register("catalog.view_catalogsource")
def sources(term: str) -> Iterator[SearchResult]:
    """Yield the sources whose name or code contains a term."""
    for source in sources_like(term, limit=MAX_RESULTS):
        yield SearchResult(
            title=source.label,
            description=_("source"),
            link=reverse("admin:catalog_catalogsource_change", args=[source.pk]),
            icon="cloud_download",
        )
