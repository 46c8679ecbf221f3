"""A whole listing, cleaned, or refused with the field and the reason."""

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import cast

from django.utils import timezone
from stdnum import ean

from catalog.ingest.cleaning.names import measures_of, read_name
from catalog.ingest.cleaning.potency import read_potency
from catalog.ingest.cleaning.sizes import SizeReading, read_size
from catalog.ingest.cleaning.types import read_strain_type
from catalog.ingest.records import CleanListing, Potency, PotencyUnit, SourceRecord
from catalog.ingest.vocabulary import BY_MILLIGRAMS, category_of
from catalog.reference.equivalents import dried_equivalent
from mlops.pipelines.errors import RecordRejected

_PRICE = re.compile(r"^(?:CAD)?\s*\$?\s*(\d{1,7}(?:[.,]\d{1,2})?)\s*\$?$")
_AS_NUMBER = re.compile(r"\d{12,14}\.0+|\d\.\d{10,13}[eE]\+1[1-3]")
_MOST_PERCENT = Decimal(100)


def clean_listing(record: SourceRecord) -> CleanListing:
    """Clean one record; raises RecordRejected with the field and the reason."""
    if record.defect:
        raise RecordRejected(record.defect)
    name = read_name(record.name, brand=_words(record.brand))
    size = _size(record)
    category = refine_category(
        parse_category(record.category), pieces=size.pieces, weight_grams=size.grams
    )
    thc, thc_flags = _potency(record, "thc", category)
    cbd, cbd_flags = _potency(record, "cbd", category)
    lot_thc, lot_thc_flags = _lot(record, "thc")
    lot_cbd, lot_cbd_flags = _lot(record, "cbd")
    sku = record.sku.rstrip("_ ") or None
    gtin = parse_gtin(record.gtin) or parse_gtin(record.sku)
    return CleanListing(
        source=record.source,
        external_id=record.external_id,
        language=record.language,
        merge_key=f"gtin:{gtin}" if gtin else f"{record.source}:{sku or record.external_id}",
        name=name.name,
        raw_name=_words(record.name),
        brand=_words(record.brand) or None,
        producer=_words(record.producer) or None,
        sku=sku,
        gtin=gtin,
        category=category,
        strain_type=_strain_type(record.strain_type),
        thc=thc,
        cbd=cbd,
        lot_thc=lot_thc,
        lot_cbd=lot_cbd,
        weight_grams=size.grams,
        volume_ml=size.milliliters,
        pieces=size.pieces,
        measures=measures_of(record.name),
        dried_grams=dried_equivalent(
            category,
            grams=size.grams,
            milliliters=size.milliliters,
            pieces=size.pieces,
            on=timezone.localdate(),
        ),
        in_stock=record.in_stock,
        price=None if record.price is None else parse_price(record.price),
        price_kind=record.price_kind,
        url=record.url or None,
        terpenes=tuple(dict.fromkeys(_words(t) for t in record.terpenes if _words(t))),
        terpene_basis=record.terpene_basis or None,
        flags=(*size.flags, *thc_flags, *cbd_flags, *lot_thc_flags, *lot_cbd_flags),
    )


def _size(record: SourceRecord) -> SizeReading:
    """Read the size; one that is written but cannot be read is flagged, since the product is sold all the same."""
    try:
        size = read_size(
            record.size.rstrip("_"), language=record.language, context={"category": record.category}
        )
    except RecordRejected:
        size = SizeReading(flags=("size_unread",) if record.size.strip("_ ") else ())
    if size.pieces is None and record.pieces.isdecimal() and int(record.pieces) > 1:
        return replace(size, pieces=int(record.pieces))
    return size


def _lot(record: SourceRecord, field: str) -> tuple[Decimal | None, tuple[str, ...]]:
    """Read what staff typed from one lot, always percent; it says nothing of the label's range."""
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


def _potency(
    record: SourceRecord, field: str, category: str
) -> tuple[Potency | None, tuple[str, ...]]:
    """Read two ends or one text; a text that cannot be believed is flagged and leaves the potency open."""
    text = getattr(record, field)
    if not text:
        low, high = getattr(record, f"{field}_low"), getattr(record, f"{field}_high")
        return parse_potency(low, high, category=category, field=field), ()
    try:
        reading = read_potency(
            text, field=field, language=record.language, context={"category": record.category}
        )
    except RecordRejected as rejection:
        is_open = rejection.reason == "says nothing"
        return None, () if is_open else (f"{field}_unread",)
    flags = tuple(f"{field}_{flag}" for flag in reading.flags)
    if reading.milligrams:
        unit = {"unit": "mg_per_unit", "package": "mg_per_package", "ml": "mg_per_ml"}.get(
            reading.per or "", "mg"
        )
        return Potency(
            low=reading.milligrams[0], high=reading.milligrams[1], unit=cast(PotencyUnit, unit)
        ), flags
    if reading.low is None or reading.high is None or category in BY_MILLIGRAMS:
        return None, (*flags, f"{field}_unread")
    ends = [end.quantize(Decimal("0.01")) for end in (reading.low, reading.high)]
    return Potency(low=ends[0], high=ends[1], unit="percent"), flags


def _strain_type(text: str) -> str | None:
    try:
        return read_strain_type(text)
    except RecordRejected:
        return None


def parse_potency(low: str, high: str, *, category: str, field: str) -> Potency | None:
    """
    Read both ends as numbers of percent (label or tag).

    Returns None when absent, and for edibles and the like, whose percent says nothing of the milligrams.
    Raises RecordRejected: not a number, negative, above 100 percent, ends reversed.
    Source: Cannabis Regulations SOR/2018-144 (labelling).
    """
    if not low.strip() and not high.strip():
        return None
    ends = [_number(text or other, field) for text, other in ((low, high), (high, low))]
    if any(end < 0 or end > _MOST_PERCENT for end in ends):
        raise RecordRejected(f"{low} – {high} is not within 0–100 percent", field)
    if ends[0] > ends[1]:
        raise RecordRejected(f"the low end {low} is above the high end {high}", field)
    if category in BY_MILLIGRAMS:
        return None
    return Potency(
        low=ends[0].quantize(Decimal("0.01")),
        high=ends[1].quantize(Decimal("0.01")),
        unit="percent",
    )


def parse_price(text: str) -> Decimal:
    """Read a price in Canadian dollars ("27.55", "29,90 $"); raises RecordRejected when none, zero or negative."""
    found = _PRICE.match(text.replace("\xa0", " ").strip())
    if not found:
        raise RecordRejected(f"{text!r} is not a price" if text else "is missing", "price")
    price = _number(found[1], "price")
    if price <= 0:
        raise RecordRejected(f"{text} is not above zero", "price")
    return price


def parse_category(text: str) -> str:
    """Return our word for the category; raises RecordRejected for an unknown one."""
    category = category_of(text)
    if category is None:
        raise RecordRejected(
            f"{text!r} is not one category we know" if text.strip() else "is missing", "category"
        )
    return category


def refine_category(category: str, *, pieces: int | None, weight_grams: Decimal | None) -> str:
    """Tell pre-rolls from flower by their packs of grams, capsules from extracts by their counted pieces."""
    if category == "dried-flower" and pieces and weight_grams:
        return "pre-rolls"
    if category == "extracts" and pieces and weight_grams is None:
        return "capsules"
    return category


def parse_gtin(text: str) -> str | None:
    """
    Return the GTIN-14 when the digits are one (12–14 of them, check digit right), else None.

    Spreadsheets keep them as numbers: "628110000123.0", "6.28110000123E+11" where no digit is lost.
    """
    digits = text.strip()
    if _AS_NUMBER.fullmatch(digits):
        digits = f"{Decimal(digits):f}".partition(".")[0]
    is_one = (
        digits.isascii()
        and digits.isdigit()
        and 12 <= len(digits) <= 14
        and ean.is_valid(digits.zfill(14))
    )
    return digits.zfill(14) if is_one else None


def _words(text: str) -> str:
    return " ".join(text.split())


def _number(text: str, field: str) -> Decimal:
    try:
        number = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        raise RecordRejected(f"{text!r} is not a number", field) from None
    if not number.is_finite():
        raise RecordRejected(f"{text!r} is not a number", field)
    return number
