"""Cannabinoid amounts in a text: range, unit and bounds of the cannabinoid wanted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from catalog.ingest.cleaning.numbers import NUMBER, read_number
from mlops.pipelines.errors import RecordRejected

_UNIT_WORD = (
    r"(?:unit[ée]?s?|un\.?|each|ea\.?|chacune?|pi[eè]ces?|pcs?|pc|caps?(?:ules?)?|g[ée]lules?|pills?"
    r"|softgels?|gumm(?:y|ies)|chews?|servings?|portions?|doses?|comprim[ée]s?|bonbons?|spray"
    r"|pulv[ée]risation)"
)
_PACK_WORD = (
    r"(?:packages?|pkg|packs?|pk|paquets?|emballages?|containers?|contenants?|bottles?|bouteilles?"
    r"|cans?|canettes?|bars?|tablettes?|jars?|pots?|total)"
)
_OF_CANNABINOID = r"(?:(?:of |de )?(?:thc|cbd)\s*)?"
_UNITS = {
    "mg/g": r"mg\s*(?:/|per|par|of thc per)\s*(?:g\b|gr\b|gram(?:me)?s?)",
    "mg/ml": r"mg\s*(?:/|per|par)\s*(?:ml|millilit(?:er|re)s?)\b",
    "mg/unit": rf"mg\s*{_OF_CANNABINOID}(?:/|per|par|\b)\s*{_UNIT_WORD}\b",
    "mg/package": rf"mg\s*{_OF_CANNABINOID}(?:/|per|par|\b)\s*{_PACK_WORD}\b",
    "mcg": r"(?:mcg|µg|μg|ug)\b",
    "mg": r"(?:mg|milligram(?:me)?s?)\b",
    "g": r"(?:g|grams?|grammes?)\b",
    "%": r"(?:%\s*(?:[wm]/[wm]\b)?|percent\b|per cent\b|pour cent\b|p\. ?cent\b|pct\b)",
}
_UNIT = "|".join(_UNITS.values())
_SIGN = (
    r"(?P<sign><=?|≤|>=?|≥|~|±|less than|under|moins d[e']|up to|jusqu'?[àa]|maximum|max\.?"
    r"|more than|over|plus d[e']|at least|au moins|min(?:imum)?\.?|environ|approx\.?|about)?\s*"
)
_MULTIPLIER = r"(?:(?P<count>\d{1,3})\s*[x×*]\s*)?"
_RANGE_SEPARATOR = r"\s*(?:-|to|à|et(?=\s*\d)|and(?=\s*\d))\s*"
_AMOUNT = re.compile(
    rf"{_SIGN}{_MULTIPLIER}(?P<minus>(?<![\d%a-z)] )(?<![\d%a-z)])-\s*)?(?P<low>{NUMBER})\s*"
    rf"(?:(?P<low_unit>{_UNIT})?{_RANGE_SEPARATOR}(?P<high_minus>-\s*)?(?P<high>{NUMBER}))?\s*"
    rf"(?P<unit>{_UNIT})?(?:\s*[x×]\s*(?P<times>\d{{1,3}})\b(?!\s*(?:mg|%)))?"
    r"(?P<plus>\s*(?:\+|or more|ou plus|et plus|minimum|min\b))?"
    r"(?P<max>\s*(?:max(?:imum)?\b|or less|ou moins))?"
)
_LABEL = re.compile(
    r"\b(?:total\s+)?(delta[- ]?(?:8|10)[- ]?thc|d8[- ]?thc|thca|thcv|thc|cbda|cbdv|cbd|cbga|cbg"
    r"|cbn|cbc|tac|cannabinoids?|cannabino[iï]des?|terp[eè]nes?)\b(?:-(?=[\d.]))?"
)
_RATIO = re.compile(r"\d+(?:[.,]\d+)?\s*:\s*\d+(?:[.,]\d+)?(?:\s*:\s*\d+)*")
_DELTA_9 = re.compile(r"(?:delta|δ|\bd)[- ]?9[- ]?(?=thc)")
_UPPER_BOUND_SIGNS = ("<", "<=", "≤", "less", "under", "moins", "up", "jusqu", "max")
_LOWER_BOUND_SIGNS = (">", ">=", "≥", "more", "over", "plus", "at", "au", "min")


@dataclass(frozen=True, slots=True)
class Amount:
    """Both ends of a range, in `unit` ("": none stated), with flags of bounds and counts."""

    ends: tuple[Decimal, Decimal]
    unit: str
    flags: tuple[str, ...] = ()

    def scaled(self, factor: Decimal) -> "Amount":
        """Return the same amount in another unit."""
        return replace(self, ends=(self.ends[0] * factor, self.ends[1] * factor))


def parse_amounts(text: str, *, field: str, language: str) -> list[Amount]:
    """
    Return the amounts of one cannabinoid in normalized text.

    field: "thc" or "cbd". Labels either all precede their amounts ("thc 20 % cbd 1 %") or all
    follow them ("10 mg thc, 5 mg cbd"); amounts labeled with another cannabinoid are left out.
    Raises RecordRejected for negative amounts and for texts about other cannabinoids only.
    """
    text = _DELTA_9.sub("", _RATIO.sub(" ", text))
    labels = [(match.start(), match[1]) for match in _LABEL.finditer(text)]
    unlabeled_text = _LABEL.sub(lambda match: " " * len(match[0]), text)
    amounts = list(_find_amounts(unlabeled_text, field, language))
    if not labels:
        return [amount for _, amount in amounts]
    if field not in {label for _, label in labels}:
        raise RecordRejected(f"states {labels[0][1]} only", field)
    if not amounts:
        return []
    labels_precede = labels[0][0] < amounts[0][0]
    labeled = [
        amount
        for position, amount in amounts
        if _nearest_label(labels, position, precedes=labels_precede) == field
    ]
    if not labeled and len(labels) > 1:
        raise RecordRejected("does not state which amount is of which cannabinoid", field)
    return labeled


def _nearest_label(labels: list[tuple[int, str]], position: int, *, precedes: bool) -> str | None:
    if precedes:
        return next((label for at, label in reversed(labels) if at < position), None)
    return next((label for at, label in labels if at > position), None)


def _find_amounts(text: str, field: str, language: str) -> Iterator[tuple[int, Amount]]:
    """Yield each amount with its position in the text."""
    for match in _AMOUNT.finditer(text):
        unit = _match_unit(match, field)
        if match["minus"] or match["high_minus"]:
            raise RecordRejected("is negative", field)
        if match["sign"] == "±":
            raise RecordRejected("is a tolerance, not an amount", field)
        following = text[match.end() : match.end() + 12].strip()
        if not unit and re.match(r"[a-zà-ÿ/°#]", following):
            continue  # the number counts something else: "2 pack", "12 cbd"
        low, high = (
            read_number(number, field=field, language=language, may_have_thousands=unit != "%")
            for number in (match["low"], match["high"] or match["low"])
        )
        flags = list(_bound_flags(match))
        if low > high:
            low, high = high, low
            flags.append("ends_reversed")
        if match["count"] or (match["times"] and unit):
            unit = "mg/unit" if unit == "mg" else unit
            flags.append("multipack")
        if unit == "mg" and re.match(r".*\b(?:each|chacune?s?)\b", text[: match.start()]):
            unit = "mg/unit"
        yield match.start("low"), _in_milligrams(Amount((low, high), unit, tuple(flags)))


def _in_milligrams(amount: Amount) -> Amount:
    """Convert grams and micrograms to milligrams; other units stay."""
    factor = {"g": Decimal(1000), "mcg": Decimal("0.001")}.get(amount.unit)
    return replace(amount.scaled(factor), unit="mg") if factor else amount


def _match_unit(match: re.Match[str], field: str) -> str:
    low_unit = _unit_name(match["low_unit"])
    unit = _unit_name(match["unit"])
    if low_unit and unit and low_unit != unit:
        raise RecordRejected("contains two different units", field)
    return unit or low_unit


def _unit_name(text: str | None) -> str:
    if not text:
        return ""
    return next((name for name, pattern in _UNITS.items() if re.fullmatch(pattern, text)), "")


def _bound_flags(match: re.Match[str]) -> Iterator[str]:
    sign = match["sign"] or ""
    if sign.startswith(_UPPER_BOUND_SIGNS) or match["max"]:
        yield "upper_bound"
    elif sign.startswith(_LOWER_BOUND_SIGNS) or match["plus"]:
        yield "lower_bound"
    elif sign:
        yield "approximate"
