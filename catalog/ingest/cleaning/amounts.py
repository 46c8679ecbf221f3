"""Amounts of a cannabinoid in a text: ends, unit, bounds; of several cannabinoids the one asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from catalog.ingest.cleaning.numbers import NUMBER, read_number
from mlops.pipelines.errors import RecordRejected

_UNIT_WORD = r"(?:unit[ée]?s?|un\.?|each|ea\.?|chacune?|pi[eè]ces?|pcs?|pc|caps?(?:ules?)?|g[ée]lules?|pills?|softgels?|gumm(?:y|ies)|chews?|servings?|portions?|doses?|comprim[ée]s?|bonbons?|spray|pulv[ée]risation)"
_PACK_WORD = r"(?:packages?|pkg|packs?|pk|paquets?|emballages?|containers?|contenants?|bottles?|bouteilles?|cans?|canettes?|bars?|tablettes?|jars?|pots?|total)"
_UNITS = {
    "mg/g": r"mg\s*(?:/|per|par|of thc per)\s*(?:g\b|gr\b|gram(?:me)?s?)",
    "mg/ml": r"mg\s*(?:/|per|par)\s*(?:ml|millilit(?:er|re)s?)\b",
    "mg/unit": rf"mg\s*(?:(?:of |de )?(?:thc|cbd)\s*)?(?:/|per|par|\b)\s*{_UNIT_WORD}\b",
    "mg/package": rf"mg\s*(?:(?:of |de )?(?:thc|cbd)\s*)?(?:/|per|par|\b)\s*{_PACK_WORD}\b",
    "mcg": r"(?:mcg|µg|μg|ug)\b",
    "mg": r"(?:mg|milligram(?:me)?s?)\b",
    "g": r"(?:g|grams?|grammes?)\b",
    "%": r"(?:%\s*(?:[wm]/[wm]\b)?|percent\b|per cent\b|pour cent\b|p\. ?cent\b|pct\b)",
}
_UNIT = "|".join(_UNITS.values())
_SIGN = r"(?P<sign><=?|≤|>=?|≥|~|±|less than|under|moins d[e']|up to|jusqu'?[àa]|maximum|max\.?|more than|over|plus d[e']|at least|au moins|min(?:imum)?\.?|environ|approx\.?|about)?\s*"
_TIMES = r"(?:(?P<count>\d{1,3})\s*[x×*]\s*)?"
_TO = r"\s*(?:-|to|à|et(?=\s*\d)|and(?=\s*\d))\s*"
_AMOUNT = re.compile(
    rf"{_SIGN}{_TIMES}(?P<minus>(?<![\d%a-z)] )(?<![\d%a-z)])-\s*)?(?P<low>{NUMBER})\s*(?:(?P<low_unit>{_UNIT})?{_TO}(?P<minus2>-\s*)?(?P<high>{NUMBER}))?\s*(?P<unit>{_UNIT})?(?:\s*[x×]\s*(?P<times>\d{{1,3}})\b(?!\s*(?:mg|%)))?(?P<plus>\s*(?:\+|or more|ou plus|et plus|minimum|min\b))?(?P<max>\s*(?:max(?:imum)?\b|or less|ou moins))?"
)
_LABEL = re.compile(
    r"\b(?:total\s+)?(delta[- ]?(?:8|10)[- ]?thc|d8[- ]?thc|thca|thcv|thc|cbda|cbdv|cbd|cbga|cbg|cbn|cbc|tac|cannabinoids?|cannabino[iï]des?|terp[eè]nes?)\b(?:-(?=[\d.]))?"
)
_UPPER = ("<", "<=", "≤", "less", "under", "moins", "up", "jusqu", "max")
_LOWER = (">", ">=", "≥", "more", "over", "plus", "at", "au", "min")


@dataclass(frozen=True, slots=True)
class Amount:
    """Both ends, in `unit` ("" when none is written); flags of bounds and counts."""

    ends: tuple[Decimal, Decimal]
    unit: str
    flags: tuple[str, ...] = ()

    def scaled(self, factor: Decimal) -> "Amount":
        """Return the same amount in another unit."""
        return replace(self, ends=(self.ends[0] * factor, self.ends[1] * factor))


def amounts_of(words: str, *, field: str, language: str) -> list[Amount]:
    """
    Return the amounts that plain text gives for the field; those of other cannabinoids are left out.

    Labels either all stand before their amounts ("thc 20 % cbd 1 %") or all after ("10 mg thc, 5 mg cbd").
    Raises RecordRejected for negative amounts, and when the text speaks of other cannabinoids only.
    """
    text = re.sub(r"\d+(?:[.,]\d+)?\s*:\s*\d+(?:[.,]\d+)?(?:\s*:\s*\d+)*", " ", words)
    text = re.sub(r"(?:delta|δ|\bd)[- ]?9[- ]?(?=thc)", "", text)
    labels = [(found.start(), found[1]) for found in _LABEL.finditer(text)]
    amounts = list(_amounts(_LABEL.sub(lambda found: " " * len(found[0]), text), field, language))
    if not labels:
        return [amount for _, amount in amounts]
    if field not in {label for _, label in labels}:
        raise RecordRejected(f"speaks of {labels[0][1]} only", field)
    if not amounts:
        return []
    is_before = labels[0][0] < amounts[0][0]
    mine = []
    for place, amount in amounts:
        near = [label for at, label in labels if (at < place if is_before else at > place)]
        if near and near[-1 if is_before else 0] == field:
            mine.append(amount)
    if not mine and len(labels) > 1:
        raise RecordRejected("does not tell which amount is whose", field)
    return mine


def _amounts(text: str, field: str, language: str) -> Iterator[tuple[int, Amount]]:
    for found in _AMOUNT.finditer(text):
        low_unit, unit = _unit(found["low_unit"]), _unit(found["unit"])
        if low_unit and unit and low_unit != unit:
            raise RecordRejected("holds two different units", field)
        unit = unit or low_unit
        if found["minus"] or found["minus2"] or found["sign"] == "±":
            raise RecordRejected(
                "is negative" if found["sign"] != "±" else "is a tolerance, not an amount", field
            )
        rest = text[found.end() : found.end() + 12].strip()
        if not unit and re.match(r"[a-zà-ÿ/°#]", rest):
            continue  # a number of something else: "2 pack", "12 cbd"
        has_thousands = unit != "%"
        ends = [
            read_number(part, field=field, language=language, may_have_thousands=has_thousands)
            for part in (found["low"], found["high"] or found["low"])
        ]
        flags = list(_bounds(found))
        if ends[0] > ends[1]:
            ends, flags = ends[::-1], [*flags, "ends_reversed"]
        if found["count"] or (found["times"] and unit):
            unit, flags = ("mg/unit" if unit == "mg" else unit), [*flags, "multipack"]
        if unit == "mg" and re.match(r".*\b(?:each|chacune?s?)\b", text[: found.start()]):
            unit = "mg/unit"
        amount = Amount((ends[0], ends[1]), unit, tuple(flags))
        if unit in ("g", "mcg"):
            amount = replace(
                amount.scaled(Decimal(1000) if unit == "g" else Decimal("0.001")), unit="mg"
            )
        yield found.start("low"), amount


def _unit(written: str | None) -> str:
    return (
        next((name for name, pattern in _UNITS.items() if re.fullmatch(pattern, written)), "")
        if written
        else ""
    )


def _bounds(found: re.Match[str]) -> Iterator[str]:
    sign = found["sign"] or ""
    if sign.startswith(_UPPER) or found["max"]:
        yield "upper_bound"
    elif sign.startswith(_LOWER) or found["plus"]:
        yield "lower_bound"
    elif sign:
        yield "approximate"
