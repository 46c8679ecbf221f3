"""
Listing cleaner: a source record into a clean listing, or rejected with field and reason.

A record is rejected without a usable name or category. Every other value that cannot be read stays
open: the listing is stored, with a flag and with the field, text and reason.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils import timezone

from catalog.ingest.cleaning.identifiers import (
    Identifier,
    gtin_of_sku,
    read_gtin,
    read_id,
    read_sku,
)
from catalog.ingest.cleaning.names import name_measures, read_brand, read_name
from catalog.ingest.cleaning.numbers import NO_VALUE, normalize_text, read_number, round_to
from catalog.ingest.cleaning.potency import PotencyReading, read_potency
from catalog.ingest.cleaning.prices import read_price
from catalog.ingest.cleaning.sizes import SizeReading, may_be_one_piece, read_size
from catalog.ingest.cleaning.stock import StockReading, read_stock
from catalog.ingest.cleaning.types import read_strain_type
from catalog.ingest.records import CleanListing, Potency, PotencyUnit, ProductRecord
from catalog.ingest.vocabulary import MILLIGRAM_CATEGORIES, find_category
from catalog.reference.equivalents import dried_equivalent
from mlops.pipelines.errors import RecordRejected

_MAX_CODE_LENGTH = 50
_MILLIGRAM_UNITS: dict[str | None, PotencyUnit] = {
    "unit": "mg_per_unit",
    "package": "mg_per_package",
    "ml": "mg_per_ml",
    None: "mg",
}
_PERCENT_COLUMN = {"column": "%"}
_MAX_QUOTED_LENGTH = 60
_MAX_UNIT_COUNT = 10_000
_MIN_BAG_GRAMS = 3
_MAX_RAW_LENGTH = 100
# Beyond this, a cell is cut before its spaces are collapsed.
_MAX_CELL = 1_000
_SHARE_BEHIND_NAME = re.compile(r"\s*[-–:(]?\s*[<>~]?\s*[\d.,]+\s*(?:%|mg/g)\s*\)?\s*$")


@dataclass(slots=True)
class _Doubts:
    """Codes of doubts, and the values that were left open or changed."""

    flags: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, flag: str, name: str, text: str, reason: str) -> None:
        """Record a value that was left open or changed."""
        self.flags.append(flag)
        written = " ".join(text[: _MAX_QUOTED_LENGTH * 2].split())
        if len(written) > _MAX_QUOTED_LENGTH:
            written = f"{written[:_MAX_QUOTED_LENGTH]}…"
        self.texts.append(f"{name}: {written!r}: {reason}" if written else f"{name}: {reason}")

    def leaving_open(self, name: str, text: str) -> "_LeavingOpen":
        """Turn a rejection of one value into a doubt; a text that states no value is none."""
        return _LeavingOpen(self, name, text)


@dataclass(frozen=True, slots=True)
class _LeavingOpen:
    doubts: _Doubts
    name: str
    text: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, RecordRejected):
            return False
        if error.reason != NO_VALUE and self.text.strip("_ "):
            self.doubts.add(f"{self.name}_unread", self.name, self.text, error.reason)
        return True


def clean_listing(record: ProductRecord) -> CleanListing:
    """Clean one record. Raises RecordRejected with the field and the reason."""
    if record.defect:
        raise RecordRejected(record.defect)
    doubts = _Doubts(flags=list(record.flags))
    brand = read_brand(record.brand)
    name = read_name(record.name, brand=brand)
    doubts.flags += name.flags
    size = _read_size(record, doubts)
    category = refine_category(
        parse_category(record.category), unit_count=size.unit_count, weight_grams=size.grams
    )
    stock = _read_stock(record, doubts)
    external_id = _read_external_id(record.external_id)
    sku, gtin = read_sku(record.sku), read_gtin(record.gtin)
    _add_identifier_doubt("sku", sku, doubts)
    _add_identifier_doubt("gtin", gtin, doubts)
    gtin_value = gtin.value or gtin_of_sku(record.sku)
    return CleanListing(
        source=record.source,
        external_id=external_id,
        language=record.language,
        merge_key=build_merge_key(
            source=record.source, external_id=external_id, sku=sku.value, gtin=gtin_value
        ),
        name=name.name,
        raw_name=_collapse_spaces(record.name),
        raw_category=_as_written(record.category[:_MAX_CELL]),
        raw_size=_as_written(f"{record.size[:_MAX_CELL]} {record.unit_count[:_MAX_CELL]}"),
        brand=brand or name.brand,
        producer=read_brand(record.producer, field="producer") or None,
        sku=sku.value,
        gtin=gtin_value,
        lots=tuple(filter(None, [_collapse_spaces(record.lot)[:_MAX_CODE_LENGTH]])),
        code_text=gtin.text[:_MAX_CODE_LENGTH] if gtin.text and not gtin.value else None,
        category=category,
        strain_type=_read_strain_type(record.strain_type, doubts),
        thc=_read_potency(record, "thc", category, doubts),
        cbd=_read_potency(record, "cbd", category, doubts),
        lot_thc=_read_lot_potency(record, "thc", doubts),
        lot_cbd=_read_lot_potency(record, "cbd", doubts),
        weight_grams=size.grams,
        volume_ml=size.milliliters,
        unit_count=size.unit_count,
        measures=name_measures(record.name),
        dried_equivalent_grams=dried_equivalent(
            category,
            grams=size.grams,
            milliliters=size.milliliters,
            unit_count=size.unit_count,
            on=timezone.localdate(),
        ),
        in_stock=stock.in_stock,
        stock_quantity=stock.quantity,
        price=_read_price(record, doubts),
        price_kind=record.price_kind,
        url=record.url or None,
        terpenes=tuple(dict.fromkeys(filter(None, map(_read_terpene, record.terpenes)))),
        terpene_source=record.terpene_source or None,
        flags=tuple(dict.fromkeys(doubts.flags)),
        doubts=tuple(doubts.texts),
    )


def _read_size(record: ProductRecord, doubts: _Doubts) -> SizeReading:
    """Read the size and the column of pieces."""
    size = SizeReading()
    with doubts.leaving_open("size", record.size):
        size = read_size(
            record.size.rstrip("_"), language=record.language, context={"category": record.category}
        )
    doubts.flags += size.flags
    size = SizeReading(
        grams=_round(size.grams, "size", record.size, doubts),
        milliliters=_round(size.milliliters, "size", record.size, doubts),
        unit_count=size.unit_count,
        flags=size.flags,
    )
    if size.unit_count is not None:
        _check_unit_count(size.unit_count, record, doubts)
        return size
    with doubts.leaving_open("unit_count", record.unit_count):
        unit_count = _read_unit_count(record.unit_count)
        if unit_count and may_be_one_piece(size):
            doubts.add(
                "size_may_be_one_piece",
                "size",
                record.size,
                f"may be the size of one of {unit_count} pieces or of all",
            )
        return SizeReading(
            grams=size.grams, milliliters=size.milliliters, unit_count=unit_count, flags=size.flags
        )
    return size


def _check_unit_count(unit_count: int, record: ProductRecord, doubts: _Doubts) -> None:
    """Record a doubt when the column of pieces contradicts the size: "3 x 0.5 g" and 5."""
    with doubts.leaving_open("unit_count", record.unit_count):
        stated = _read_unit_count(record.unit_count)
        if stated and stated != unit_count:
            reason = f"the size states {unit_count} pieces"
            doubts.add("unit_count_differs", "unit_count", record.unit_count, reason)


def _read_unit_count(text: str) -> int | None:
    """Return the number of pieces: "10", "10.0", "10 caps"; None for one or none stated."""
    if not text.strip():
        return None
    normalized = normalize_text(text[: _MAX_QUOTED_LENGTH * 2])
    if re.fullmatch(r"[\d., ]+", normalized):
        count = read_number(normalized, field="unit_count").value
        if count != count.to_integral_value() or not 0 <= count <= _MAX_UNIT_COUNT:
            raise RecordRejected("is not a number of pieces", "unit_count")
        return int(count) if count > 1 else None
    return read_size(text).unit_count


def _read_stock(record: ProductRecord, doubts: _Doubts) -> StockReading:
    if not record.stock.strip():
        return StockReading(in_stock=record.in_stock)
    with doubts.leaving_open("in_stock", record.stock):
        reading = read_stock(record.stock, language=record.language)
        doubts.flags += (f"stock_{flag}" for flag in reading.flags)
        return StockReading(
            reading.in_stock, _round(reading.quantity, "stock_quantity", record.stock, doubts)
        )
    return StockReading()


def _read_price(record: ProductRecord, doubts: _Doubts) -> Decimal | None:
    if record.price is None:
        return None
    if not record.price.strip():
        doubts.add("price_missing", "price", "", "is missing")
        return None
    with doubts.leaving_open("price", record.price):
        reading = read_price(record.price, language=record.language)
        for flag in reading.flags:
            reason = f"{flag.replace('_', ' ')}, read as {reading.price}"
            doubts.add(f"price_{flag}", "price", record.price, reason)
        return reading.price
    return None


def _read_lot_potency(record: ProductRecord, name: str, doubts: _Doubts) -> Decimal | None:
    """Read the percentage that store staff typed from one lot; independent of the label's range."""
    text = getattr(record, f"lot_{name}")
    if not text.strip():
        return None
    with doubts.leaving_open(f"lot_{name}", text):
        reading = read_potency(
            text, field=name, language=record.language, context={"column": "lot %"}
        )
        if reading.low is None or reading.low != reading.high:
            raise RecordRejected("is not one percentage", f"lot_{name}")
        return _round(reading.low, f"lot_{name}", text, doubts)
    return None


def _read_potency(
    record: ProductRecord, name: str, category: str, doubts: _Doubts
) -> Potency | None:
    """Read one text, or else the columns of both ends."""
    text = getattr(record, name)
    if not text:
        return _read_ends(record, name, category, doubts)
    with doubts.leaving_open(name, text):
        reading = read_potency(
            text, field=name, language=record.language, context={"category": record.category}
        )
        doubts.flags += (f"{name}_{flag}" for flag in reading.flags)
        if reading.milligrams is None and (reading.low is None or reading.high is None):
            raise RecordRejected("states no upper end", name)
        if reading.milligrams is None and category in MILLIGRAM_CATEGORIES:
            raise RecordRejected("is a percentage of a product labeled in milligrams", name)
        return _to_potency(reading, name, text, doubts)
    return None


def _read_ends(record: ProductRecord, name: str, category: str, doubts: _Doubts) -> Potency | None:
    """
    Read the columns of the low and the high end; an end that is not stated is the other.

    A percentage gives no potency of categories labeled in milligrams.
    Source: Cannabis Regulations SOR/2018-144 (labelling).
    """
    texts = [getattr(record, f"{name}_{end}") for end in ("low", "high")]
    if not any(text.strip() for text in texts):
        return None
    written = " – ".join(text.strip() for text in texts)
    with doubts.leaving_open(name, written):
        low, high = (_read_end(text, name, record.language) for text in texts)
        if low is None or high is None:
            low = high = low or high
        if low is None or high is None:
            return None
        reading = _join_ends(low, high, name)
        if reading.milligrams is None and category in MILLIGRAM_CATEGORIES:
            return None
        for flag in reading.flags:
            doubts.add(f"{name}_{flag}", name, written, flag.replace("_", " "))
        return _to_potency(reading, name, written, doubts)
    return None


def _read_end(text: str, name: str, language: str) -> PotencyReading | None:
    try:
        return read_potency(text, field=name, language=language, context=_PERCENT_COLUMN)
    except RecordRejected as rejection:
        if rejection.reason == NO_VALUE:
            return None
        raise


def _join_ends(low: PotencyReading, high: PotencyReading, name: str) -> PotencyReading:
    """Return one range of two ends. Raises RecordRejected: different units."""
    flags = [flag for end in (low, high) for flag in end.flags if flag == "leading_point"]
    ends: tuple[Decimal, Decimal]
    if low.milligrams and high.milligrams and low.per == high.per:
        ends = low.milligrams[0], high.milligrams[1]
    elif low.milligrams or high.milligrams:
        raise RecordRejected("contains two different units", name)
    else:
        # The low end "<1" is 0 to 1; the high end "20+" states 20 alone.
        last = high.high if high.high is not None else high.low
        ends = low.low or Decimal(0), last or Decimal(0)
    if ends[0] > ends[1]:
        ends = ends[1], ends[0]
        flags.append("ends_reversed")
    if low.milligrams:
        return PotencyReading(milligrams=ends, per=low.per, flags=tuple(dict.fromkeys(flags)))
    return PotencyReading(low=ends[0], high=ends[1], flags=tuple(dict.fromkeys(flags)))


def _to_potency(reading: PotencyReading, name: str, text: str, doubts: _Doubts) -> Potency:
    low, high = reading.milligrams or (reading.low, reading.high)
    unit: PotencyUnit = _MILLIGRAM_UNITS[reading.per] if reading.milligrams else "percent"
    is_one_value = low == high
    rounded_low = _round(low, name, text, doubts)
    rounded_high = rounded_low if is_one_value else _round(high, name, text, doubts)
    if rounded_low is None or rounded_high is None:
        raise RecordRejected("states no upper end", name)
    return Potency(low=rounded_low, high=rounded_high, unit=unit)


def _round(value: Decimal | None, name: str, text: str, doubts: _Doubts) -> Decimal | None:
    """Return the value at the column's two decimals; a change of what is shown is a doubt."""
    if value is None:
        return None
    rounded, is_changed = round_to(value, 2)
    if is_changed and f"{name}_rounded" not in doubts.flags:
        doubts.add(f"{name}_rounded", name, text, f"rounded to {rounded}")
    return rounded


def _read_strain_type(text: str, doubts: _Doubts) -> str | None:
    with doubts.leaving_open("strain_type", text):
        return read_strain_type(text)
    return None


def _read_terpene(text: str) -> str:
    """Return the terpene's name without its share: "Limonene - 0.03 %"."""
    name = _collapse_spaces(text)
    return _SHARE_BEHIND_NAME.sub("", name) if "%" in name or "mg" in name else name


def parse_category(text: str) -> str:
    """Return the catalogue category. Raises RecordRejected for an unknown one."""
    category = find_category(text)
    if category is None:
        raise RecordRejected(
            f"{text!r} is not one known category" if text.strip() else "is missing", "category"
        )
    return category


def refine_category(category: str, *, unit_count: int | None, weight_grams: Decimal | None) -> str:
    """
    Correct a category by the size: flower in pieces is pre-rolls, extracts in pieces are capsules.

    "2 x 3.5 g" are two bags of flower: no pre-roll weighs as much. Extracts are counted in pieces
    without a weight.
    """
    if category == "dried_flower" and unit_count and weight_grams:
        is_bagged = weight_grams / unit_count >= _MIN_BAG_GRAMS
        return category if is_bagged else "pre_rolls"
    if category == "extracts" and unit_count and weight_grams is None:
        return "capsules"
    return category


def build_merge_key(*, source: str, external_id: str, sku: str | None, gtin: str | None) -> str:
    """Return the key of a listing's product: its GTIN, else its SKU or id at the source."""
    return f"gtin:{gtin}" if gtin else f"{source}:{sku or external_id}"


def _read_external_id(text: str) -> str:
    reading = read_id(text)
    if reading.value is None:
        raise RecordRejected(f"{text!r} {reading.reason}" if text else "is missing", "external_id")
    return reading.text


def _add_identifier_doubt(name: str, identifier: Identifier, doubts: _Doubts) -> None:
    if identifier.problem:
        doubts.add(f"{name}_{identifier.problem}", name, identifier.text, identifier.reason)


def _as_written(text: str) -> str:
    return _collapse_spaces(text)[:_MAX_RAW_LENGTH]


def _collapse_spaces(text: str) -> str:
    return " ".join(text.split())
