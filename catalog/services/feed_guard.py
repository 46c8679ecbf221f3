"""Is a feed to be believed? "Gone" needs proof, and so does a leap of prices."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.db import connection
from django.utils import timezone

from catalog.ingest.cleaning.listing import parse_price
from catalog.ingest.records import SourceRecord
from catalog.models import CatalogSource
from mlops.models import Run
from mlops.pipelines.errors import FeedSuspicious, RecordRejected

# Below this many listings a percentage says nothing.
_LEAST_LISTINGS = 10
_MOST_UNUSABLE = Decimal("0.5")
_JUMP = Decimal("0.5")
_CHUNK = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSurvey:
    """What speaks against a feed, and how new its data are; its keys lie in the table `surveyed_listings`."""

    objection: str = ""
    newest_event_at: datetime | None = None


@dataclass(slots=True)
class _Tally:
    records: int = 0
    unusable: int = 0
    newest_event_at: datetime | None = None


def survey_feed(
    *, source: str, records: Iterable[SourceRecord], is_partial: bool = False
) -> FeedSurvey:
    """
    Read through a whole feed before any of it is used.

    Objects when more listings would vanish or more prices leap than the source's row allows. Raises FeedSuspicious
    when more than half of the records lack name or price: the format has changed.
    """
    tally = _Tally()
    _note_keys(_keys(records, tally))
    if tally.records and Decimal(tally.unusable) / tally.records > _MOST_UNUSABLE:
        raise FeedSuspicious(
            f"{tally.unusable} of {tally.records} records of {source} lack name or price; its format may have changed."
        )
    return FeedSurvey(
        objection=_objection(source, is_partial=is_partial), newest_event_at=tally.newest_event_at
    )


def conclude_feed(*, source: str, survey: FeedSurvey, run: Run) -> int:
    """
    Mark what the source lists no more, unmark what it lists again, note how new its data are.

    Returns how many are newly gone. Part of a feed says nothing of what is gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RETURNED, [source])
        gone = 0 if run.is_partial else int(cursor.execute(_GONE, [source]).rowcount)
    # A source that tells no times is as new as the last time it told us something else.
    newest = survey.newest_event_at or (timezone.now() if run.new or run.changed or gone else None)
    if newest:
        CatalogSource.objects.filter(pk=source).update(newest_event_at=newest)
    return gone


# A table of the session, not of memory: a feed may have a million rows.
_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS surveyed_listings (external_id text, language text, price numeric);
DROP INDEX IF EXISTS surveyed_listings_key;
TRUNCATE surveyed_listings
"""
_INDEX = "CREATE INDEX surveyed_listings_key ON surveyed_listings (external_id, language); ANALYZE surveyed_listings"
_LISTED = "f.external_id = l.external_id AND f.language = l.language"
_RETURNED = f"""
UPDATE supplier_listings l SET gone_at = NULL, updated_at = now()
FROM surveyed_listings f WHERE l.source = %s AND l.gone_at IS NOT NULL AND {_LISTED}
"""
# A person made it of a quarantined record: what the feed holds in its place bears no key, or another.
_REPLAYED = "l.bundle IS NULL AND l.run_id IS NOT NULL"
_GONE = f"""
UPDATE supplier_listings l SET gone_at = now(), updated_at = now()
WHERE l.source = %s AND l.gone_at IS NULL AND NOT ({_REPLAYED})
  AND NOT EXISTS (SELECT FROM surveyed_listings f WHERE {_LISTED})
"""
_BEFORE = f"""
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM surveyed_listings f WHERE {_LISTED}))
FROM supplier_listings l WHERE l.source = %s AND l.gone_at IS NULL AND NOT ({_REPLAYED})
"""
_LEAPS = f"""
SELECT count(*), count(*) FILTER (WHERE abs(f.price - l.price) > %s * l.price)
FROM supplier_listings l JOIN surveyed_listings f ON {_LISTED}
WHERE l.source = %s AND l.gone_at IS NULL AND l.price > 0 AND f.price > 0
"""


def _keys(
    records: Iterable[SourceRecord], tally: _Tally
) -> Iterator[tuple[str, str, Decimal | None]]:
    for record in records:
        price, has_price = _price(record)
        tally.records += 1
        tally.unusable += bool(record.defect) or not record.name.strip() or not has_price
        if record.event_at and (
            tally.newest_event_at is None or record.event_at > tally.newest_event_at
        ):
            tally.newest_event_at = record.event_at
        yield record.external_id, record.language, price


def _note_keys(keys: Iterator[tuple[str, str, Decimal | None]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        # In chunks: the records are read with queries of their own, which a COPY under way would not let through.
        while chunk := list(islice(keys, _CHUNK)):
            with cursor.copy("COPY surveyed_listings FROM STDIN") as copy:
                for row in chunk:
                    copy.write_row(row)
        cursor.execute(_INDEX)


def _price(record: SourceRecord) -> tuple[Decimal | None, bool]:
    """Return the price, and whether the record has what its source should say of one."""
    if record.price is None:
        return None, True
    try:
        return parse_price(record.price), True
    except RecordRejected:
        return None, False


def _objection(source: str, *, is_partial: bool) -> str:
    limits = CatalogSource.objects.filter(pk=source).first() or CatalogSource()
    with connection.cursor() as cursor:
        before, gone = cursor.execute(_BEFORE, [source]).fetchone()
        priced, jumped = cursor.execute(_LEAPS, [_JUMP, source]).fetchone()
    if before < _LEAST_LISTINGS:
        return ""
    if not is_partial and gone * 100 > limits.most_gone_percent * before:
        return f"{gone} of {before} listings of {source} would vanish."
    if jumped * 100 > limits.most_jumped_percent * priced:
        return f"{jumped} of {priced} prices of {source} change by more than half."
    return ""
