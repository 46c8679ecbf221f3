"""
Crawl guard: objections against implausible crawls, and the end of a crawl.

An item is gone after three consecutive complete crawls without it; a crawl that is refused changes
nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from statistics import median
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.records import MenuRecord
from competitors.models import Competitor
from competitors.services.offer_events import publish_gone, publish_relisted
from competitors.services.offer_repeats import statement_hash
from competitors.services.offers import HISTORY_ID_SQL, find_menu, lock_offers
from mlops.models import Run
from mlops.pipelines.errors import FeedSuspicious, RecordRejected

MAX_MISSED_CRAWLS = 3
"""Consecutive complete crawls without an item after which it is gone."""
# Below this number of offers, shares are not meaningful.
_MIN_OFFERS = 10
_MAX_UNUSABLE_PERCENT = 50
_MAX_GONE_PERCENT = 50
_MAX_PRICE_JUMP_PERCENT = 20
# A price jumps when it changes by more than this share.
_PRICE_JUMP_SHARE = 0.5
_CRAWLS_OF_USUAL_COUNT = 5
_ROWS_PER_COPY = 5_000
_NO_LOCATION = "'00000000-0000-0000-0000-000000000000'::uuid"
_CREATE_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS surveyed_offers (
  location text, location_id uuid, external_id text, price numeric, currency text,
  statement_hash text, is_read boolean, observed_at timestamptz
);
DROP INDEX IF EXISTS surveyed_offers_key;
TRUNCATE surveyed_offers
"""
_CREATE_INDEX = f"""
CREATE INDEX surveyed_offers_key
  ON surveyed_offers ((coalesce(location_id, {_NO_LOCATION})), external_id);
ANALYZE surveyed_offers
"""
_IS_LISTED = (
    f"coalesce(s.location_id, {_NO_LOCATION}) = coalesce(o.location_id, {_NO_LOCATION}) "
    "AND s.external_id = o.external_id"
)
_OFFERED = "o.competitor_id = %(competitor)s AND o.gone_at IS NULL AND o.missed_crawls = 0"
# Returns, by location, the number of offers and of those that the crawl does not list.
_COUNT_GONE = f"""
SELECT coalesce(l.name, ''), count(*), count(*) FILTER (
  WHERE NOT EXISTS (SELECT FROM surveyed_offers s WHERE {_IS_LISTED})
)
FROM competitor_offers o LEFT JOIN competitor_locations l ON l.id = o.location_id
WHERE {_OFFERED} AND (l.id IS NULL OR l.is_enabled)
GROUP BY l.id, l.name ORDER BY l.name
"""
# Returns the number of offers with a price before and now, and of those whose price jumps.
_COUNT_PRICE_JUMPS = f"""
SELECT count(*), count(*) FILTER (
  WHERE abs(s.price - coalesce(o.sale_price, o.regular_price))
    > %(jump)s * coalesce(o.sale_price, o.regular_price)
)
FROM competitor_offers o JOIN surveyed_offers s ON {_IS_LISTED} AND s.currency = o.currency
WHERE o.competitor_id = %(competitor)s AND o.gone_at IS NULL AND s.price IS NOT NULL
  AND coalesce(o.sale_price, o.regular_price) IS NOT NULL
"""
# Listed offers whose records were read and agree with each other, with the time of their page.
_CONFIRMED = """
confirmed AS (
  SELECT location_id, external_id, max(observed_at) AS observed_at, bool_and(is_read)
    AND count(DISTINCT statement_hash) = 1 AS is_confirmed
  FROM surveyed_offers GROUP BY 1, 2
)
"""
# Returns offers that were gone and are listed again.
_LOCK_RELISTED = f"""
WITH {_CONFIRMED}
SELECT o.id FROM competitor_offers o JOIN confirmed s ON {_IS_LISTED}
WHERE o.competitor_id = %(competitor)s AND o.gone_at IS NOT NULL AND s.is_confirmed
ORDER BY o.id FOR UPDATE OF o
"""
_CONFIRM_LISTED = f"""
WITH {_CONFIRMED}
UPDATE competitor_offers o SET missed_crawls = 0,
  gone_at = CASE WHEN s.is_confirmed THEN NULL ELSE o.gone_at END,
  restocked_at = CASE WHEN s.is_confirmed AND o.gone_at IS NOT NULL
    AND o.stock IN ('in_stock', 'low') THEN s.observed_at ELSE o.restocked_at END,
  last_seen_at = CASE WHEN s.is_confirmed THEN greatest(o.last_seen_at, s.observed_at)
    ELSE o.last_seen_at END
FROM confirmed s
WHERE o.competitor_id = %(competitor)s AND {_IS_LISTED}
  AND (o.missed_crawls > 0 OR (s.is_confirmed
    AND (o.gone_at IS NOT NULL OR o.last_seen_at < s.observed_at)))
"""
# Repeats the last observation of each confirmed offer that has none on the day of this one.
_WRITE_DAILY_OBSERVATIONS = f"""
WITH {_CONFIRMED}
INSERT INTO price_history (id, product_id, competitor, price, in_stock, scraped_at, offer_id,
  regular_price, sale_price, currency, is_tax_included, unit_price, stock, capture_hash,
  extractor_version, confidence)
SELECT {HISTORY_ID_SQL}, o.product_id, h.competitor, h.price, h.in_stock, s.observed_at, o.id,
  h.regular_price, h.sale_price, h.currency, h.is_tax_included, h.unit_price, h.stock,
  h.capture_hash, h.extractor_version, h.confidence
FROM confirmed s
JOIN competitor_offers o ON o.competitor_id = %(competitor)s AND {_IS_LISTED}
CROSS JOIN LATERAL (
  SELECT * FROM price_history WHERE offer_id = o.id ORDER BY scraped_at DESC LIMIT 1
) h
WHERE s.is_confirmed AND h.scraped_at < date_trunc('day', s.observed_at, 'UTC')
FOR SHARE OF o
ON CONFLICT (id) DO NOTHING
"""
# An interrupted end of a crawl is repeated: a row that this run has written is not counted again.
_COUNT_MISSED = f"""
UPDATE competitor_offers o SET missed_crawls = o.missed_crawls + 1, run_id = %(run)s,
  gone_at = CASE WHEN o.missed_crawls + 1 >= %(max_missed)s THEN now() END
WHERE o.competitor_id = %(competitor)s AND o.gone_at IS NULL
  AND o.run_id IS DISTINCT FROM %(run)s
  AND coalesce(o.location_id, {_NO_LOCATION}) = ANY(%(locations)s::uuid[])
  AND NOT EXISTS (SELECT FROM surveyed_offers s WHERE {_IS_LISTED})
RETURNING o.id, o.gone_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlSurvey:
    """
    The objection against a crawl ("": none).

    Ids and prices of its records are in the temporary table `surveyed_offers`.
    """

    objection: str = ""
    newest_event_at: None = None


@dataclass(slots=True)
class _Totals:
    records: int = 0
    unusable: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add_unusable(self, rejection: RecordRejected) -> None:
        self.unusable += 1
        self.reasons[str(rejection)] = self.reasons.get(str(rejection), 0) + 1

    @property
    def main_reason(self) -> str:
        return max(self.reasons, key=lambda reason: self.reasons[reason])


def survey_offers(
    *, source: str, records: Iterable[MenuRecord], is_partial: bool = False
) -> CrawlSurvey:
    """
    Read a whole crawl before any of it is used.

    Objects when more than half of the usual offers, or of those of one location, would be gone, and
    when more than a fifth of the prices jump. Raises FeedSuspicious for an empty crawl, and when
    more than half of the records cannot be read: the page is no menu, or its format has changed.
    """
    competitor = find_menu(source, "").competitor
    totals = _Totals()
    _save_keys(_survey_records(competitor, records, totals))
    if not totals.records and not is_partial:
        raise FeedSuspicious(f"The menu of {competitor.name} is empty. Nothing was changed.")
    if totals.unusable * 100 > _MAX_UNUSABLE_PERCENT * totals.records:
        raise FeedSuspicious(
            f"{totals.unusable} of {totals.records} records of {competitor.name} cannot be read "
            f"({totals.main_reason}); the format may have changed. Nothing was changed."
        )
    return CrawlSurvey(objection=_objection(competitor, totals, is_partial=is_partial))


def conclude_crawl(*, source: str, survey: CrawlSurvey, run: Run) -> int:  # noqa: ARG001  # its keys are in a table
    """
    Record which offers the crawl lists, write the daily observations, and mark offers as gone.

    Returns the number of offers newly gone; a partial crawl counts none as missed. Safe to repeat.
    """
    competitor = find_menu(source, "").competitor
    parameters = {"competitor": competitor.pk}
    with transaction.atomic(), connection.cursor() as cursor:
        lock_offers(cursor, competitor)
        cursor.execute(_WRITE_DAILY_OBSERVATIONS, parameters)
        relisted = [pk for (pk,) in cursor.execute(_LOCK_RELISTED, parameters).fetchall()]
        publish_relisted(competitor, relisted, at=timezone.now())
        cursor.execute(_CONFIRM_LISTED, parameters)
        if run.is_partial:
            return 0
        gone = _count_missed(cursor, competitor, run)
        Competitor.objects.filter(pk=competitor.pk).update(
            usual_offers=_usual_offers(run), last_good_crawl_at=timezone.now()
        )
    return gone


def _survey_records(
    competitor: Competitor, records: Iterable[MenuRecord], totals: _Totals
) -> Iterator[tuple[object, ...]]:
    """Yield a row of `surveyed_offers` for each record."""
    locations = dict(competitor.locations.values_list("platform_id", "pk"))
    now = timezone.now()
    for record in records:
        totals.records += 1
        key = (record.location, locations.get(record.location), record.external_id)
        observed_at: datetime = record.observed_at or now
        try:
            offer = clean_offer(read_offer(record))
        except RecordRejected as rejection:
            totals.add_unusable(rejection)
            yield (*key, None, None, None, False, observed_at)
        else:
            yield (*key, offer.price, offer.currency, statement_hash(offer), True, observed_at)


def _save_keys(rows: Iterator[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_CREATE_TABLE)
        # In chunks: reading the records runs queries, which are impossible during a COPY.
        while chunk := list(islice(rows, _ROWS_PER_COPY)):
            with cursor.copy("COPY surveyed_offers FROM STDIN") as copy:
                for row in chunk:
                    copy.write_row(row)
        cursor.execute(_CREATE_INDEX)


def _objection(competitor: Competitor, totals: _Totals, *, is_partial: bool) -> str:
    parameters: dict[str, Any] = {"competitor": competitor.pk, "jump": _PRICE_JUMP_SHARE}
    with connection.cursor() as cursor:
        by_location = cursor.execute(_COUNT_GONE, parameters).fetchall()
        priced, jumped = cursor.execute(_COUNT_PRICE_JUMPS, parameters).fetchone()
    if not is_partial and (objection := _gone_objection(competitor, totals, by_location)):
        return objection
    if priced >= _MIN_OFFERS and jumped * 100 > _MAX_PRICE_JUMP_PERCENT * priced:
        return f"{jumped} of {priced} prices of {competitor.name} change by more than half."
    return ""


def _gone_objection(
    competitor: Competitor, totals: _Totals, by_location: list[tuple[str, int, int]]
) -> str:
    usual = competitor.usual_offers or 0
    if usual >= _MIN_OFFERS and totals.records * 100 < (100 - _MAX_GONE_PERCENT) * usual:
        return f"{competitor.name} lists {totals.records} offers, usually {usual}."
    listed = sum(count for _, count, _ in by_location)
    gone = sum(count for _, _, count in by_location)
    if listed >= _MIN_OFFERS and gone * 100 > _MAX_GONE_PERCENT * listed:
        return f"{gone} of {listed} offers of {competitor.name} would be missing."
    for location, count, missing in by_location:
        if count >= _MIN_OFFERS and missing * 100 > _MAX_GONE_PERCENT * count:
            return (
                f"{missing} of {count} offers of {competitor.name}, {location}, would be missing."
            )
    return ""


def _count_missed(cursor: CursorWrapper, competitor: Competitor, run: Run) -> int:
    """Count a missed crawl for each offer that a crawled location no longer lists."""
    cursor.execute(
        _COUNT_MISSED,
        {
            "competitor": competitor.pk,
            "run": run.pk,
            "max_missed": MAX_MISSED_CRAWLS,
            "locations": _crawled_locations(cursor, competitor, run),
        },
    )
    gone = [offer_id for offer_id, gone_at in cursor.fetchall() if gone_at]
    publish_gone(competitor, gone, at=timezone.now())
    return len(gone)


def _crawled_locations(cursor: CursorWrapper, competitor: Competitor, run: Run) -> list[UUID]:
    """Return the ids of locations whose pages the run fetched; a zero UUID: the one menu."""
    bundles = run.raw_records.values_list("bundle", flat=True)
    cursor.execute("SELECT DISTINCT location FROM surveyed_offers")
    platform_ids = {bundle.rpartition("/")[0] for bundle in bundles}
    platform_ids.update(location for (location,) in cursor.fetchall())
    by_platform_id = dict(competitor.locations.values_list("platform_id", "pk"))
    return [by_platform_id.get(platform_id, UUID(int=0)) for platform_id in platform_ids]


def _usual_offers(run: Run) -> int:
    """Return the median number of records of this crawl and the last complete, successful ones."""
    earlier = Run.objects.filter(
        source=run.source, status=Run.Status.SUCCEEDED, is_partial=False, is_dry_run=False
    ).exclude(pk=run.pk)
    counts = [
        read - repeated
        for read, repeated in earlier.order_by("-started_at").values_list("read", "repeated")[
            : _CRAWLS_OF_USUAL_COUNT - 1
        ]
    ]
    return round(median([*counts, run.read - run.repeated]))
