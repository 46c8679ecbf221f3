"""Listing cleaner: a source record into a clean listing, or rejected with field and reason."""

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from django.utils import timezone
from stdnum import ean

from catalog.ingest.cleaning.names import name_measures, read_name
from catalog.ingest.cleaning.numbers import NO_VALUE
from catalog.ingest.cleaning.potency import read_potency
from catalog.ingest.cleaning.sizes import SizeReading, read_size
from catalog.ingest.cleaning.types import read_strain_type
from catalog.ingest.records import CleanListing, Potency, PotencyUnit, ProductRecord
from catalog.ingest.vocabulary import MILLIGRAM_CATEGORIES, find_category
from catalog.reference.equivalents import dried_equivalent
from mlops.pipelines.errors import RecordRejected

_PRICE = re.compile(r"^(?:CAD)?\s*\$?\s*(\d{1,7}(?:[.,]\d{1,2})?)\s*\$?$")
_GTIN_AS_NUMBER = re.compile(r"\d{12,14}\.0+|\d\.\d{10,13}[eE]\+1[1-3]")
_MAX_PERCENT = Decimal(100)
_MILLIGRAM_UNITS: dict[str | None, PotencyUnit] = {
    "unit": "mg_per_unit",
    "package": "mg_per_package",
    "ml": "mg_per_ml",
    None: "mg",
}


def clean_listing(record: ProductRecord) -> CleanListing:
    """Clean one record. Raises RecordRejected with the field and the reason."""
    if record.defect:
        raise RecordRejected(record.defect)
    name = read_name(record.name, brand=_collapse_spaces(record.brand))
    size = _read_size(record)
    category = refine_category(
        parse_category(record.category), unit_count=size.unit_count, weight_grams=size.grams
    )
    thc, thc_flags = _read_potency(record, "thc", category)
    cbd, cbd_flags = _read_potency(record, "cbd", category)
    lot_thc, lot_thc_flags = _read_lot_potency(record, "thc")
    lot_cbd, lot_cbd_flags = _read_lot_potency(record, "cbd")
    sku = record.sku.rstrip("_ ") or None
    gtin = parse_gtin(record.gtin) or parse_gtin(record.sku)
    return CleanListing(
        source=record.source,
        external_id=record.external_id,
        language=record.language,
        merge_key=f"gtin:{gtin}" if gtin else f"{record.source}:{sku or record.external_id}",
        name=name.name,
        raw_name=_collapse_spaces(record.name),
        brand=_collapse_spaces(record.brand) or None,
        producer=_collapse_spaces(record.producer) or None,
        sku=sku,
        gtin=gtin,
        category=category,
        strain_type=_read_strain_type(record.strain_type),
        thc=thc,
        cbd=cbd,
        lot_thc=lot_thc,
        lot_cbd=lot_cbd,
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
        in_stock=record.in_stock,
        price=None if record.price is None else parse_price(record.price),
        price_kind=record.price_kind,
        url=record.url or None,
        terpenes=tuple(
            dict.fromkeys(_collapse_spaces(t) for t in record.terpenes if _collapse_spaces(t))
        ),
        terpene_source=record.terpene_source or None,
        flags=(*size.flags, *thc_flags, *cbd_flags, *lot_thc_flags, *lot_cbd_flags),
    )


def _read_size(record: ProductRecord) -> SizeReading:
    """Read the size; one that cannot be read is flagged and does not reject the listing."""
    try:
        size = read_size(
            record.size.rstrip("_"), language=record.language, context={"category": record.category}
        )
    except RecordRejected:
        size = SizeReading(flags=("size_unread",) if record.size.strip("_ ") else ())
    if size.unit_count is None and record.unit_count.isdecimal() and int(record.unit_count) > 1:
        return replace(size, unit_count=int(record.unit_count))
    return size


def _read_lot_potency(record: ProductRecord, field: str) -> tuple[Decimal | None, tuple[str, ...]]:
    """Read the percentage that store staff typed from one lot; independent of the label's range."""
    text = getattr(record, f"lot_{field}")
    if not text.strip():
        return None, ()
    try:
        reading = read_potency(
            text, field=field, language=record.language, context={"column": "lot %"}
        )
    except RecordRejected:
        return None, (f"lot_{field}_unread",)
    if reading.low is None or reading.low != reading.high:
        return None, (f"lot_{field}_unread",)
    return reading.low.quantize(Decimal("0.01")), ()


def _read_potency(
    record: ProductRecord, field: str, category: str
) -> tuple[Potency | None, tuple[str, ...]]:
    """Read two ends or one text; a text that cannot be read is flagged, without a potency."""
    text = getattr(record, field)
    if not text:
        low = getattr(record, f"{field}_low")
        high = getattr(record, f"{field}_high")
        return parse_potency(low, high, category=category, field=field), ()
    try:
        reading = read_potency(
            text, field=field, language=record.language, context={"category": record.category}
        )
    except RecordRejected as rejection:
        is_blank = rejection.reason == NO_VALUE
        return None, () if is_blank else (f"{field}_unread",)
    flags = tuple(f"{field}_{flag}" for flag in reading.flags)
    if reading.milligrams:
        low, high = reading.milligrams
        return Potency(low=low, high=high, unit=_MILLIGRAM_UNITS[reading.per]), flags
    if reading.low is None or reading.high is None or category in MILLIGRAM_CATEGORIES:
        return None, (*flags, f"{field}_unread")
    low = reading.low.quantize(Decimal("0.01"))
    high = reading.high.quantize(Decimal("0.01"))
    return Potency(low=low, high=high, unit="percent"), flags


def _read_strain_type(text: str) -> str | None:
    try:
        return read_strain_type(text)
    except RecordRejected:
        return None


def parse_potency(low: str, high: str, *, category: str, field: str) -> Potency | None:
    """
    Parse both ends as percentages (from a label or tag).

    Returns None when absent, and for categories labeled in milligrams, whose percentage does not
    give the milligrams. Raises RecordRejected: not a number, negative, above 100 percent, ends
    reversed.
    Source: Cannabis Regulations SOR/2018-144 (labelling).
    """
    if not low.strip() and not high.strip():
        return None
    ends = [_parse_number(text or other, field) for text, other in ((low, high), (high, low))]
    if any(end < 0 or end > _MAX_PERCENT for end in ends):
        raise RecordRejected(f"{low} – {high} is not within 0–100 percent", field)
    if ends[0] > ends[1]:
        raise RecordRejected(f"the low end {low} is above the high end {high}", field)
    if category in MILLIGRAM_CATEGORIES:
        return None
    return Potency(
        low=ends[0].quantize(Decimal("0.01")),
        high=ends[1].quantize(Decimal("0.01")),
        unit="percent",
    )


def parse_price(text: str) -> Decimal:
    """Parse a price in CAD ("27.55", "29,90 $"). Raises RecordRejected: none, zero or negative."""
    match = _PRICE.match(text.replace("\xa0", " ").strip())
    if not match:
        raise RecordRejected(f"{text!r} is not a price" if text else "is missing", "price")
    price = _parse_number(match[1], "price")
    if price <= 0:
        raise RecordRejected(f"{text} is not above zero", "price")
    return price


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

    Extracts are counted in pieces without a weight.
    """
    if category == "dried_flower" and unit_count and weight_grams:
        return "pre_rolls"
    if category == "extracts" and unit_count and weight_grams is None:
        return "capsules"
    return category


def parse_gtin(text: str) -> str | None:
    """
    Return the GTIN-14 for 12–14 digits with a correct check digit, else None.

    Accepts GTINs that spreadsheets stored as numbers without losing a digit: "628110000123.0",
    "6.28110000123E+11".
    """
    digits = text.strip()
    if _GTIN_AS_NUMBER.fullmatch(digits):
        digits = f"{Decimal(digits):f}".partition(".")[0]
    is_gtin = (
        digits.isascii()
        and digits.isdigit()
        and 12 <= len(digits) <= 14
        and ean.is_valid(digits.zfill(14))
    )
    return digits.zfill(14) if is_gtin else None


def _collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def _parse_number(text: str, field: str) -> Decimal:
    try:
        number = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        raise RecordRejected(f"{text!r} is not a number", field) from None
    if not number.is_finite():
        raise RecordRejected(f"{text!r} is not a number", field)
    return number
