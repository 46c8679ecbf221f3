"""Strain types as written, in both languages: our six words, or a refusal."""

import re
from decimal import Decimal

from catalog.ingest.cleaning.numbers import plain, says_nothing
from catalog.ingest.vocabulary import STRAIN_TYPES
from mlops.pipelines.errors import RecordRejected

_FIELD = "strain_type"
_SHORT = {"i": "indica", "s": "sativa", "h": "hybrid", "ind": "indica", "sat": "sativa", "hyb": "hybrid", "ih": "indica-dominant", "sh": "sativa-dominant", "i/h": "indica-dominant", "s/h": "sativa-dominant"}  # fmt: skip
_SHARE = re.compile(
    r"(\d{1,3})(?:[.,]\d+)?\s*%?\s*(?:d'|de )?(indica|sativa)|(indica|sativa)\s*:?\s*(\d{1,3})\s*%"
)
_LEANING = r"(?:dom(?:inante?|inance)?|lean(?:ing)?|heavy|[àa] (?:forte )?dominance|pr[ée]dominan\w+|mostly|principalement)"


def read_strain_type(text: str) -> str:
    """
    Return indica, sativa, hybrid, indica-dominant, sativa-dominant or blend; raises RecordRejected.

    "INDICA_HYBRID" and "hybride à dominance indica" are indica-dominant, "60 % sativa / 40 % indica" is
    sativa-dominant, equal shares are a hybrid. A text that names two types and no leaning is refused.
    """
    words = plain(text).replace("_", " ")
    if says_nothing(words):
        raise RecordRejected("says nothing", _FIELD)
    known = STRAIN_TYPES.get(words) or _SHORT.get(words)
    if known:
        return known
    shares = {a or b: Decimal(x or y) for x, a, b, y in _SHARE.findall(words)}
    if shares:
        return _by_shares(shares)
    if re.search(r"\b(?:no|not|non|sans|without|pas)\b", words):
        raise RecordRejected("denies a type", _FIELD)
    types = {name for name in ("indica", "sativa") if re.search(rf"\b{name}s?\b", words)}
    is_hybrid = bool(re.search(r"\bhybrid[es]*\b", words))
    leanings = {
        name
        for name in types
        if re.search(rf"\b{name}s?\b[- ]*{_LEANING}|{_LEANING}[- ]*(?:de l'|d'|de )?{name}", words)
    }
    if len(leanings) == 1:
        return f"{leanings.pop()}-dominant"
    if len(types) == 1:
        return f"{types.pop()}-dominant" if is_hybrid else types.pop()
    if not types and is_hybrid:
        return "hybrid"
    if re.search(r"\b(?:blend|m[ée]lange|assort\w+|variety pack)\b", words):
        return "blend"
    raise RecordRejected("names no single type" if types else "is no strain type", _FIELD)


def _by_shares(shares: dict[str, Decimal]) -> str:
    if len(shares) == 1:
        name, share = next(iter(shares.items()))
        other = "sativa" if name == "indica" else "indica"
        shares = {name: share, other: 100 - share}
    if sum(shares.values()) != 100:
        raise RecordRejected("holds shares that do not make 100 %", _FIELD)
    best, least = sorted(shares, key=lambda name: -shares[name])
    if shares[best] == shares[least]:
        return "hybrid"
    return best if shares[best] == 100 else f"{best}-dominant"
