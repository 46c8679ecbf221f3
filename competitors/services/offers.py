"""
Saving of offers: new and changed rows by COPY, their observations, and events of their changes.

A row of `price_history` is written for a new offer and for each change of price, tax or stock; the
observations of unchanged offers are written once a day, when a crawl ends (`crawl_guard`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from competitors.comparable import CURRENCY, Package, price_without_tax, unit_prices
from competitors.ingest.offers import Stock
from competitors.ingest.records import CleanOffer, competitor_code
from competitors.models import Competitor, CompetitorLocation, CompetitorOffer
from competitors.services.offer_events import AVAILABLE, change_event
from mlops.models import OutboxEvent, Run
from mlops.pipelines.definitions import RowDifference, SaveCounts
from mlops.pipelines.errors import SourceBroken

COLUMNS = (
    "external_id",
    "name",
    "brand",
    "category",
    "size",
    "language",
    "gtin",
    "sku",
    "url",
    "thc",
    "cbd",
    "weight_grams",
    "unit_count",
    "volume_ml",
    "thc_mg",
    "dried_equivalent_grams",
    "regular_price",
    "sale_price",
    "member_price",
    "promotions",
    "currency",
    "is_tax_included",
    "stock",
    "stock_quantity",
    "confidence",
    "capture_hash",
    "extractor_version",
)
"""Columns of `competitor_offers` that are read from a page."""
_DESCRIPTION_COLUMNS = (
    "name",
    "brand",
    "category",
    "size",
    "gtin",
    "thc",
    "cbd",
    "weight_grams",
    "unit_count",
    "volume_ml",
    "thc_mg",
)
_PRICE_COLUMNS = ("regular_price", "sale_price", "currency", "is_tax_included")
_OBSERVED_COLUMNS = (*_PRICE_COLUMNS, "stock")
# The same content read from another page, or by another version, is no change.
_UNHASHED_COLUMNS = ("capture_hash", "extractor_version")
_HIDDEN_COLUMNS = frozenset({"external_id", *_UNHASHED_COLUMNS})
_COLUMN_LIST = ", ".join(COLUMNS)
_WRITTEN_LIST = f"id, {_COLUMN_LIST}, net_price, content_hash, last_seen_at"
_COPY_NEW = (
    f"COPY competitor_offers ({_WRITTEN_LIST}, competitor_id, location_id, run_id, "
    "match_status, missed_crawls, first_seen_at) FROM STDIN"
)
_CREATE_STAGING = f"""
CREATE TEMP TABLE IF NOT EXISTS staged_offers AS
SELECT {_WRITTEN_LIST}, false AS has_new_description, false AS has_new_price,
  false AS is_restocked
FROM competitor_offers WITH NO DATA;
TRUNCATE staged_offers
"""
_COPY_STAGING = f"""
COPY staged_offers ({_WRITTEN_LIST}, has_new_description, has_new_price, is_restocked) FROM STDIN
"""
_UPDATE = f"""
UPDATE competitor_offers o SET {", ".join(f"{name} = s.{name}" for name in COLUMNS)},
  net_price = s.net_price, content_hash = s.content_hash, last_seen_at = s.last_seen_at,
  run_id = %s,
  previous_price = CASE WHEN s.has_new_price THEN coalesce(o.sale_price, o.regular_price)
    ELSE o.previous_price END,
  restocked_at = CASE WHEN s.is_restocked THEN s.last_seen_at ELSE o.restocked_at END,
  price_changed_at = CASE WHEN s.has_new_price THEN s.last_seen_at ELSE o.price_changed_at END,
  matched_at = CASE WHEN s.has_new_description THEN NULL ELSE o.matched_at END,
  missed_crawls = 0, gone_at = NULL
FROM staged_offers s WHERE o.id = s.id
"""
_HISTORY_KEY_COLUMNS = (
    "id",
    "offer_id",
    "product_id",
    "competitor",
    "scraped_at",
    "capture_hash",
)
_HISTORY_READ_COLUMNS = (
    "price",
    "in_stock",
    "regular_price",
    "sale_price",
    "currency",
    "is_tax_included",
    "unit_price",
    "stock",
    "extractor_version",
    "confidence",
)
_HISTORY_COLUMNS = ", ".join((*_HISTORY_KEY_COLUMNS, *_HISTORY_READ_COLUMNS))
_COPY_HISTORY = f"COPY {{}} ({_HISTORY_COLUMNS}) FROM STDIN"
_CREATE_STAGED_HISTORY = f"""
CREATE TEMP TABLE IF NOT EXISTS staged_history AS
SELECT {_HISTORY_COLUMNS} FROM price_history WITH NO DATA;
TRUNCATE staged_history
"""
# A page that is read again by a newer version of the parser corrects its observation.
_UPSERT_HISTORY = f"""
INSERT INTO price_history ({_HISTORY_COLUMNS}) SELECT {_HISTORY_COLUMNS} FROM staged_history
ON CONFLICT (id) DO UPDATE SET
  {", ".join(f"{name} = excluded.{name}" for name in _HISTORY_READ_COLUMNS)}
"""
_LOCK_OFFERS = "SELECT pg_advisory_xact_lock(hashtext('competitor_offers'), hashtext(%s))"
# SHA-256 over the content hashes of a competitor's current offers, in the order of their keys.
_CHECKSUM = """
SELECT encode(sha256(convert_to(coalesce(string_agg(
  o.content_hash, '' ORDER BY l.platform_id, o.external_id), ''), 'UTF8')), 'hex')
FROM competitor_offers o JOIN competitors c ON c.id = o.competitor_id
LEFT JOIN competitor_locations l ON l.id = o.location_id
WHERE c.code = %s AND o.gone_at IS NULL
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HISTORY_ID_SQL = (
    "md5(o.id::text || (extract(epoch FROM s.observed_at) * 1000000)::bigint::text)::uuid"
)
"""SQL of `history_id` for offer `o` and time `s.observed_at`."""


@dataclass(frozen=True, slots=True)
class Menu:
    """A competitor with one of its locations; None: the shop has one menu."""

    competitor: Competitor
    location: CompetitorLocation | None

    @property
    def province(self) -> str:
        """Province of the location, which determines the tax."""
        return (self.location and self.location.province) or self.competitor.province


@dataclass(frozen=True, slots=True)
class _Change:
    """A new or changed offer with its stored row; None: new."""

    id: UUID
    offer: CleanOffer
    observed_at: datetime
    net_price: Decimal | None
    content_hash: str
    stored: CompetitorOffer | None

    def differs(self, columns: Iterable[str]) -> bool:
        return self.stored is None or any(
            getattr(self.stored, column) != getattr(self.offer, column) for column in columns
        )


@dataclass(frozen=True, slots=True)
class _Changes:
    """Offers to write, and the number of unchanged ones."""

    new: list[_Change]
    changed: list[_Change]
    unchanged: int


@transaction.atomic
def save_offers(
    *,
    listings: Sequence[CleanOffer],
    run: Run | None,
    bundle: str | None = None,  # noqa: ARG001  # of every pipeline; an offer names its location
) -> SaveCounts:
    """
    Upsert offers, and write observations and events of what changed.

    Unchanged offers and those observed before the stored row are not written. Safe to repeat.
    Raises SourceBroken: a location was deleted since the crawl.
    """
    counts = SaveCounts()
    for menu, offers in _by_menu(listings):
        counts = _add(counts, _save_menu(menu, offers, run))
    return counts


@transaction.atomic
def preview_offers(*, listings: Sequence[CleanOffer]) -> list[RowDifference]:
    """Return the differences that saving would write, changed rows first. Writes nothing."""
    differences: list[RowDifference] = []
    for menu, offers in _by_menu(listings):
        changes = _find_changes(menu, offers, timezone.now())
        differences += map(_difference, (*changes.changed, *changes.new))
    return differences


def offers_checksum(source: str) -> str:
    """Return the SHA-256 over the content hashes of a competitor's current offers."""
    with connection.cursor() as cursor:
        cursor.execute(_CHECKSUM, [competitor_code(source)])
        return str(cursor.fetchone()[0])


def lock_offers(cursor: CursorWrapper, competitor: Competitor) -> None:
    """Lock a competitor's offers against other writers until the end of the transaction."""
    cursor.execute(_LOCK_OFFERS, [competitor.code])


def content_hash(offer: CleanOffer) -> str:
    """Return the SHA-256 over everything that was read of an offer."""
    values = {name: getattr(offer, name) for name in COLUMNS if name not in _UNHASHED_COLUMNS}
    text = json.dumps(values, sort_keys=True, default=_hashed_text)
    return hashlib.sha256(text.encode()).hexdigest()


def history_id(offer_id: UUID, observed_at: datetime) -> UUID:
    """Return the id of the observation of an offer at a time: saved again, it is one row."""
    microseconds = (observed_at - _EPOCH) // timedelta(microseconds=1)
    digest = hashlib.md5(f"{offer_id}{microseconds}".encode(), usedforsecurity=False)
    return UUID(digest.hexdigest())


def _net_price(offer: CleanOffer, *, province: str, observed_at: datetime) -> Decimal | None:
    """Return the price that anyone gets, without tax; None: not in CAD, or tax unknown."""
    if offer.price is None or offer.currency != CURRENCY:
        return None
    return price_without_tax(
        offer.price,
        is_tax_included=offer.is_tax_included,
        province=province,
        category=offer.category,
        on=timezone.localdate(observed_at),
    )


def _unit_price(change: _Change) -> Decimal | None:
    """Return the price per gram-equivalent without tax; None: price or amount unknown."""
    if change.net_price is None:
        return None
    package = Package(dried_equivalent_grams=change.offer.dried_equivalent_grams)
    return unit_prices(change.net_price, package).per_gram_equivalent


def _hashed_text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _by_menu(listings: Sequence[CleanOffer]) -> Iterator[tuple[Menu, list[CleanOffer]]]:
    """Yield offers by competitor and location. Raises SourceBroken: unknown location."""

    def key(offer: CleanOffer) -> tuple[str, str]:
        return offer.source, offer.location

    for (source, platform_id), group in groupby(sorted(listings, key=key), key=key):
        yield find_menu(source, platform_id), list(group)


def find_menu(source: str, platform_id: str) -> Menu:
    """Return a competitor's menu. Raises SourceBroken: competitor or location was deleted."""
    competitor = Competitor.objects.filter(code=competitor_code(source)).first()
    if competitor is None:
        raise SourceBroken(f"{source} is no competitor any more.")
    location = competitor.locations.filter(platform_id=platform_id).first()
    if platform_id and location is None:
        raise SourceBroken(f"{source} has no location {platform_id} any more.")
    return Menu(competitor, location)


def _save_menu(menu: Menu, offers: Sequence[CleanOffer], run: Run | None) -> SaveCounts:
    with connection.cursor() as cursor:
        # New offers are still new when they are written.
        lock_offers(cursor, menu.competitor)
        default_time = run.started_at if run else timezone.now()
        changes = _find_changes(menu, offers, default_time)
        _insert(cursor, menu, changes.new, run)
        _update(cursor, changes.changed, run)
        _record_observations(cursor, menu, changes)
    _publish_changes(menu, changes.changed)
    return SaveCounts(len(changes.new), len(changes.changed), changes.unchanged)


def _find_changes(menu: Menu, offers: Sequence[CleanOffer], default_time: datetime) -> _Changes:
    """Compare offers with their rows; of several with one id, that with the least hash is taken."""
    by_id: dict[str, tuple[str, CleanOffer]] = {}
    for offer in offers:
        hashed = (content_hash(offer), offer)
        known = by_id.get(offer.external_id)
        if known is None or hashed[0] < known[0]:
            by_id[offer.external_id] = hashed
    rows = CompetitorOffer.objects.filter(
        competitor=menu.competitor, location=menu.location, external_id__in=list(by_id)
    )
    # Locked: observations name the product that the offer is matched to at that moment.
    stored = {row.external_id: row for row in rows.order_by("pk").select_for_update()}
    new, changed = [], []
    for external_id, (hashed_content, offer) in by_id.items():
        row = stored.get(external_id)
        observed_at = offer.observed_at or default_time
        net_price = _net_price(offer, province=menu.province, observed_at=observed_at)
        pk = row.pk if row else uuid4()
        change = _Change(pk, offer, observed_at, net_price, hashed_content, row)
        if row is None:
            new.append(change)
        elif row.last_seen_at <= observed_at and (row.content_hash, row.net_price) != (
            hashed_content,
            net_price,
        ):
            changed.append(change)
    return _Changes(new, changed, len(by_id) - len(new) - len(changed))


def _written_values(change: _Change) -> tuple[Any, ...]:
    values = {name: getattr(change.offer, name) for name in COLUMNS}
    values["promotions"] = json.dumps(list(change.offer.promotions))
    read = (values[name] for name in COLUMNS)
    return (change.id, *read, change.net_price, change.content_hash, change.observed_at)


def _insert(cursor: CursorWrapper, menu: Menu, new: Sequence[_Change], run: Run | None) -> None:
    if not new:
        return
    location_id = menu.location.pk if menu.location else None
    run_id = run.pk if run else None
    origin = (menu.competitor.pk, location_id, run_id, CompetitorOffer.MatchStatus.UNMATCHED, 0)
    with cursor.copy(_COPY_NEW) as copy:
        for change in new:
            copy.write_row((*_written_values(change), *origin, change.observed_at))


def _update(cursor: CursorWrapper, changed: Sequence[_Change], run: Run | None) -> None:
    if not changed:
        return
    cursor.execute(_CREATE_STAGING)
    with cursor.copy(_COPY_STAGING) as copy:
        for change in changed:
            has_new_description = change.differs(_DESCRIPTION_COLUMNS)
            has_new_price = change.differs(_PRICE_COLUMNS)
            is_restocked = "back_in_stock" in _change_kinds(change)
            flags = (has_new_description, has_new_price, is_restocked)
            copy.write_row((*_written_values(change), *flags))
    cursor.execute(_UPDATE, [run.pk if run else None])


def _record_observations(cursor: CursorWrapper, menu: Menu, changes: _Changes) -> None:
    """Write the observations of new offers and of those whose price, tax or stock is new."""
    if changes.new:
        with cursor.copy(_COPY_HISTORY.format("price_history")) as copy:
            for change in changes.new:
                copy.write_row(_observation(menu, change))
    observed = [change for change in changes.changed if change.differs(_OBSERVED_COLUMNS)]
    if observed:
        cursor.execute(_CREATE_STAGED_HISTORY)
        with cursor.copy(_COPY_HISTORY.format("staged_history")) as copy:
            for change in observed:
                copy.write_row(_observation(menu, change))
        cursor.execute(_UPSERT_HISTORY)


def _observation(menu: Menu, change: _Change) -> tuple[Any, ...]:
    """Return the values of _HISTORY_COLUMNS."""
    offer = change.offer
    return (
        history_id(change.id, change.observed_at),
        change.id,
        change.stored.product_id if change.stored else None,
        menu.competitor.code,
        change.observed_at,
        offer.capture_hash,
        offer.price,
        None if offer.stock == Stock.UNKNOWN else offer.stock in AVAILABLE,
        offer.regular_price,
        offer.sale_price,
        offer.currency,
        offer.is_tax_included,
        _unit_price(change),
        offer.stock,
        offer.extractor_version,
        offer.confidence,
    )


def _publish_changes(menu: Menu, changed: Sequence[_Change]) -> None:
    """Add one event for each offer whose price or availability has changed."""
    events = []
    for change in changed:
        kinds = _change_kinds(change)
        if kinds and change.stored:
            event = change_event(
                changes=kinds,
                competitor=menu.competitor,
                before=change.stored,
                price=change.offer.price,
                stock=str(change.offer.stock),
                location=change.offer.location,
                observed_at=change.observed_at,
            )
            events.append(event)
    OutboxEvent.objects.bulk_create(events, batch_size=2_000)


def _change_kinds(change: _Change) -> list[str]:
    stored, offer = change.stored, change.offer
    if stored is None:
        return []
    was_available = stored.stock in AVAILABLE and stored.gone_at is None
    was_out = stored.stock == Stock.OUT or stored.gone_at is not None
    kinds = {
        "price": change.differs(_PRICE_COLUMNS),
        "back_in_stock": was_out and offer.stock in AVAILABLE,
        "out_of_stock": was_available and offer.stock == Stock.OUT,
    }
    return [kind for kind, applies in kinds.items() if applies]


def _difference(change: _Change) -> RowDifference:
    values = asdict(change.offer)
    stored = change.stored
    pairs = {
        name: (_shown(getattr(stored, name) if stored else None), _shown(values[name]))
        for name in COLUMNS
        if name not in _HIDDEN_COLUMNS
    }
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return RowDifference(
        key=f"{change.offer.location} {change.offer.external_id}".strip(),
        before={name: before for name, (before, _) in changed.items()},
        after={name: after for name, (_, after) in changed.items()},
        name=change.offer.name,
    )


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list | tuple):
        return json.dumps(list(value)) if value else ""
    return "" if value is None else str(value)


def _add(left: SaveCounts, right: SaveCounts) -> SaveCounts:
    return SaveCounts(
        left.new + right.new, left.changed + right.changed, left.unchanged + right.unchanged
    )
