"""Potency parser: THC or CBD in percent by mass, or milligrams per unit, package or milliliter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from catalog.ingest.cleaning.amount_scanner import Amount
from catalog.ingest.cleaning.amounts import parse_amounts
from catalog.ingest.cleaning.numbers import NUMBER, normalize_text, normalize_value
from catalog.ingest.vocabulary import product_form
from mlops.pipelines.errors import RecordRejected

_RATIO = re.compile(r"\d\s*:\s*\d")
# Some menus write a number or a range as a list: "[72.99]%", "[71.65, 73.24]%".
_LIST = re.compile(r"\[\d[\d.]*(?:, \d[\d.]*)?\](?=%|mg)")
# "0.5 ml = 10 mg" states what a part of a bottle contains.
_PART_OF_VOLUME = re.compile(rf"{NUMBER}\s*ml\s*=\s*{NUMBER}\s*mg")
_MAX_CACHED_READINGS = 50_000
_MAX_PERCENT = Decimal(100)
# More than the largest package sold contains; above it a unit or a decimal point is wrong.
_MAX_MILLIGRAMS = Decimal(20_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PotencyReading:
    """
    Percent by mass (low, high), or milligrams (low, high) and their basis; None: not stated.

    per: "unit", "package", "ml" or None when the text states no basis.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    milligrams: tuple[Decimal, Decimal] | None = None
    per: str | None = None
    flags: tuple[str, ...] = ()


def read_potency(
    text: str, *, field: str, language: str = "", context: Mapping[str, str] | None = None
) -> PotencyReading:
    """
    Parse a supplier's text for THC or CBD.

    text: as written, in English or French: "18,00 – 24,00 %", "180 mg/g", "<1%", "2 x 10 mg",
    "THC 20 % CBD 1 %". field: "thc" or "cbd". context: category, column.
    A bound leaves one end open: "<1 %" is 0 to 1, "60 %+" is 60 without a high end.

    Raises RecordRejected: blank, words, ratios, negative, above 100 %, different amounts or units
    in one text, milligrams of flower, a bare number whose unit neither column nor category states.
    Source: Cannabis Regulations SOR/2018-144 (labelling).
    """
    context = context or {}
    normalized = normalize_value(text, field=field)
    outcome = _read_normalized(
        normalized, field, language, context.get("category", ""), context.get("column", "")
    )
    if isinstance(outcome, str):
        raise RecordRejected(outcome, field)
    return outcome


@lru_cache(maxsize=_MAX_CACHED_READINGS)
def _read_normalized(
    normalized: str, field: str, language: str, category: str, column: str
) -> PotencyReading | str:
    """Return the reading, or the reason of its rejection: a column repeats its texts."""
    try:
        return _read(normalized, field, language, category, column)
    except RecordRejected as rejection:
        return rejection.reason


def _read(normalized: str, field: str, language: str, category: str, column: str) -> PotencyReading:
    if _PART_OF_VOLUME.search(normalized):
        raise RecordRejected("is the amount of a part, not of the package", field)
    text = _LIST.sub(lambda match: match[0][1:-1].replace(", ", " - ") + " ", normalized)
    amounts = parse_amounts(text, field=field, language=language)
    if not amounts:
        is_ratio = _RATIO.search(normalized) is not None
        raise RecordRejected(
            "is a ratio, not an amount" if is_ratio else "contains no amount", field
        )
    form = product_form(category)
    readings = [
        _to_reading(amount, form=form, column=normalize_text(column), field=field)
        for amount in amounts
    ]
    return _combine(readings, field)


def _combine(readings: list[PotencyReading], field: str) -> PotencyReading:
    """Return the one value of all readings: "20 % (200 mg/g)" states it twice."""
    values = {replace(reading, flags=()) for reading in readings}
    if len(values) > 1:
        raise RecordRejected("contains different amounts or units", field)
    flags = dict.fromkeys(flag for reading in readings for flag in reading.flags)
    return replace(readings[0], flags=tuple(flags))


def _to_reading(amount: Amount, *, form: str, column: str, field: str) -> PotencyReading:
    if not amount.unit:
        unit = _assumed_unit(column, form, field)
        amount = replace(amount, unit=unit, flags=(*amount.flags, "unit_assumed"))
    if amount.unit == "mg/g":
        if max(amount.ends) > 1000:
            raise RecordRejected("is above 1000 mg/g; perhaps 100 times too large", field)
        amount = replace(amount.scaled(Decimal("0.1")), unit="%")
    if amount.unit == "%":
        return _percent_reading(amount, form=form, field=field)
    return _milligram_reading(amount, form=form, column=column, field=field)


def _percent_reading(amount: Amount, *, form: str, field: str) -> PotencyReading:
    low, high = amount.ends
    flags = amount.flags
    if high > _MAX_PERCENT:
        raise RecordRejected("is above 100 percent; perhaps 100 times too large", field)
    if form == "edible":
        if not high:
            raise RecordRejected("is 0 % of an edible, which states no milligrams", field)
        flags = (*flags, "percent_of_edible")
    if "lower_bound" in flags:
        return PotencyReading(low=low, flags=flags)
    return PotencyReading(low=Decimal(0) if "upper_bound" in flags else low, high=high, flags=flags)


def _milligram_reading(amount: Amount, *, form: str, column: str, field: str) -> PotencyReading:
    if form == "flower" and amount.unit != "mg/ml":
        raise RecordRejected("is in milligrams, but flower has percent", field)
    low, high = amount.ends
    flags = amount.flags
    if high > _MAX_MILLIGRAMS:
        raise RecordRejected("is more milligrams than a package contains", field)
    if "lower_bound" in flags or "upper_bound" in flags:
        low = high if "lower_bound" in flags else Decimal(0)
    per = {"mg/unit": "unit", "mg/package": "package", "mg/ml": "ml"}.get(amount.unit)
    if per is None and "per unit" in column:
        per = "unit"
    return PotencyReading(milligrams=(low, high), per=per, flags=flags)


def _assumed_unit(column: str, form: str, field: str) -> str:
    """Return the unit of a bare number from its column name and product form."""
    if re.search(r"mg[ _/]*(?:per[ _])?(?:g\b|gram)", column):
        return "mg/g"
    if re.search(r"mg[ _/]*(?:per[ _])?ml", column):
        return "mg/ml"
    if "per unit" in column:
        return "mg/unit"
    if "%" in column or "percent" in column or "pct" in column:
        return "%"
    if re.search(r"\bmg\b|_mg|milligram", column):
        return "mg"
    if form == "edible":
        raise RecordRejected(
            "is a bare number, which on an edible may be percent or milligrams", field
        )
    return "%"
