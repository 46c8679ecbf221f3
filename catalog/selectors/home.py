"""Figures of the console's home page: state and freshness by source."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, OuterRef, QuerySet, Subquery

from catalog.models import CatalogSource, Product, SupplierListing
from mlops.models import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """
    A source with the end of its last successful run.

    newest_run_status: of the newest run that was no dry run; "" before the first.
    """

    source: CatalogSource
    last_finished_at: datetime | None
    newest_run_status: str


def has_enabled_source() -> bool:
    """Return whether a source is enabled."""
    return CatalogSource.objects.filter(is_enabled=True).exists()


def has_products() -> bool:
    """Return whether the catalogue has a product."""
    return Product.objects.current().exists()


def source_summaries() -> Iterator[SourceSummary]:
    """Yield the sources by code, with their runs. Two queries."""
    successful_runs = Run.objects.filter(status=Run.Status.SUCCEEDED)
    last_finished = dict(
        successful_runs.values_list("source").order_by("source").annotate(last=Max("finished_at"))
    )
    runs = Run.objects.filter(source=OuterRef("code"), is_dry_run=False).order_by("-started_at")
    sources = CatalogSource.objects.annotate(newest_status=Subquery(runs.values("status")[:1]))
    for source in sources.order_by("code"):
        yield SourceSummary(
            source=source,
            last_finished_at=last_finished.get(source.code),
            newest_run_status=source.newest_status or "",
        )


def all_listings() -> QuerySet[SupplierListing]:
    """Return the listings of all sources."""
    return SupplierListing.objects.all()


def listings_by_source() -> dict[str, int]:
    """Return the number of listings by the code of their source; one query."""
    rows = all_listings().order_by().values_list("source")
    return dict(rows.annotate(count=Count("pk")))
