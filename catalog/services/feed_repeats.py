"""
Repeated records of a feed: one identifier on several rows, compared over the whole feed.

Equal rows and rows by lot become one listing. Rows of one product that state different facts leave
one, flagged; the others are quarantined. Unlike rows under one id are all quarantined; a SKU or
GTIN on unlike rows identifies none of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.db import connection

from catalog.ingest.cleaning.listing import build_merge_key, clean_listing
from catalog.ingest.identity import is_unlike
from catalog.ingest.records import CleanListing, Potency, ProductRecord
from catalog.services.listings import COLUMNS, listing_row
from mlops.pipelines.definitions import RepeatDecision
from mlops.pipelines.errors import RecordRejected

_MAX_NAMES_SHOWN = 3
# Facts that rows of one product may state differently, as named in reasons.
_COMPARED = ("price", "thc_low", "thc_high", "cbd_low", "cbd_high", "in_stock", "name")
_HASH_INDEX = COLUMNS.index("content_hash")
_REPEATED_IDS = """
SELECT external_id, language FROM surveyed_listings
WHERE external_id <> '' GROUP BY 1, 2 HAVING count(*) > 1
"""
_SHARED_SKUS = """
SELECT sku FROM surveyed_listings
WHERE sku <> '' GROUP BY 1 HAVING count(DISTINCT external_id) > 1
"""
_SHARED_GTINS = """
SELECT gtin FROM surveyed_listings
WHERE gtin <> '' GROUP BY 1 HAVING count(DISTINCT external_id) > 1
"""


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    listing: CleanListing
    payload: Mapping[str, Any]

    @property
    def content_hash(self) -> str:
        return str(listing_row(self.listing)[_HASH_INDEX])


@dataclass(slots=True)
class _Groups:
    by_id: dict[tuple[str, str], list[_Row]] = field(default_factory=lambda: defaultdict(list))
    by_sku: dict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    by_gtin: dict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))


def find_repeats(*, records: Iterable[ProductRecord]) -> Iterator[RepeatDecision]:
    """
    Yield what becomes of the records that share an id, SKU or GTIN with another one.

    The feed has been surveyed (see `survey_feed`); it is read again only when it has such records.
    """
    groups = _group_rows(records)
    decisions: dict[int, RepeatDecision] = {}
    for rows in groups.by_id.values():
        if len(rows) > 1:
            decisions.update((d.index, d) for d in _decide_on_id(rows))
    shared = ((groups.by_sku, "sku_repeated"), (groups.by_gtin, "gtin_repeated"))
    for by_identifier, flag in shared:
        for rows in by_identifier.values():
            if _has_unlike_rows(rows):
                for row in rows:
                    _add_flag(decisions, row.index, flag)
    yield from (decisions[index] for index in sorted(decisions))


def combine_listings(*, values: Sequence[CleanListing], flags: Sequence[str]) -> CleanListing:
    """
    Return one listing of the rows of one product, the first with the ranges and lots of all.

    flags: added; `sku_repeated` and `gtin_repeated` take the identifier away, which stays as text.
    """
    listing = values[0]
    if len(values) > 1:
        listing = _combine_lots(values)
    if "sku_repeated" in flags and listing.sku:
        listing = replace(listing, sku=None, code_text=listing.code_text or listing.sku)
    if "gtin_repeated" in flags and listing.gtin:
        listing = replace(listing, gtin=None, code_text=listing.gtin)
    merge_key = build_merge_key(
        source=listing.source,
        external_id=listing.external_id,
        sku=listing.sku,
        gtin=listing.gtin,
    )
    all_flags = tuple(dict.fromkeys((*listing.flags, *flags)))
    return replace(listing, merge_key=merge_key, flags=all_flags)


def _group_rows(records: Iterable[ProductRecord]) -> _Groups:
    """Clean the records whose identifiers are repeated, and group them by identifier."""
    with connection.cursor() as cursor:
        ids = set(cursor.execute(_REPEATED_IDS).fetchall())
        skus = {sku for (sku,) in cursor.execute(_SHARED_SKUS)}
        gtins = {gtin for (gtin,) in cursor.execute(_SHARED_GTINS)}
    groups = _Groups()
    if not (ids or skus or gtins):
        return groups
    for index, record in enumerate(records):
        key = (record.external_id, record.language)
        has_shared_code = record.sku.strip() in skus or survey_gtin(record) in gtins
        if key not in ids and not has_shared_code:
            continue
        try:
            listing = clean_listing(record)
        except RecordRejected:
            continue  # rejected for its own reason when it is processed
        row = _Row(index, listing, record.payload if record.lot else {})
        if key in ids:
            groups.by_id[key].append(row)
        if has_shared_code and listing.gtin:
            groups.by_gtin[listing.gtin].append(row)
        elif has_shared_code and listing.sku:
            groups.by_sku[listing.sku].append(row)
    return groups


def survey_gtin(record: ProductRecord) -> str:
    """Return the code of the GTIN column in one width, for comparison within a feed."""
    code = record.gtin.strip()
    return code.zfill(14) if code else ""


def _decide_on_id(rows: Sequence[_Row]) -> Iterator[RepeatDecision]:
    if _has_unlike_rows(rows):
        names = list(dict.fromkeys(row.listing.name for row in rows))
        reason = (
            f"the id {rows[0].listing.external_id} stands on {len(rows)} rows of unlike products "
            f"({', '.join(names[:_MAX_NAMES_SHOWN])})"
        )
        for row in rows:
            yield RepeatDecision(index=row.index, action="rejected", reason=reason)
        return
    hashes = {row.index: row.content_hash for row in rows}
    # The least hash, so that the order of the rows does not matter.
    ordered = sorted(rows, key=lambda row: (hashes[row.index], row.index))
    first, others = ordered[0], ordered[1:]
    if all(hashes[row.index] == hashes[first.index] for row in others):
        yield from (RepeatDecision(index=row.index, action="repeated") for row in others)
        return
    distinct = _distinct_rows(ordered, hashes)
    if len({row.listing.lots for row in distinct}) == len(distinct):
        yield RepeatDecision(
            index=first.index,
            action="combined",
            payloads=tuple(row.payload for row in distinct[1:]),
        )
        yield from (RepeatDecision(index=row.index, action="repeated") for row in others)
        return
    yield RepeatDecision(index=first.index, action="combined", flags=("id_repeated",))
    for row in others:
        if hashes[row.index] == hashes[first.index]:
            yield RepeatDecision(index=row.index, action="repeated")
        else:
            reason = (
                f"the id {row.listing.external_id} is repeated in the list "
                f"with another {_differences(first.listing, row.listing)}"
            )
            yield RepeatDecision(index=row.index, action="rejected", reason=reason)


def _distinct_rows(rows: Sequence[_Row], hashes: Mapping[int, str]) -> list[_Row]:
    return list({hashes[row.index]: row for row in reversed(rows)}.values())[::-1]


def _add_flag(decisions: dict[int, RepeatDecision], index: int, flag: str) -> None:
    """Flag a record unless it is rejected or repeated anyway."""
    decision = decisions.get(index) or RepeatDecision(index=index, action="combined")
    if decision.action == "combined":
        decisions[index] = replace(decision, flags=(*decision.flags, flag))


def _has_unlike_rows(rows: Sequence[_Row]) -> bool:
    first = rows[0].listing
    return any(is_unlike(first, row.listing) for row in rows[1:])


def _differences(left: CleanListing, right: CleanListing) -> str:
    rows = (dict(zip(COLUMNS, listing_row(listing), strict=True)) for listing in (left, right))
    first, second = rows
    names = [name for name in _COMPARED if first[name] != second[name]]
    return ", ".join(name.replace("_", " ") for name in names) or "value"


def _combine_lots(values: Sequence[CleanListing]) -> CleanListing:
    prices = [listing.price for listing in values if listing.price is not None]
    stocks = [listing.in_stock for listing in values if listing.in_stock is not None]
    flags = [flag for listing in values for flag in listing.flags]
    if len(set(prices)) > 1:
        flags.append("lot_prices_differ")
    return replace(
        values[0],
        thc=_range_of(values, lambda listing: listing.thc),
        cbd=_range_of(values, lambda listing: listing.cbd),
        lot_thc=_single_value(listing.lot_thc for listing in values),
        lot_cbd=_single_value(listing.lot_cbd for listing in values),
        price=min(prices, default=None),
        in_stock=any(stocks) if stocks else None,
        lots=tuple(sorted({lot for listing in values for lot in listing.lots})),
        flags=tuple(dict.fromkeys(flags)),
    )


def _range_of(
    values: Sequence[CleanListing], potency_of: Callable[[CleanListing], Potency | None]
) -> Potency | None:
    """Return the range over all lots; that of the first where their units differ."""
    potencies = [potency for listing in values if (potency := potency_of(listing))]
    if len({potency.unit for potency in potencies}) != 1:
        return potency_of(values[0])
    return Potency(
        low=min(potency.low for potency in potencies),
        high=max(potency.high for potency in potencies),
        unit=potencies[0].unit,
    )


def _single_value(numbers: Iterable[Decimal | None]) -> Decimal | None:
    """Return the number that all lots state; None where they differ."""
    stated = {number for number in numbers if number is not None}
    return stated.pop() if len(stated) == 1 else None
