"""Cleaning: pure functions from what a source wrote to what we keep. They refuse rather than guess."""

import re
from decimal import Decimal, InvalidOperation

from catalog.ingest.records import CleanListing, Potency, SourceRecord
from catalog.ingest.vocabulary import BY_MILLIGRAMS, CATEGORIES, STRAIN_TYPES
from mlops.flow.errors import RecordRejected

_NUMBER = r"\d+(?:[.,]\d+)?"
_PACK = re.compile(rf"^(\d+)\s*[x×]\s*({_NUMBER})\s*g$", re.I)
_GRAMS = re.compile(rf"^({_NUMBER})\s*g$", re.I)
_PIECES = re.compile(r"^(\d+)\s*(?:packs?|caps|capsules?)$", re.I)
_PRICE = re.compile(r"^(?:CAD)?\s*\$?\s*(\d{1,7}(?:[.,]\d{1,2})?)\s*\$?$")
_MOST_PERCENT = Decimal(100)


def clean_listing(record: SourceRecord) -> CleanListing:
    """Clean one record; raises RecordRejected with the field and the reason."""
    if record.defect:
        raise RecordRejected(record.defect)
    raw_name = _words(record.name)
    if not raw_name:
        raise RecordRejected("is missing", "name")
    if len(raw_name) > 255:
        raise RecordRejected("is longer than 255 characters", "name")
    weight, pieces = parse_size(record.size)
    category = refine_category(parse_category(record.category), pieces=pieces, weight_grams=weight)
    brand = _words(record.brand) or None
    sku = record.sku.rstrip("_ ") or None
    gtin = parse_gtin(record.sku)
    return CleanListing(
        source=record.source,
        external_id=record.external_id,
        language=record.language,
        merge_key=f"gtin:{gtin}" if gtin else f"{record.source}:{sku or record.external_id}",
        name=clean_name(raw_name, brand=brand),
        raw_name=raw_name,
        brand=brand,
        producer=_words(record.producer) or None,
        sku=sku,
        gtin=gtin,
        category=category,
        strain_type=parse_strain_type(record.strain_type),
        thc=parse_potency(record.thc_low, record.thc_high, category=category, field="thc"),
        cbd=parse_potency(record.cbd_low, record.cbd_high, category=category, field="cbd"),
        weight_grams=weight,
        pieces=pieces,
        price=parse_price(record.price),
        price_kind=record.price_kind,
        url=record.url or None,
        terpenes=tuple(dict.fromkeys(_words(t) for t in record.terpenes if _words(t))),
    )


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
    return Potency(low=ends[0].quantize(Decimal("0.01")), high=ends[1].quantize(Decimal("0.01")), unit="percent")


def parse_size(text: str) -> tuple[Decimal | None, int | None]:
    """Return grams of product and pieces: "3x0.5g" → 1.5 g in 3, "3,5 g" → 3.5 g; unread sizes give None."""
    text = text.replace("\xa0", " ").strip().rstrip("_")
    if found := _PACK.match(text):
        pieces, each = int(found[1]), _number(found[2], "size")
        return pieces * each, pieces
    if found := _GRAMS.match(text):
        return _number(found[1], "size"), None
    if found := _PIECES.match(text):
        return None, int(found[1])
    return None, None


def parse_price(text: str) -> Decimal:
    """Read a price in Canadian dollars ("27.55", "29,90 $"); raises RecordRejected when none, zero or negative."""
    found = _PRICE.match(text.replace("\xa0", " ").strip())
    if not found:
        raise RecordRejected(f"{text!r} is not a price" if text else "is missing", "price")
    price = _number(found[1], "price")
    if price <= 0:
        raise RecordRejected(f"{text} is not above zero", "price")
    return price


def parse_strain_type(text: str) -> str | None:
    """Return our word for the type, in either language; None when it says none."""
    return STRAIN_TYPES.get(_words(text).lower())


def parse_category(text: str) -> str:
    """Return our word for the category; raises RecordRejected for an unknown one."""
    category = CATEGORIES.get(_words(text).lower())
    if category is None:
        raise RecordRejected(f"{text!r} is not a category we know" if text else "is missing", "category")
    return category


def refine_category(category: str, *, pieces: int | None, weight_grams: Decimal | None) -> str:
    """Tell pre-rolls from flower by their packs of grams, capsules from extracts by their counted pieces."""
    if category == "dried-flower" and pieces and weight_grams:
        return "pre-rolls"
    if category == "extracts" and pieces and weight_grams is None:
        return "capsules"
    return category


def parse_gtin(text: str) -> str | None:
    """Return the GTIN-14 when the digits are one (12–14 of them, check digit right), else None."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 14):
        return None
    digits = digits.zfill(14)
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits[:13]))
    return digits if (10 - total % 10) % 10 == int(digits[13]) else None


def clean_name(name: str, *, brand: str | None) -> str:
    """Take the brand off the front, and shouting from names of several words; accents and form stay."""
    if brand and name.lower().startswith(f"{brand.lower()} ") and len(name) > len(brand) + 3:
        name = name[len(brand) :].lstrip(" -–:|")
    if name.isupper() and " " in name:
        name = name.title()
    return name


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
