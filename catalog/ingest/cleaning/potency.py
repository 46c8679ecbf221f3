"""THC and CBD as written: percent by mass, or milligrams per unit, package or milliliter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from catalog.ingest.cleaning.amounts import Amount, amounts_of
from catalog.ingest.cleaning.numbers import plain, says_nothing
from catalog.ingest.vocabulary import form_of
from mlops.pipelines.errors import RecordRejected

_RATIO = re.compile(r"\d+(?:[.,]\d+)?\s*:\s*\d+")
_MOST = Decimal(100)
# More milligrams than the largest package sold holds; beyond it a unit or a point is wrong.
_MOST_MILLIGRAMS = Decimal(20_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PotencyReading:
    """Percent by mass (low, high), or milligrams (low, high) with what they are per; None where unread."""

    low: Decimal | None = None
    high: Decimal | None = None
    milligrams: tuple[Decimal, Decimal] | None = None
    per: str | None = None
    flags: tuple[str, ...] = ()


def read_potency(
    text: str, *, field: str, language: str = "", context: Mapping[str, str] | None = None
) -> PotencyReading:
    """
    Read a supplier's text for THC or CBD.

    text: as written, English or French ("18,00 – 24,00 %", "180 mg/g", "<1%", "2 x 10 mg", "THC 20 % CBD 1 %").
    field: "thc" or "cbd". context: category, column.
    A bound keeps one end open: "<1 %" is 0 to 1, "60 %+" is 60 and no high end.
    Raises RecordRejected: nothing said, words, ratios, negative, above 100 %, different amounts or units in one text,
    milligrams of flower, a bare number whose unit nothing tells.
    Source: Cannabis Regulations SOR/2018-144 (labelling).
    """
    context = context or {}
    # Two numbers in square brackets are how some menus write a range.
    words = plain(
        re.sub(r"\[([^],]*),([^],]*)\]", r"\1 - \2", text).translate(str.maketrans("[]()", "    "))
    )
    if says_nothing(words):
        raise RecordRejected("says nothing", field)
    found = amounts_of(words, field=field, language=language)
    if not found:
        raise RecordRejected(
            "is a ratio, not an amount" if _RATIO.search(words) else "holds no amount", field
        )
    form, column = form_of(context.get("category", "")), plain(context.get("column", ""))
    readings = {_reading(amount, form=form, column=column, field=field) for amount in found}
    if len(readings) > 1:
        raise RecordRejected("holds different amounts or units", field)
    return readings.pop()


def _reading(amount: Amount, *, form: str, column: str, field: str) -> PotencyReading:
    unit, flags = amount.unit, amount.flags
    if not unit:
        unit, flags = _unit_of(column, form, field), (*flags, "unit_assumed")
    if unit == "mg/g":
        if max(amount.ends) > 1000:
            raise RecordRejected("is above 1000 mg/g; perhaps 100 times too large", field)
        amount, unit = amount.scaled(Decimal("0.1")), "%"
    if unit == "%":
        return _percent(amount, flags, form=form, field=field)
    return _milligrams(amount, unit, flags, form=form, column=column, field=field)


def _percent(amount: Amount, flags: tuple[str, ...], *, form: str, field: str) -> PotencyReading:
    low, high = amount.ends
    if high > _MOST:
        raise RecordRejected("is above 100 percent; perhaps 100 times too large", field)
    if form == "edible":
        if not high:
            raise RecordRejected("is 0 % of an edible, which says nothing", field)
        flags = (*flags, "percent_of_edible")
    if "lower_bound" in flags:
        return PotencyReading(low=low, flags=flags)
    return PotencyReading(low=Decimal(0) if "upper_bound" in flags else low, high=high, flags=flags)


def _milligrams(
    amount: Amount, unit: str, flags: tuple[str, ...], *, form: str, column: str, field: str
) -> PotencyReading:
    if form == "flower" and unit != "mg/ml":
        raise RecordRejected("is in milligrams, but flower has percent", field)
    low, high = amount.ends
    if high > _MOST_MILLIGRAMS:
        raise RecordRejected("is more milligrams than a package holds", field)
    if "lower_bound" in flags or "upper_bound" in flags:
        low = high if "lower_bound" in flags else Decimal(0)
    per = {"mg/unit": "unit", "mg/package": "package", "mg/ml": "ml"}.get(unit)
    if per is None and "per unit" in column:
        per = "unit"
    return PotencyReading(milligrams=(low, high), per=per, flags=flags)


def _unit_of(column: str, form: str, field: str) -> str:
    """Return the unit of a bare number, as far as its column and form tell."""
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
