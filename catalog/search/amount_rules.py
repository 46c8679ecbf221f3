"""Prices, potencies and sizes as people ask for them, in English and French."""

import re
from collections.abc import Callable, Iterator

from catalog.search.parsed_query import Found, Kind, Rule, Term

_NUMBER = r"(\d{1,5}(?:[.,]\d{1,2})?)"
_BELOW = r"(?:under|below|less than|up to|at most|no more than|max(?:imum)?(?: de| of)?|cheaper than|<=?|moins (?:de|que|cher que)|sous|en dessous de|en bas de|jusqu'?a|au plus|pas plus de|maximum)"
_ABOVE = r"(?:over|above|more than|at least|min(?:imum)?(?: de| of)?|>=?|plus (?:de|que)|au[- ]dessus de|au moins|des|a partir de|from|starting at)"
_ABOUT = r"(?:around|about|near(?:ly)?|approximately|roughly|~|environ|autour de|a peu pres|vers)"
_FROM = r"(?:between|from|entre|de)"
_TO = r"(?:-|–|to|and|a|et|jusqu'?a)"
_MONEY = r"(?:\$|dollars?|bucks|piasses?|piastres?|cad)"
_KIND = {"thc": r"(?:de |en |of |in )?thc", "cbd": r"(?:de |en |of |in )?cbd"}


def _value(text: str) -> float:
    return float(text.replace(",", "."))


def matches(pattern: str, make: Callable[[re.Match[str]], Term | None]) -> Rule:
    """Return a rule that finds a pattern and makes a term of what it captured."""
    compiled = re.compile(pattern)

    def rule(text: str) -> Found:
        for match in compiled.finditer(text):
            term = make(match)
            if term:
                yield match.start(), match.end(), term

    return rule


def _ends(kind: Kind, match: re.Match[str], low: float | None, high: float | None) -> Term | None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Term(kind=kind, said=match.group().strip(), low=low, high=high)


def _range(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, _value(m[1]), _value(m[2]))


def _above(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, _value(m[1]), None)


def _below(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, None, _value(m[1]))


def _about(kind: Kind, share: float) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, _value(m[1]) * (1 - share), _value(m[1]) * (1 + share))


def _milligrams(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    def make(match: re.Match[str]) -> Term | None:
        value = _value(next(group for group in match.groups() if group))
        return _ends(kind, match, value * 0.9, value * 1.1)

    return make


def _ratio(match: re.Match[str]) -> Term | None:
    thc, cbd = float(match[1]), float(match[2])
    return (
        Term(kind="ratio", said=match.group().strip(), word=f"{match[1]}:{match[2]}")
        if thc and cbd
        else None
    )


def potency_rules() -> Iterator[Rule]:
    """Yield rules for ratios, milligrams and percentages, the narrower ones first."""
    yield matches(
        r"\b(?:(?:thc ?[:/-] ?cbd|cbd ?[:/-] ?thc|cbd|thc) )?(\d{1,2}) ?: ?(\d{1,2})"
        r"(?: (?:thc ?[:/-] ?cbd|cbd ?[:/-] ?thc|cbd|thc)\b)?",
        _ratio,
    )
    yield matches(
        rf"\b(?:cbd ?:? ?{_NUMBER} ?mg|{_NUMBER} ?mg (?:de |of )?cbd)\b", _milligrams("cbd_mg")
    )
    yield matches(
        rf"\b(?:(?:thc ?:? ?)?{_NUMBER} ?mg(?: (?:de |of )?thc)?)\b", _milligrams("thc_mg")
    )
    for kind, name in _KIND.items():
        of: Kind = "thc" if kind == "thc" else "cbd"
        # The kind before or after the number; "%" may be missing where the kind is said.
        for before, after in ((rf"\b{name}\b:? ?(?:level )?", ""), ("", rf" ?{name}\b")):
            number = rf"{_NUMBER} ?%?"
            yield matches(rf"{before}(?:{_FROM} )?{number} ?{_TO} ?{number}{after}", _range(of))
            yield matches(rf"{before}{_ABOVE} ?{number}{after}", _above(of))
            yield matches(
                rf"{before}{number} ?(?:\+|et plus|ou plus|and up|or more|and over){after}",
                _above(of),
            )
            yield matches(rf"{before}{_BELOW} ?{number}{after}", _below(of))
            yield matches(rf"{before}{number} ?(?:ou moins|or less|and under){after}", _below(of))
            yield matches(rf"{before}(?:{_ABOUT} ?)?{number}{after}", _about(of, 0.1))
    # A bare percentage is of THC.
    percent = rf"{_NUMBER} ?%"
    yield matches(rf"(?:{_FROM} )?\b{_NUMBER} ?%? ?{_TO} ?{percent}", _range("thc"))
    yield matches(rf"{_ABOVE} ?{percent}", _above("thc"))
    yield matches(rf"{percent} ?(?:\+|et plus|ou plus|and up|or more|and over)", _above("thc"))
    yield matches(rf"{_BELOW} ?{percent}", _below("thc"))
    yield matches(percent, _about("thc", 0.1))


def price_rules() -> Iterator[Rule]:
    """Yield rules for dollars."""
    money = rf"\$? ?{_NUMBER} ?{_MONEY}?"
    marked = rf"(?:\$ ?{_NUMBER}|{_NUMBER} ?{_MONEY})"
    not_a_size = r"(?! ?(?:g|mg|ml|grams?|grammes?|oz|%)\b|[.,\d%])"

    def one(low: bool, high: bool, share: float = 0) -> Callable[[re.Match[str]], Term | None]:
        def make(match: re.Match[str]) -> Term | None:
            value = _value(next(group for group in match.groups() if group))
            return _ends(
                "price",
                match,
                value * (1 - share) if low else None,
                value * (1 + share) if high else None,
            )

        return make

    yield matches(rf"(?:{_FROM} )?\$ ?{_NUMBER} ?{_MONEY}? ?{_TO} ?{money}", _range("price"))
    yield matches(
        rf"(?:{_FROM} )?{_NUMBER} ?{_MONEY}? ?{_TO} ?{_NUMBER} ?{_MONEY}", _range("price")
    )
    yield matches(rf"(?:between|entre) {_NUMBER} ?{_TO} ?{_NUMBER}{not_a_size}", _range("price"))
    yield matches(rf"{_BELOW} ?{money}{not_a_size}", one(low=False, high=True))
    yield matches(
        rf"{marked} ?(?:ou moins|or less|and under|max(?:imum)?)", one(low=False, high=True)
    )
    yield matches(rf"{_ABOVE} ?{marked}", one(low=True, high=False))
    yield matches(rf"{marked} ?(?:\+|et plus|ou plus|and up|or more)", one(low=True, high=False))
    yield matches(rf"(?:{_ABOUT} ?)?{marked}", one(low=True, high=True, share=0.15))


_OUNCES = {
    "quarter": 7.0,
    "quart": 7.0,
    "half": 14.0,
    "demi": 14.0,
    "demie": 14.0,
    "eighth": 3.5,
    "huitieme": 3.5,
}
# How far a written size may be from the product's.
_SIZE_SHARE = 0.03


def _size(grams: float, match: re.Match[str]) -> Term:
    return Term(
        kind="size",
        said=match.group().strip(),
        low=grams * (1 - _SIZE_SHARE),
        high=grams * (1 + _SIZE_SHARE),
    )


def size_rules() -> Iterator[Rule]:
    """Yield rules for ounces and their parts, grams, milliliters and pieces."""
    fractions = "|".join(_OUNCES)
    yield matches(
        rf"\b(?:une? |an? )?({fractions})[- ](?:(?:of )?(?:an )?(?:ounces?|oz|once|onces|zip)|d'?once)\b",
        lambda m: _size(_OUNCES[m[1]], m),
    )
    yield matches(r"\b(?:un |an? )?(eighth|huitieme)\b", lambda m: _size(_OUNCES[m[1]], m))
    yield matches(
        r"\b([1248])/([248]) ?(?:oz|ounces?|once|onces)\b",
        lambda m: _size(28 * float(m[1]) / float(m[2]), m),
    )
    yield matches(rf"\b{_NUMBER} ?(?:oz|ounces?|onces?)\b", lambda m: _size(28 * _value(m[1]), m))
    yield matches(r"\b(?:an? |une |full )?(?:ounce|once|oz)\b", lambda m: _size(28.0, m))
    yield matches(
        rf"\b(\d{{1,3}}) ?(?:x|×) ?{_NUMBER} ?(?:g|grams?|grammes?)\b",
        lambda m: _size(float(m[1]) * _value(m[2]), m),
    )
    yield matches(rf"\b{_NUMBER} ?-?(?:g|gr|grams?|grammes?)\b", lambda m: _size(_value(m[1]), m))
    yield matches(rf"\b{_NUMBER} ?-?ml\b", _about("volume", 0.03))
    yield matches(
        r"\b(\d{1,2})[ -]?(?:pack|pk|pieces?|morceaux|unites?|units|count|ct)\b",
        lambda m: Term(kind="pieces", said=m.group().strip(), low=float(m[1]), high=float(m[1])),
    )
