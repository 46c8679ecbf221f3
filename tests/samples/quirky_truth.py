"""Comparison of what a run made of the quirky feed with the truth of its rows."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.models import SupplierListing
from mlops.models import QuarantinedRecord, Run
from tests.samples.quirky_feed import Truth

_COLUMN_FIELDS = {
    "name": "Name",
    "brand": "Name",
    "category": "Category",
    "sku": "SKU",
    "gtin": "UPC",
    "weight_grams": "Size",
    "volume_ml": "Size",
    "unit_count": "Size",
    "strain_type": "Type",
    "thc": "THC",
    "cbd": "CBD",
    "price": "Price",
    "in_stock": "Stock",
    "stock_quantity": "Stock",
}
"""Column of the list by value."""
_LISTING_COLUMNS = (
    "external_id",
    "name",
    "brand",
    "category",
    "sku",
    "gtin",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "strain_type",
    "price",
    "in_stock",
    "stock_quantity",
    "thc_low",
    "thc_high",
    "thc_unit",
    "cbd_low",
    "cbd_high",
    "cbd_unit",
)


@dataclass(slots=True)
class QuirkReport:
    """
    Counts by (column, quirk): right, open as it must be, missed (open, though known), wrong.

    unaccounted: rows that are no listing, not quarantined and not reported as repeated, or are more
    than one of these. examples: of wrong and missed values and unaccounted rows.
    """

    counts: dict[tuple[str, str], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    unaccounted: int = 0
    examples: list[str] = field(default_factory=list)

    def total(self, outcome: str) -> int:
        """Return the number of values with an outcome."""
        return sum(counter[outcome] for counter in self.counts.values())

    @property
    def table(self) -> Iterator[str]:
        """One line for each column and quirk."""
        names = ("right", "open", "missed", "wrong")
        yield f"{'column':10} {'quirk':28}" + "".join(f"{name:>9}" for name in names)
        for (column, quirk), counter in sorted(self.counts.items()):
            yield f"{column:10} {quirk:28}" + "".join(f"{counter[name]:9}" for name in names)

    def add_example(self, text: str) -> None:
        """Add one of the first examples."""
        if len(self.examples) < 40:
            self.examples.append(text)


def compare_with_truth(*, source: str, run: Run, truths: Sequence[Truth]) -> QuirkReport:
    """Return what the run made of every row, against its truth."""
    report = QuirkReport()
    listings = {row["external_id"]: row for row in _listings(source)}
    quarantined = {
        int(payload["Row"])
        for payload in QuarantinedRecord.objects.filter(source=source).values_list(
            "payload", flat=True
        )
    }
    groups: dict[str, list[Truth]] = defaultdict(list)
    for truth in truths:
        if truth.outcome == "one_of_group":
            groups[truth.external_id].append(truth)
        else:
            _compare_row(report, truth, listings, truth.row in quarantined)
    for external_id, group in groups.items():
        _compare_group(report, group, listings.get(external_id), quarantined)
    expected_repeats = sum(truth.outcome == "repeated" for truth in truths)
    if run.repeated != expected_repeats:
        report.unaccounted += abs(run.repeated - expected_repeats)
        report.add_example(f"{run.repeated} rows repeated instead of {expected_repeats}")
    expected_listings = {t.external_id for t in truths if t.outcome in ("listing", "one_of_group")}
    for external_id in set(listings) - expected_listings:
        report.unaccounted += 1
        report.add_example(f"listing {external_id} belongs to no row")
    return report


def _compare_row(
    report: QuirkReport, truth: Truth, listings: dict[str, dict[str, Any]], is_quarantined: bool
) -> None:
    listing = listings.get(truth.external_id)
    must_be_quarantined = truth.outcome == "quarantined"
    is_accounted = is_quarantined == must_be_quarantined and (must_be_quarantined or listing)
    if truth.row_quirk:
        report.counts["row", truth.row_quirk]["right" if is_accounted else "wrong"] += 1
    if not is_accounted:
        report.unaccounted += 1
        report.add_example(f"row {truth.row} must be {truth.outcome}: {truth.row_quirk}")
    elif truth.outcome == "listing" and listing:
        _compare_values(report, truth, listing)


def _compare_group(
    report: QuirkReport,
    group: Sequence[Truth],
    listing: dict[str, Any] | None,
    quarantined: set[int],
) -> None:
    accepted = [truth for truth in group if truth.row not in quarantined]
    is_accounted = listing is not None and len(accepted) == 1
    report.counts["row", group[0].row_quirk]["right" if is_accounted else "wrong"] += len(group)
    if is_accounted and listing:
        _compare_values(report, accepted[0], listing)
    else:
        report.unaccounted += len(group)
        report.add_example(f"rows {[t.row for t in group]}: {len(accepted)} accepted")


def _compare_values(report: QuirkReport, truth: Truth, listing: dict[str, Any]) -> None:
    for name, expected in truth.values.items():
        column = _COLUMN_FIELDS[name]
        value = listing[name]
        if value == expected:
            outcome = "open" if expected is None else "right"
        else:
            outcome = "missed" if value is None else "wrong"
            quirk = truth.quirks.get(column)
            report.add_example(f"row {truth.row} {name} ({quirk}): {value!r}, not {expected!r}")
        report.counts[column, truth.quirks.get(column, "plain")][outcome] += 1


def _listings(source: str) -> Iterator[dict[str, Any]]:
    rows = SupplierListing.objects.filter(source=source).values(*_LISTING_COLUMNS)
    for row in rows.iterator(chunk_size=5_000):
        for kind in ("thc", "cbd"):
            low, high, unit = (row.pop(f"{kind}_{part}") for part in ("low", "high", "unit"))
            row[kind] = None if low is None else (low, high, unit)
        yield row
