"""Strain type parser: English or French text into one of six types."""

import re
from decimal import Decimal

from catalog.ingest.cleaning.numbers import normalize_value
from catalog.ingest.vocabulary import STRAIN_TYPES
from mlops.pipelines.errors import RecordRejected

_FIELD = "strain_type"
_MAX_ABBREVIATED = 20
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
_PERCENTAGE_BEFORE = re.compile(
    r"(?<![\w.,$#-])(?<!\d/)(\d{1,3})\s*(%?)\s*(?:d'|de )?(indica|sativa)(?!\w)"
)
# Words of a text that states one share: "70% indica", "hybride 70 % sativa".
_WORDS_OF_SHARES = re.compile(
    r"(?:indica|sativa|hybrid\w*|dom\w*|strain|vari[eé]t[eé]|[àa]|de|d|\d{1,3}|\W)+"
)
# "70/30 indica/sativa", "70/30 indica".
_RATIO_OF_TYPES = re.compile(
    r"(?<![\w.,/$#-])(?P<first>\d{1,2})\s*[/:-]\s*(?P<second>\d{1,2})\s*(?P<type>indica|sativa)"
    r"(?:\s*/\s*(?P<other>indica|sativa))?(?!\w)"
)
_RATIO_AFTER_TYPE = re.compile(
    r"\b(?P<type>indica|sativa)(?: dom\w*)?[\s(:,-]*"
    r"(?P<first>\d{1,2})\s*[/:-]\s*(?P<second>\d{1,2})(?!\w)"
)
_OTHER_TYPE = {"indica": "sativa", "sativa": "indica"}
_PERCENTAGE_AFTER = re.compile(r"(?<!\w)(indica|sativa)\s*:?\s*(\d{1,3})\s*%(?!\s*(?:thc|cbd))")
_SEGMENT = re.compile(r"\s+-\s+|[|,;()\[\]]")
# Abbreviations that stand for a type in brackets beside a name: "White Truffle (I-H)".
_BRACKETED_ABBREVIATION = re.compile(r"[(\[]([ihs]|[is][-/]h|h[-/][is])[)\]]")
# "No Limit Indica" is a name; "not an indica" and "pas d'indica" are denials.
_DENIAL = re.compile(
    r"\b(?:no|not|non|sans|without|pas|ni|jamais|never)[ -](?:an? |de l'|d'|de |une? )?"
    r"(?:indica|sativa|hybrid)"
)
# "Assorted Berry Chews" are of several flavors, not types.
_BLEND = re.compile(
    r"\b(?:blend|m[ée]lange|variety pack)\b|^assort\w+$"
    r"|\bassort\w+ (?:strains?|types?|vari[eé]t\w+)"
)
_DOMINANCE = (
    r"(?:dom(?:inante?|inance)?|lean(?:ing|s)?|heavy|[àa] (?:forte )?dominance|pr[ée]dominan\w+"
    r"|mostly|mainly|principalement|surtout|plut[ôo]t|majoritaire(?:ment)?)"
)
# "SativaDominant", "IndicaHybrid", as interfaces name them.
_JOINED_WORDS = re.compile(r"\b(indica|sativa|hybrid)(?=dominant|hybrid|indica|sativa)")
_ABBREVIATED_WORDS = re.compile(r"\b(ind|sat|hyb)\b\.?")


def read_strain_type(text: str) -> str:  # noqa: PLR0911  # one return per kind of statement
    """
    Return indica, sativa, hybrid, indica_dominant, sativa_dominant or blend; raises RecordRejected.

    "INDICA_HYBRID" and "hybride à dominance indica" are indica_dominant, "60 % sativa / 40 %
    indica" is sativa_dominant, equal percentages are hybrid. A text that names two types without a
    dominance is rejected. A type that stands for itself beside a strain's name ("White Sativa |
    Hybrid") wins over words inside the name.
    """
    normalized = normalize_value(text, field=_FIELD).replace("_", " ").strip()
    normalized = _JOINED_WORDS.sub(r"\1 ", normalized)
    if len(normalized) <= _MAX_ABBREVIATED:
        normalized = _ABBREVIATED_WORDS.sub(lambda match: _ABBREVIATIONS[match[1]], normalized)
    if known := STRAIN_TYPES.get(normalized) or _ABBREVIATIONS.get(normalized):
        return known
    if ratio := _find_ratio(normalized):
        return _type_from_percentages(ratio)
    types = {name for name in ("indica", "sativa") if re.search(rf"\b{name}s?\b", normalized)}
    dominant = {name for name in types if _is_dominant(name, normalized)}
    percentages = _find_percentages(normalized)
    outright = _outright_type(normalized)
    # "Hybrid (60% indica / 40% sativa)" states which hybrid it is.
    if len(dominant) != 1 and outright and not (outright == "hybrid" and len(percentages) > 1):
        return outright
    if percentages:
        return _type_from_percentages(percentages)
    if _DENIAL.search(normalized):
        raise RecordRejected("denies a type", _FIELD)
    is_hybrid = bool(re.search(r"\bhybrid[es]*\b", normalized))
    if len(dominant) == 1:
        return f"{dominant.pop()}_dominant"
    if len(types) == 1:
        return f"{types.pop()}_dominant" if is_hybrid else types.pop()
    if not types and is_hybrid:
        return "hybrid"
    if _BLEND.search(normalized):
        return "blend"
    raise RecordRejected("names no single type" if types else "is no strain type", _FIELD)


def _outright_type(normalized: str) -> str | None:
    """Return the type that stands for itself beside a name: "White Sativa | Hybrid" is hybrid."""
    segments = {segment.strip() for segment in _SEGMENT.split(normalized)}
    types = {STRAIN_TYPES[segment] for segment in segments if segment in STRAIN_TYPES}
    if not types and (match := _BRACKETED_ABBREVIATION.search(normalized)):
        types = {_ABBREVIATIONS[match[1]]}
    return types.pop() if len(types) == 1 else None


def _find_ratio(normalized: str) -> dict[str, Decimal]:
    """Find the shares of "70/30 indica/sativa", "70/30 indica" and "Indica (80/20)"."""
    match = _RATIO_OF_TYPES.search(normalized) or _RATIO_AFTER_TYPE.search(normalized)
    if not match:
        return {}
    first, second = Decimal(match["first"]), Decimal(match["second"])
    # "30/70 indica" does not say which share is whose.
    is_ordered = bool(match.groupdict().get("other")) or first > second
    if first + second != 100 or not is_ordered:
        return {}
    return {match["type"]: first, _OTHER_TYPE[match["type"]]: second}


def _find_percentages(normalized: str) -> dict[str, Decimal]:
    """
    Find the shares of types.

    "sativa 22 %" and "Cart 90 % sativa" state a potency beside a type, and "Gelato 33 indica" the
    number of a strain: one share counts in a text of nothing else, two when both are stated.
    """
    found = _PERCENTAGE_BEFORE.findall(normalized)
    shares = {name: Decimal(share) for share, _, name in found}
    is_alone = _WORDS_OF_SHARES.fullmatch(normalized) is not None
    if len(shares) == 1 and not (is_alone and found[0][1]):
        shares = {}
    shares_after = {name: Decimal(share) for name, share in _PERCENTAGE_AFTER.findall(normalized)}
    return shares or (shares_after if len(shares_after) > 1 else {})


def _is_dominant(name: str, normalized: str) -> bool:
    pattern = rf"\b{name}s?\b[- (]*{_DOMINANCE}|{_DOMINANCE}[-. ]*(?:de l'|d'|de )?{name}"
    return re.search(pattern, normalized) is not None


def _type_from_percentages(percentages: dict[str, Decimal]) -> str:
    if len(percentages) == 1:
        name, percentage = next(iter(percentages.items()))
        percentages = {name: percentage, _OTHER_TYPE[name]: 100 - percentage}
    if sum(percentages.values()) != 100:
        raise RecordRejected("contains percentages that do not add up to 100 %", _FIELD)
    first, second = sorted(percentages, key=lambda name: -percentages[name])
    if percentages[first] == percentages[second]:
        return "hybrid"
    return first if percentages[first] == 100 else f"{first}_dominant"
