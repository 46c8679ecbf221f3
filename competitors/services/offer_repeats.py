"""Repeated records of a menu: one id on several records of a location."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.records import CleanOffer, MenuRecord
from mlops.pipelines.definitions import RepeatDecision
from mlops.pipelines.errors import RecordRejected

# Facts that make two records with one id two statements. A menu lists an item under several
# categories, and on two pages when items are added during the crawl.
_COMPARED = (
    "name",
    "brand",
    "size",
    "gtin",
    "regular_price",
    "sale_price",
    "member_price",
    "currency",
    "is_tax_included",
    "stock",
)
_REPEATED_IDS = """
SELECT location, external_id FROM surveyed_offers GROUP BY 1, 2 HAVING count(*) > 1
"""


@dataclass(frozen=True, slots=True)
class _Repeated:
    index: int
    offer: CleanOffer


def find_repeated_offers(*, records: Iterable[MenuRecord]) -> Iterator[RepeatDecision]:
    """
    Yield what becomes of the records whose id another record of the same location has.

    Equal ones leave the first; where they state different facts, none of them is used. The crawl
    has been surveyed (see `survey_offers`); it is read again only when it has such records.
    """
    with connection.cursor() as cursor:
        ids = set(cursor.execute(_REPEATED_IDS).fetchall())
    groups: dict[tuple[str, str], list[_Repeated]] = defaultdict(list)
    for index, record in enumerate(records) if ids else ():
        key = (record.location, record.external_id)
        if key not in ids:
            continue
        try:
            groups[key].append(_Repeated(index, clean_offer(read_offer(record))))
        except RecordRejected:
            continue  # rejected for its own reason when it is processed
    decisions = [decision for rows in groups.values() for decision in _decide(rows)]
    yield from sorted(decisions, key=lambda decision: decision.index)


def _decide(rows: Sequence[_Repeated]) -> Iterator[RepeatDecision]:
    statements = {_facts(row.offer) for row in rows}
    if len(statements) == 1:
        yield from (RepeatDecision(index=row.index, action="repeated") for row in rows[1:])
        return
    reason = (
        f"the id {rows[0].offer.external_id} stands on {len(rows)} records with different "
        f"{_differing(rows)}"
    )
    yield from (RepeatDecision(index=row.index, action="rejected", reason=reason) for row in rows)


def _facts(offer: CleanOffer) -> tuple[object, ...]:
    return tuple(getattr(offer, name) for name in _COMPARED)


def statement_hash(offer: CleanOffer) -> str:
    """Return a hash of the facts in which records with one id have to agree."""
    return hashlib.sha256(repr(_facts(offer)).encode()).hexdigest()


def _differing(rows: Sequence[_Repeated]) -> str:
    """Return the facts that differ, with up to three values each."""
    texts = []
    for name in _COMPARED:
        values = list(dict.fromkeys(str(getattr(row.offer, name)) for row in rows))
        if len(values) > 1:
            texts.append(f"{name} ({', '.join(values[:3])})")
    return ", ".join(texts)
