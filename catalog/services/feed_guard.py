"""Feed guard: objections against a feed in which too many listings are gone or prices jump."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from django.db import connection
from django.utils import timezone

from catalog.ingest.cleaning.potency import read_potency
from catalog.ingest.cleaning.prices import read_price
from catalog.ingest.records import ProductRecord
from catalog.ingest.vocabulary import product_form
from catalog.models import CatalogSource
from catalog.services.feed_repeats import survey_gtin
from catalog.services.merging import merge_products
from catalog.services.reused_identifiers import supersede_former_listings
from mlops.audit.operations import run_operation
from mlops.models import Run
from mlops.pipelines.errors import FeedSuspicious, RecordRejected

# Below this number of listings, a share of gone ones is not meaningful, and one price alone is no
# objection; stated in the help texts of `CatalogSource`.
_MIN_LISTINGS = 10
_MAX_TIME_AHEAD = timedelta(days=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_MAX_UNUSABLE_SHARE = Decimal("0.5")
# A price jumps when it changes by more than this share.
_PRICE_JUMP_SHARE = Decimal("0.5")
_ROWS_PER_COPY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSurvey:
    """
    The objection against a feed ("": none), and the time of its newest data.

    The keys and prices of its listings are in the temporary table `surveyed_listings`.
    """

    objection: str = ""
    newest_event_at: datetime | None = None


_SurveyedRow = tuple[str, str, Decimal | None, str, str]
"""External id, language, price, SKU and code of the GTIN column of a record."""


@dataclass(slots=True)
class _SurveyTotals:
    records: int = 0
    unusable: int = 0
    flower_potencies: int = 0
    max_flower_potency: Decimal = Decimal(0)
    newest_event_at: datetime | None = None


def survey_feed(
    *, source: str, records: Iterable[ProductRecord], is_partial: bool = False
) -> FeedSurvey:
    """
    Read a whole feed before any of it is used.

    Objects when more listings would be gone, or more prices jump, than the source allows, and when
    THC of all flower is below 1 %. Raises
    FeedSuspicious when more than half of the records lack name or price: the format has changed.
    """
    totals = _SurveyTotals()
    _save_keys(_survey_records(records, totals))
    if totals.records and Decimal(totals.unusable) / totals.records > _MAX_UNUSABLE_SHARE:
        raise FeedSuspicious(
            f"{totals.unusable} of {totals.records} records of {source} lack name or price; "
            "its format may have changed."
        )
    objection = _fraction_objection(source, totals) or _objection(source, is_partial=is_partial)
    return FeedSurvey(objection=objection, newest_event_at=totals.newest_event_at)


def conclude_feed(*, source: str, survey: FeedSurvey, run: Run) -> int:
    """
    Mark listings that are gone, unmark those listed again, and record the time of the newest data.

    Their products are merged again, since current listings count before those that are gone.
    Returns the number of listings newly gone; a partial run marks none.
    """
    with run_operation(run), connection.cursor() as cursor:
        cursor.execute(_UNMARK_GONE, [source])
        merge_keys = [key for (key,) in cursor.fetchall()]
        gone_keys: list[str] = []
        if not run.is_partial:
            cursor.execute(_MARK_GONE, [source])
            gone_keys = [key for (key,) in cursor.fetchall()]
        reused = supersede_former_listings(cursor, gone_keys)
        merge_products(cursor, sorted({*merge_keys, *gone_keys}), reused=reused)
    # The data of a source without times are as new as their last change.
    has_changes = run.new or run.changed or gone_keys
    newest = survey.newest_event_at or (timezone.now() if has_changes else None)
    if newest:
        CatalogSource.objects.filter(pk=source).update(newest_event_at=newest)
    return len(gone_keys)


# A temporary table instead of memory: a feed may have a million rows.
_CREATE_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS surveyed_listings
  (external_id text, language text, price numeric, sku text, gtin text);
DROP INDEX IF EXISTS surveyed_listings_key;
TRUNCATE surveyed_listings
"""
_CREATE_INDEX = """
CREATE INDEX surveyed_listings_key ON surveyed_listings (external_id, language);
ANALYZE surveyed_listings
"""
_IS_LISTED = "f.external_id = l.external_id AND f.language = l.language"
_UNMARK_GONE = f"""
UPDATE supplier_listings l SET gone_at = NULL, superseded_at = NULL, updated_at = now()
FROM surveyed_listings f WHERE l.source = %s AND l.gone_at IS NOT NULL AND {_IS_LISTED}
RETURNING l.merge_key
"""
# Created by replaying a corrected record: the feed has it without a key, or with another one.
_REPLAYED = "l.bundle IS NULL AND l.run_id IS NOT NULL"
_MARK_GONE = f"""
UPDATE supplier_listings l SET gone_at = now(), updated_at = now()
WHERE l.source = %s AND l.gone_at IS NULL AND NOT ({_REPLAYED})
  AND NOT EXISTS (SELECT FROM surveyed_listings f WHERE {_IS_LISTED})
RETURNING l.merge_key
"""
# Returns the number of current listings, and of those that the feed no longer lists.
_COUNT_GONE = f"""
SELECT count(*), count(*) FILTER (
  WHERE NOT EXISTS (SELECT FROM surveyed_listings f WHERE {_IS_LISTED})
)
FROM supplier_listings l WHERE l.source = %s AND l.gone_at IS NULL AND NOT ({_REPLAYED})
"""
# Returns the number of listings with a price before and now, and of those whose price jumps.
_COUNT_PRICE_JUMPS = f"""
SELECT count(*), count(*) FILTER (WHERE abs(f.price - l.price) > %s * l.price)
FROM supplier_listings l JOIN surveyed_listings f ON {_IS_LISTED}
WHERE l.source = %s AND l.gone_at IS NULL AND l.price > 0 AND f.price > 0
"""


def _survey_records(
    records: Iterable[ProductRecord], totals: _SurveyTotals
) -> Iterator[_SurveyedRow]:
    # A date in the future is a mistake, and would make the source look fresh for ever.
    latest = timezone.now() + _MAX_TIME_AHEAD
    for record in records:
        price, has_price = _parse_record_price(record)
        totals.records += 1
        totals.unusable += bool(record.defect) or not record.name.strip() or not has_price
        # One flower from 1 % on settles that the column does not contain fractions.
        if totals.max_flower_potency < 1 and (potency := _flower_potency(record)):
            totals.flower_potencies += 1
            totals.max_flower_potency = max(totals.max_flower_potency, potency)
        if record.event_at and record.event_at <= latest:
            totals.newest_event_at = max(totals.newest_event_at or _EARLIEST, record.event_at)
        yield record.external_id, record.language, price, record.sku.strip(), survey_gtin(record)


def _save_keys(keys: Iterator[_SurveyedRow]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_CREATE_TABLE)
        # In chunks: reading the records runs queries, which are impossible during a COPY.
        while chunk := list(islice(keys, _ROWS_PER_COPY)):
            with cursor.copy("COPY surveyed_listings FROM STDIN") as copy:
                for row in chunk:
                    copy.write_row(row)
        cursor.execute(_CREATE_INDEX)


def _parse_record_price(record: ProductRecord) -> tuple[Decimal | None, bool]:
    """Return the price, and whether it is valid; a source without prices is."""
    if record.price is None:
        return None, True
    try:
        return read_price(record.price, language=record.language).price, True
    except RecordRejected:
        return None, False


def _flower_potency(record: ProductRecord) -> Decimal:
    """Return the highest THC percentage that a record of flower states; 0: none, or hemp."""
    if product_form(record.category) != "flower":
        return Decimal(0)
    thc = _stated_percentage(record, "thc", record.thc or record.thc_high or record.thc_low)
    cbd = _stated_percentage(record, "cbd", record.cbd or record.cbd_high or record.cbd_low)
    return Decimal(0) if thc < 1 <= cbd else thc


def _stated_percentage(record: ProductRecord, name: str, text: str) -> Decimal:
    try:
        reading = read_potency(
            text, field=name, language=record.language, context={"category": record.category}
        )
    except RecordRejected:
        return Decimal(0)
    return (reading.low if reading.high is None else reading.high) or Decimal(0)


def _fraction_objection(source: str, totals: _SurveyTotals) -> str:
    """Object to flower without THC: 22.5 % that a workbook stores as 0.225."""
    if not totals.flower_potencies or totals.max_flower_potency >= 1:
        return ""
    return (
        f"THC of all {totals.flower_potencies} flowers of {source} is below 1 %; "
        "its column may contain fractions (0.225 for 22.5 %): set the unit of the column."
    )


def _objection(source: str, *, is_partial: bool) -> str:
    limits = CatalogSource.objects.filter(pk=source).first() or CatalogSource()
    with connection.cursor() as cursor:
        listed, gone = cursor.execute(_COUNT_GONE, [source]).fetchone()
        priced, jumped = cursor.execute(_COUNT_PRICE_JUMPS, [_PRICE_JUMP_SHARE, source]).fetchone()
    is_small = listed < _MIN_LISTINGS
    if not is_small and not is_partial and gone * 100 > limits.max_gone_percent * listed:
        return f"{gone} of {listed} listings of {source} would be gone."
    # One price of a few is more than most limits allow.
    is_single = is_small and jumped == 1
    if not is_single and jumped * 100 > limits.max_price_jump_percent * priced:
        return f"{jumped} of {priced} prices of {source} change by more than half."
    return ""
