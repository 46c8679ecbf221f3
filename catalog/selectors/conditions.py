"""Named conditions on product rows, for filters of the API and the console."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from catalog.ingest.cleaning.identifiers import gtin_query
from catalog.models import Product, ProductLock, ReviewItem, StoreStock, SupplierListing
from mlops.models import QualityFinding


def is_in_stock() -> Q:
    """Return the condition of products in stock in a store or at a supplier."""
    in_stores = StoreStock.objects.filter(product=OuterRef("pk"), quantity__gt=0)
    at_suppliers = SupplierListing.objects.filter(
        merge_key=OuterRef("merge_key"), in_stock=True, gone_at=None
    )
    return Q(Exists(in_stores)) | Q(Exists(at_suppliers))


def is_in_stock_at(store_code: str) -> Q:
    """Return the condition of products that a store has in stock."""
    in_store = StoreStock.objects.filter(
        product=OuterRef("pk"), store__code=store_code, quantity__gt=0
    )
    return Q(Exists(in_store))


def has_locked_field() -> Q:
    """Return the condition of products with a locked field."""
    return Q(Exists(ProductLock.objects.filter(product=OuterRef("pk"))))


def needs_review() -> Q:
    """Return the condition of products with an open review item."""
    return Q(Exists(ReviewItem.objects.filter(product=OuterRef("pk"), closed_at=None)))


def has_open_finding() -> Q:
    """Return the condition of products that violate a quality rule."""
    return Q(pk__in=QualityFinding.objects.filter(closed_at=None).values("row_id"))


def has_any_id(ids: Iterable[UUID]) -> Q:
    """Return the condition of products with some ids, and of those they were merged into."""
    values = list(ids)
    merged = Product.objects.filter(pk__in=values).exclude(merged_into=None)
    return Q(pk__in=values) | Q(pk__in=merged.values("merged_into"))


def has_number(text: str) -> Q:
    """Return the condition of rows with a SKU, or with a GTIN written in any width."""
    sku = text.strip()
    gtin = gtin_query(text)
    return Q(sku=sku) | Q(gtin=gtin) if gtin else Q(sku=sku)


def is_unlisted() -> Q:
    """Return the condition of products that no source lists any more, without those of staff."""
    listed = SupplierListing.objects.filter(merge_key=OuterRef("merge_key"), gone_at=None)
    return ~Q(source="staff") & ~Q(Exists(listed))
