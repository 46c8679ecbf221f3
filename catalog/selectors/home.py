"""Figures of the console's home page: state and freshness by source."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, OuterRef, Subquery

from catalog.models import CatalogSource, Product, SupplierListing
from mlops.models import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """
    A source with its number of listings and the end of its last successful run.

    newest_run_status: of the newest run that was no dry run; "" before the first.
    """

    source: CatalogSource
    listing_count: int
    last_finished_at: datetime | None
    newest_run_status: str


def has_enabled_source() -> bool:
    """Return whether a source is enabled."""
    return CatalogSource.objects.filter(is_enabled=True).exists()


def has_products() -> bool:
    """Return whether the catalogue has a product."""
    return Product.objects.current().exists()


def source_summaries() -> Iterator[SourceSummary]:
    """Yield the sources by code, with listings and runs. Three queries."""
    successful_runs = Run.objects.filter(status=Run.Status.SUCCEEDED)
    last_finished = dict(
        successful_runs.values_list("source").order_by("source").annotate(last=Max("finished_at"))
    )
    listing_counts = dict(SupplierListing.objects.values_list("source").annotate(count=Count("id")))
    runs = Run.objects.filter(source=OuterRef("code"), is_dry_run=False).order_by("-started_at")
    sources = CatalogSource.objects.annotate(newest_status=Subquery(runs.values("status")[:1]))
    for source in sources.order_by("code"):
        yield SourceSummary(
            source=source,
            listing_count=listing_counts.get(source.code, 0),
            last_finished_at=last_finished.get(source.code),
            newest_run_status=source.newest_status or "",
        )
