"""
Stages of the pipeline of offers: read by the platform's parser, then cleaned.

Pure functions. A record is rejected without an id, a name or a price in its format; category, size,
potency and GTIN that cannot be read are left open.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils import timezone

from catalog.ingest.cleaning.identifiers import gtin_of_sku, read_gtin
from catalog.ingest.cleaning.listing import refine_category
from catalog.ingest.cleaning.names import clean_text, name_measures
from catalog.ingest.cleaning.potency import PotencyReading, read_potency
from catalog.ingest.cleaning.sizes import SizeReading, read_size
from catalog.ingest.vocabulary import CATEGORIES, find_category
from catalog.reference.equivalents import dried_equivalent
from competitors.ingest.offers import ExtractedOffer, Promotion, Stock
from competitors.ingest.records import CleanOffer, MenuRecord, ReadOffer
from mlops.pipelines.errors import RecordRejected

_MAX_ID_LENGTH = 200
_MAX_NAME_LENGTH = 500
_MAX_TEXT_LENGTH = 200
_MAX_POTENCY_LENGTH = 100
_MAX_SKU_LENGTH = 100
_MAX_URL_LENGTH = 1_000
_MAX_PRICE = Decimal(100_000)
_MAX_COUNT = 1_000_000
_CENT = Decimal("0.01")
_MIN_PACKAGE_MG = 1
_LAB_TOLERANCE = Decimal("0.15")
_STATED_MG = re.compile(r"(?<![\d.,:])(\d{1,4}(?:[.,]\d+)?) ?mg\b(?! ?/ ?g)", re.IGNORECASE)
_LANGUAGES = ("en", "fr")


def read_offer(record: MenuRecord) -> ReadOffer:
    """Read a record by its platform's parser. Raises RecordRejected with field and reason."""
    return ReadOffer(menu_record=record, extracted=record.platform.read_record(record.record))


def clean_offer(read: ReadOffer) -> CleanOffer:
    """Clean an offer. Raises RecordRejected with field and reason."""
    menu_record, extracted = read.menu_record, read.extracted
    name = _read_name(extracted.name)
    regular_price, sale_price = _read_prices(extracted)
    language = _language(extracted.language) or _language(menu_record.language)
    size = _read_size(extracted, language)
    category = _read_category(extracted.category)
    if category:
        category = refine_category(category, unit_count=size.unit_count, weight_grams=size.grams)
    is_tax_included = extracted.tax_included
    return CleanOffer(
        source=menu_record.source,
        location=menu_record.location,
        external_id=_read_id(extracted.external_id),
        name=name,
        brand=_short_text(extracted.brand, "brand"),
        category=category,
        size=_short_text(extracted.size, "size"),
        language=language,
        gtin=read_gtin(extracted.gtin).value or gtin_of_sku(extracted.sku) or "",
        sku=" ".join(extracted.sku.split())[:_MAX_SKU_LENGTH],
        url=_read_url(extracted.url),
        thc=_potency_text(extracted.thc),
        cbd=_potency_text(extracted.cbd),
        weight_grams=_round(size.grams),
        unit_count=size.unit_count,
        volume_ml=_round(size.milliliters),
        thc_mg=_read_milligrams(extracted, size, language),
        dried_equivalent_grams=dried_equivalent(
            category,
            grams=size.grams,
            milliliters=size.milliliters,
            unit_count=size.unit_count,
            on=timezone.localdate(menu_record.observed_at),
        ),
        regular_price=regular_price,
        sale_price=sale_price,
        member_price=_read_price(extracted.member_price, "member_price"),
        promotions=tuple(map(_promotion_json, extracted.promotions)),
        currency=_read_currency(extracted.currency),
        is_tax_included=menu_record.is_tax_included if is_tax_included is None else is_tax_included,
        stock=extracted.stock,
        stock_quantity=_read_count(extracted.stock_quantity),
        confidence=min(max(extracted.confidence, Decimal(0)), Decimal(1)).quantize(_CENT),
        extractor_version=f"{menu_record.platform.code}-{menu_record.platform.version}",
        capture_hash=menu_record.capture_hash,
        observed_at=menu_record.observed_at,
    )


def _read_id(text: str) -> str:
    external_id = text.strip()
    if not external_id:
        raise RecordRejected("is missing", "external_id")
    if len(external_id) > _MAX_ID_LENGTH:
        raise RecordRejected(f"is longer than {_MAX_ID_LENGTH} characters", "external_id")
    return external_id


def _read_name(text: str) -> str:
    name = clean_text(text, field="name")
    if not any(letter.isalnum() for letter in name):
        raise RecordRejected("is missing", "name")
    if len(name) > _MAX_NAME_LENGTH:
        raise RecordRejected(f"is longer than {_MAX_NAME_LENGTH} characters", "name")
    return name


def _read_prices(extracted: ExtractedOffer) -> tuple[Decimal | None, Decimal | None]:
    """Return regular and sale price. Raises RecordRejected: none, or they contradict."""
    regular = _read_price(extracted.regular_price, "regular_price")
    sale = _read_price(extracted.sale_price, "sale_price")
    if regular is None and sale is None and extracted.stock != Stock.OUT:
        raise RecordRejected("is missing", "regular_price")
    if regular is not None and sale is not None and sale > regular:
        raise RecordRejected(f"{sale} is above the regular price {regular}", "sale_price")
    return regular, None if sale == regular else sale


def _read_price(price: Decimal | None, field: str) -> Decimal | None:
    if price is None:
        return None
    if not price.is_finite() or not 0 < price <= _MAX_PRICE:
        raise RecordRejected(f"{price} is not a price", field)
    return price.quantize(_CENT, ROUND_HALF_UP)


def _read_currency(text: str) -> str:
    currency = text.strip().upper()
    if len(currency) != 3 or not currency.isalpha() or not currency.isascii():
        raise RecordRejected(f"{text!r} is not a currency code", "currency")
    return currency


def _read_count(quantity: int | None) -> int | None:
    """Return the units in stock; a number that tills use for "unlimited" states none."""
    return quantity if quantity is not None and 0 <= quantity <= _MAX_COUNT else None


def _language(text: str) -> str:
    code = text[:2].lower()
    return code if code in _LANGUAGES else ""


def _read_category(text: str) -> str:
    return text if text in CATEGORIES.values() else find_category(text) or ""


def _read_size(extracted: ExtractedOffer, language: str) -> SizeReading:
    """Read the size, else the one size that the name states."""
    context = {"category": extracted.category}
    if extracted.size.strip():
        try:
            return read_size(extracted.size, language=language, context=context)
        except RecordRejected:
            pass
    readings = set()
    for measure in name_measures(extracted.name):
        try:
            readings.add(read_size(measure, language=language, context=context))
        except RecordRejected:
            continue
    return readings.pop() if len(readings) == 1 else SizeReading()


def _read_milligrams(extracted: ExtractedOffer, size: SizeReading, language: str) -> Decimal | None:
    """Return the milligrams of THC in the package; None: not stated, or unclear of how much."""
    try:
        reading = read_potency(
            extracted.thc, field="thc", language=language, context={"category": extracted.category}
        )
    except RecordRejected:
        return None
    amount = _package_milligrams(reading, size)
    if amount is None or amount < _MIN_PACKAGE_MG or _contradicts_text(amount, extracted):
        return None
    return _round(amount)


def _contradicts_text(amount: Decimal, extracted: ExtractedOffer) -> bool:
    """
    Return whether name and size state doses, none of which the amount is or measures.

    Menus fill in the dose of a piece, grams, or a share of the mass as if they were milligrams.
    """
    stated = {
        Decimal(number.replace(",", "."))
        for number in _STATED_MG.findall(f"{extracted.name} ; {extracted.size}")
    }
    return bool(stated) and all(abs(dose - amount) > _LAB_TOLERANCE * dose for dose in stated)


def _package_milligrams(reading: PotencyReading, size: SizeReading) -> Decimal | None:
    if reading.milligrams is None:
        return None
    low, high = reading.milligrams
    if low != high:
        return None
    if reading.per == "unit":
        return high * size.unit_count if size.unit_count else None
    if reading.per == "ml":
        return high * size.milliliters if size.milliliters else None
    # Without a basis, milligrams of several pieces may be those of one or of all.
    is_clear = reading.per == "package" or (size.unit_count or 1) == 1
    return high if is_clear else None


def _short_text(text: str, field: str) -> str:
    return clean_text(text, field=field)[:_MAX_TEXT_LENGTH]


def _potency_text(text: str) -> str:
    return " ".join(text.split())[:_MAX_POTENCY_LENGTH]


def _read_url(text: str) -> str:
    url = text.strip()
    is_web_address = url.startswith(("http://", "https://"))
    return url if is_web_address and len(url) <= _MAX_URL_LENGTH else ""


def _round(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_CENT, ROUND_HALF_UP)


def _promotion_json(promotion: Promotion) -> Mapping[str, Any]:
    values = {name: value for name, value in asdict(promotion).items() if value is not None}
    return {
        name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()
    }
