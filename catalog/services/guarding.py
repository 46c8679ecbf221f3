"""Is a feed to be believed? "Gone" needs proof, and so does a leap of prices."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from catalog.ingest.cleaning.listing import parse_price
from catalog.ingest.records import SourceRecord
from catalog.models import CatalogSource, SupplierListing
from mlops.flow.errors import FeedSuspicious, RecordRejected

# Below this many listings a percentage says nothing.
_LEAST_LISTINGS = 10
_MOST_UNUSABLE = Decimal("0.5")
_JUMP = Decimal("0.5")
Key = tuple[str, str]


@dataclass(slots=True)
class Survey:
    """What a feed holds: keys (external id, language) with their prices, and how many records lack name or price."""

    prices: dict[Key, Decimal | None] = field(default_factory=dict)
    records: int = 0
    unusable: int = 0


def survey_feed(
    *, source: str, records: Iterable[SourceRecord], is_partial: bool = False, is_accepted: bool = False
) -> Survey:
    """
    Read through a whole feed before any of it is used.

    Raises FeedSuspicious: more than half of the records lack name or price (the format has changed); or, unless a
    person has accepted it, more listings would vanish or more prices leap than the source's row allows.
    """
    survey = _read(records)
    if survey.records and Decimal(survey.unusable) / survey.records > _MOST_UNUSABLE:
        raise FeedSuspicious(
            f"{survey.unusable} of {survey.records} records of {source} lack name or price; its format may have changed."
        )
    if not is_accepted:
        _compare(source, survey, is_partial=is_partial)
    return survey


def retire_listings(*, source: str, survey: Survey) -> int:
    """Mark what the source lists no more, and unmark what it lists again; return how many are newly gone."""
    ids, languages = [key[0] for key in survey.prices], [key[1] for key in survey.prices]
    with connection.cursor() as cursor:
        cursor.execute(_RETURNED, [ids, languages, source])
        cursor.execute(_GONE, [source, ids, languages])
        return int(cursor.rowcount)


_RETURNED = """
UPDATE supplier_listings l SET gone_at = NULL, updated_at = now()
FROM unnest(%s::text[], %s::text[]) AS f(external_id, language)
WHERE l.source = %s AND l.gone_at IS NOT NULL AND (l.external_id, l.language) = (f.external_id, f.language)
"""
_GONE = """
UPDATE supplier_listings l SET gone_at = now(), updated_at = now()
WHERE l.source = %s AND l.gone_at IS NULL AND NOT EXISTS (
  SELECT FROM unnest(%s::text[], %s::text[]) AS f(external_id, language)
  WHERE (l.external_id, l.language) = (f.external_id, f.language))
"""


def _read(records: Iterable[SourceRecord]) -> Survey:
    survey = Survey()
    for record in records:
        survey.records += 1
        price = _price(record)
        survey.unusable += bool(record.defect) or not record.name.strip() or price is None
        survey.prices[record.external_id, record.language] = price
    return survey


def _price(record: SourceRecord) -> Decimal | None:
    try:
        return parse_price(record.price)
    except RecordRejected:
        return None


def _compare(source: str, survey: Survey, *, is_partial: bool) -> None:
    listed = SupplierListing.objects.filter(source=source, gone_at=None)
    before = {(i, language): price for i, language, price in listed.values_list("external_id", "language", "price")}
    if len(before) < _LEAST_LISTINGS:
        return
    limits = CatalogSource.objects.filter(pk=source).first() or CatalogSource()
    gone = 0 if is_partial else sum(key not in survey.prices for key in before)
    if gone * 100 > limits.most_gone_percent * len(before):
        raise FeedSuspicious(f"{gone} of {len(before)} listings of {source} would vanish; nothing was changed.")
    pairs = [(before[key], price) for key, price in survey.prices.items() if price and before.get(key)]
    jumped = sum(abs(new - old) > _JUMP * old for old, new in pairs if old)
    if jumped * 100 > limits.most_jumped_percent * len(pairs):
        raise FeedSuspicious(
            f"{jumped} of {len(pairs)} prices of {source} change by more than half; nothing was changed."
        )
