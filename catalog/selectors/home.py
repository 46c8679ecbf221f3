"""Figures of the console's home page: counts, and freshness by source."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max

from catalog.models import CatalogSource, MatchDecision, Product, SupplierListing
from mlops.models import Alert, QuarantinedRecord, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogCounts:
    """Numbers of current products and listings, and of rows that wait for staff."""

    products: int
    listings: int
    possible_duplicates: int
    quarantined: int
    open_alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """A source with its number of listings and the end of its last successful run."""

    source: CatalogSource
    listing_count: int
    last_finished_at: datetime | None


def catalog_counts() -> CatalogCounts:
    """Return the counts of the home page. Five queries."""
    open_pairs = MatchDecision.objects.filter(verdict=MatchDecision.Verdict.OPEN)
    return CatalogCounts(
        products=Product.objects.current().count(),
        listings=SupplierListing.objects.count(),
        possible_duplicates=open_pairs.count(),
        quarantined=QuarantinedRecord.objects.count(),
        open_alerts=Alert.objects.filter(closed_at=None).count(),
    )


def source_summaries() -> Iterator[SourceSummary]:
    """Return the sources by code, with listings and last successful run. Three queries."""
    successful_runs = Run.objects.filter(status=Run.Status.SUCCEEDED)
    last_finished = dict(
        successful_runs.values_list("source").order_by("source").annotate(last=Max("finished_at"))
    )
    listing_counts = dict(SupplierListing.objects.values_list("source").annotate(count=Count("id")))
    for source in CatalogSource.objects.order_by("code"):
        yield SourceSummary(
            source=source,
            listing_count=listing_counts.get(source.code, 0),
            last_finished_at=last_finished.get(source.code),
        )
