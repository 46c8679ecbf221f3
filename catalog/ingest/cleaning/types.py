"""Strain type parser: English or French text into one of six types."""

import re
from decimal import Decimal

from catalog.ingest.cleaning.numbers import normalize_value
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
    "i-h": "indica_dominant",
    "s-h": "sativa_dominant",
    "h/i": "indica_dominant",
    "h/s": "sativa_dominant",
    "h-i": "indica_dominant",
    "h-s": "sativa_dominant",
}
_PERCENTAGE_BEFORE = re.compile(r"(?<![\w.,/$-])(\d{1,3})\s*%?\s*(?:d'|de )?(indica|sativa)(?!\w)")
_PERCENTAGE_AFTER = re.compile(r"(?<!\w)(indica|sativa)\s*:?\s*(\d{1,3})\s*%(?!\s*(?:thc|cbd))")
_SEGMENT = re.compile(r"\s+-\s+|[|,;()\[\]]")
# Abbreviations that stand for a type in brackets beside a name: "White Truffle (I-H)".
_BRACKETED_ABBREVIATION = re.compile(r"[(\[]([ihs]|[is][-/]h|h[-/][is])[)\]]")
_DOMINANCE = (
    r"(?:dom(?:inante?|inance)?|lean(?:ing)?|heavy|[àa] (?:forte )?dominance|pr[ée]dominan\w+"
    r"|mostly|principalement)"
)


def read_strain_type(text: str) -> str:  # noqa: PLR0911  # one return per kind of statement
    """
    Return indica, sativa, hybrid, indica_dominant, sativa_dominant or blend; raises RecordRejected.

    "INDICA_HYBRID" and "hybride à dominance indica" are indica_dominant, "60 % sativa / 40 %
    indica" is sativa_dominant, equal percentages are hybrid. A text that names two types without a
    dominance is rejected. A type that stands for itself beside a strain's name ("White Sativa |
    Hybrid") wins over words inside the name.
    """
    normalized = normalize_value(text, field=_FIELD).replace("_", " ").strip()
    if known := STRAIN_TYPES.get(normalized) or _ABBREVIATIONS.get(normalized):
        return known
    if outright := _outright_type(normalized):
        return outright
    if percentages := _find_percentages(normalized):
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


def _outright_type(normalized: str) -> str | None:
    """Return the type that stands for itself beside a name: "White Sativa | Hybrid" is hybrid."""
    segments = {segment.strip() for segment in _SEGMENT.split(normalized)}
    types = {STRAIN_TYPES[segment] for segment in segments if segment in STRAIN_TYPES}
    if not types and (match := _BRACKETED_ABBREVIATION.search(normalized)):
        types = {_ABBREVIATIONS[match[1]]}
    return types.pop() if len(types) == 1 else None


def _find_percentages(normalized: str) -> dict[str, Decimal]:
    """Find the shares of types; "sativa 22 %" alone is a potency beside a type."""
    shares = {name: Decimal(share) for share, name in _PERCENTAGE_BEFORE.findall(normalized)}
    shares_after = {name: Decimal(share) for name, share in _PERCENTAGE_AFTER.findall(normalized)}
    return shares or (shares_after if len(shares_after) > 1 else {})


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
