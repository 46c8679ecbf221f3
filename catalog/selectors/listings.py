"""Supplier listings of products, with the raw records they were read from."""

from catalog.models import Product, ProductAlias, SupplierListing
from mlops.models import RawRecord


def listings_with_origin(*, product: Product) -> list[tuple[SupplierListing, list[RawRecord]]]:
    """Return listings of a product with the raw records of their last run. Three queries."""
    listings = list(
        SupplierListing.objects.filter(merge_key__in=merge_keys_of(product))
        .select_related("run")
        .order_by("source", "external_id", "language")
    )
    records: dict[tuple[object, str | None], list[RawRecord]] = {}
    runs = {listing.run_id for listing in listings}
    bundles = {listing.bundle for listing in listings if listing.bundle}
    for record in RawRecord.objects.filter(run__in=runs, bundle__in=bundles).order_by("role"):
        records.setdefault((record.run_id, record.bundle), []).append(record)
    return [(listing, records.get((listing.run_id, listing.bundle), [])) for listing in listings]


def merge_keys_of(product: Product) -> list[str]:
    """Return the merge keys of a product: its own, and those of products merged into it."""
    merged = ProductAlias.objects.filter(product_key=product.merge_key).values_list(
        "merge_key", flat=True
    )
    return [product.merge_key, *merged]
