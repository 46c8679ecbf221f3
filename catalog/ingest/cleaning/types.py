"""Strain type parser: English or French text into one of six types."""

import re
from decimal import Decimal

from catalog.ingest.cleaning.numbers import NO_VALUE, is_blank_value, normalize_text
from catalog.ingest.vocabulary import STRAIN_TYPES
from mlops.pipelines.errors import RecordRejected

_FIELD = "strain_type"
_ABBREVIATIONS = {
    "i": "indica",
    "ind": "indica",
    "s": "sativa",
    "sat": "sativa",
    "h": "hybrid",
    "hyb": "hybrid",
    "ih": "indica_dominant",
    "i/h": "indica_dominant",
    "sh": "sativa_dominant",
    "s/h": "sativa_dominant",
}
_PERCENTAGE = re.compile(
    r"(\d{1,3})(?:[.,]\d+)?\s*%?\s*(?:d'|de )?(indica|sativa)|(indica|sativa)\s*:?\s*(\d{1,3})\s*%"
)
_DOMINANCE = (
    r"(?:dom(?:inante?|inance)?|lean(?:ing)?|heavy|[àa] (?:forte )?dominance|pr[ée]dominan\w+"
    r"|mostly|principalement)"
)


def read_strain_type(text: str) -> str:
    """
    Return indica, sativa, hybrid, indica_dominant, sativa_dominant or blend; raises RecordRejected.

    "INDICA_HYBRID" and "hybride à dominance indica" are indica_dominant, "60 % sativa / 40 %
    indica" is sativa_dominant, equal percentages are hybrid. A text that names two types without a
    dominance is rejected.
    """
    normalized = normalize_text(text).replace("_", " ")
    if is_blank_value(normalized):
        raise RecordRejected(NO_VALUE, _FIELD)
    if known := STRAIN_TYPES.get(normalized) or _ABBREVIATIONS.get(normalized):
        return known
    percentages = {a or b: Decimal(x or y) for x, a, b, y in _PERCENTAGE.findall(normalized)}
    if percentages:
        return _type_from_percentages(percentages)
    if re.search(r"\b(?:no|not|non|sans|without|pas)\b", normalized):
        raise RecordRejected("denies a type", _FIELD)
    types = {name for name in ("indica", "sativa") if re.search(rf"\b{name}s?\b", normalized)}
    is_hybrid = bool(re.search(r"\bhybrid[es]*\b", normalized))
    dominant = {name for name in types if _is_dominant(name, normalized)}
    if len(dominant) == 1:
        return f"{dominant.pop()}_dominant"
    if len(types) == 1:
        return f"{types.pop()}_dominant" if is_hybrid else types.pop()
    if not types and is_hybrid:
        return "hybrid"
    if re.search(r"\b(?:blend|m[ée]lange|assort\w+|variety pack)\b", normalized):
        return "blend"
    raise RecordRejected("names no single type" if types else "is no strain type", _FIELD)


def _is_dominant(name: str, normalized: str) -> bool:
    pattern = rf"\b{name}s?\b[- ]*{_DOMINANCE}|{_DOMINANCE}[- ]*(?:de l'|d'|de )?{name}"
    return re.search(pattern, normalized) is not None


def _type_from_percentages(percentages: dict[str, Decimal]) -> str:
    if len(percentages) == 1:
        name, percentage = next(iter(percentages.items()))
        other = "sativa" if name == "indica" else "indica"
        percentages = {name: percentage, other: 100 - percentage}
    if sum(percentages.values()) != 100:
        raise RecordRejected("contains percentages that do not add up to 100 %", _FIELD)
    first, second = sorted(percentages, key=lambda name: -percentages[name])
    if percentages[first] == percentages[second]:
        return "hybrid"
    return first if percentages[first] == 100 else f"{first}_dominant"
