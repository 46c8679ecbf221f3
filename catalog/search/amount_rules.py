"""Parsing rules for prices, potencies and sizes, in English and French."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

from catalog.search.parsed_query import QueryTerm, TermMatches, TermRule, TermType

TermBuilder = Callable[[re.Match[str]], QueryTerm | None]

_NUMBER = r"(\d{1,5}(?:[.,]\d{1,2})?)"
_BELOW = (
    r"(?:under|below|less than|up to|at most|no more than|max(?:imum)?(?: de| of)?|cheaper than"
    r"|<=?|moins (?:de|que|cher que)|sous|en dessous de|en bas de|jusqu'?a|au plus|pas plus de"
    r"|maximum)"
)
_ABOVE = (
    r"(?:over|above|more than|at least|min(?:imum)?(?: de| of)?|>=?|plus (?:de|que)"
    r"|au[- ]dessus de|au moins|des|a partir de|from|starting at)"
)
_ABOUT = r"(?:around|about|near(?:ly)?|approximately|roughly|~|environ|autour de|a peu pres|vers)"
_FROM = r"(?:between|from|entre|de)"
_TO = r"(?:-|–|to|and|a|et|jusqu'?a)"
_MONEY = r"(?:\$|dollars?|bucks|piasses?|piastres?|cad)"
_OR_MORE = r"(?:\+|et plus|ou plus|and up|or more|and over)"
_OR_LESS = r"(?:ou moins|or less|and under)"
_CANNABINOID_NAMES = {"thc": r"(?:de |en |of |in )?thc", "cbd": r"(?:de |en |of |in )?cbd"}

# Half-widths of the range that a single number stands for, as a share of it.
_POTENCY_TOLERANCE = 0.1
_PRICE_TOLERANCE = 0.15
_SIZE_TOLERANCE = 0.03


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def pattern_rule(pattern: str, build: TermBuilder) -> TermRule:
    """Return a rule that finds a pattern and builds a term from each match."""
    compiled = re.compile(pattern)

    def rule(text: str) -> TermMatches:
        for match in compiled.finditer(text):
            term = build(match)
            if term:
                yield match.start(), match.end(), term

    return rule


def _bounded_term(
    term_type: TermType, match: re.Match[str], min_value: float | None, max_value: float | None
) -> QueryTerm:
    if min_value is not None and max_value is not None and min_value > max_value:
        min_value, max_value = max_value, min_value
    return QueryTerm(
        type=term_type,
        matched_text=match.group().strip(),
        min_value=min_value,
        max_value=max_value,
    )


def _range(term_type: TermType) -> TermBuilder:
    return lambda m: _bounded_term(term_type, m, _number(m[1]), _number(m[2]))


def _at_least(term_type: TermType) -> TermBuilder:
    return lambda m: _bounded_term(term_type, m, _number(m[1]), None)


def _at_most(term_type: TermType) -> TermBuilder:
    return lambda m: _bounded_term(term_type, m, None, _number(m[1]))


def _about(term_type: TermType, tolerance: float) -> TermBuilder:
    return lambda m: _bounded_term(
        term_type, m, _number(m[1]) * (1 - tolerance), _number(m[1]) * (1 + tolerance)
    )


def _milligrams(term_type: TermType) -> TermBuilder:
    def build(match: re.Match[str]) -> QueryTerm:
        value = _number(next(group for group in match.groups() if group))
        return _bounded_term(term_type, match, value * 0.9, value * 1.1)

    return build


def _ratio(match: re.Match[str]) -> QueryTerm | None:
    if not float(match[1]) or not float(match[2]):
        return None
    return QueryTerm(
        type="ratio", matched_text=match.group().strip(), value=f"{match[1]}:{match[2]}"
    )


def potency_rules() -> Iterator[TermRule]:
    """Yield rules for THC:CBD ratios, milligrams and percentages, the narrower ones first."""
    yield pattern_rule(
        r"\b(?:(?:thc ?[:/-] ?cbd|cbd ?[:/-] ?thc|cbd|thc) )?(\d{1,2}) ?: ?(\d{1,2})"
        r"(?: (?:thc ?[:/-] ?cbd|cbd ?[:/-] ?thc|cbd|thc)\b)?",
        _ratio,
    )
    yield pattern_rule(
        rf"\b(?:cbd ?:? ?{_NUMBER} ?mg|{_NUMBER} ?mg (?:de |of )?cbd)\b", _milligrams("cbd_mg")
    )
    yield pattern_rule(
        rf"\b(?:(?:thc ?:? ?)?{_NUMBER} ?mg(?: (?:de |of )?thc)?)\b", _milligrams("thc_mg")
    )
    yield from _named_percentage_rules("thc_percentage", _CANNABINOID_NAMES["thc"])
    yield from _named_percentage_rules("cbd_percentage", _CANNABINOID_NAMES["cbd"])
    # A percentage without a cannabinoid means THC.
    percent = rf"{_NUMBER} ?%"
    thc: Literal["thc_percentage"] = "thc_percentage"
    yield pattern_rule(rf"(?:{_FROM} )?\b{_NUMBER} ?%? ?{_TO} ?{percent}", _range(thc))
    yield pattern_rule(rf"{_ABOVE} ?{percent}", _at_least(thc))
    yield pattern_rule(rf"{percent} ?{_OR_MORE}", _at_least(thc))
    yield pattern_rule(rf"{_BELOW} ?{percent}", _at_most(thc))
    yield pattern_rule(percent, _about(thc, _POTENCY_TOLERANCE))


def _named_percentage_rules(term_type: TermType, name: str) -> Iterator[TermRule]:
    # The name may precede or follow the number; "%" is optional beside a name.
    number = rf"{_NUMBER} ?%?"
    for before, after in ((rf"\b{name}\b:? ?(?:level )?", ""), ("", rf" ?{name}\b")):
        yield pattern_rule(
            rf"{before}(?:{_FROM} )?{number} ?{_TO} ?{number}{after}", _range(term_type)
        )
        yield pattern_rule(rf"{before}{_ABOVE} ?{number}{after}", _at_least(term_type))
        yield pattern_rule(rf"{before}{number} ?{_OR_MORE}{after}", _at_least(term_type))
        yield pattern_rule(rf"{before}{_BELOW} ?{number}{after}", _at_most(term_type))
        yield pattern_rule(rf"{before}{number} ?{_OR_LESS}{after}", _at_most(term_type))
        yield pattern_rule(
            rf"{before}(?:{_ABOUT} ?)?{number}{after}", _about(term_type, _POTENCY_TOLERANCE)
        )


def _price(*, has_min: bool, has_max: bool, tolerance: float = 0) -> TermBuilder:
    def build(match: re.Match[str]) -> QueryTerm:
        value = _number(next(group for group in match.groups() if group))
        return _bounded_term(
            "price",
            match,
            value * (1 - tolerance) if has_min else None,
            value * (1 + tolerance) if has_max else None,
        )

    return build


def price_rules() -> Iterator[TermRule]:
    """Yield rules for prices in dollars."""
    money = rf"\$? ?{_NUMBER} ?{_MONEY}?"
    marked = rf"(?:\$ ?{_NUMBER}|{_NUMBER} ?{_MONEY})"
    not_a_size = r"(?! ?(?:g|mg|ml|grams?|grammes?|oz|%)\b|[.,\d%])"

    yield pattern_rule(rf"(?:{_FROM} )?\$ ?{_NUMBER} ?{_MONEY}? ?{_TO} ?{money}", _range("price"))
    yield pattern_rule(
        rf"(?:{_FROM} )?{_NUMBER} ?{_MONEY}? ?{_TO} ?{_NUMBER} ?{_MONEY}", _range("price")
    )
    yield pattern_rule(
        rf"(?:between|entre) {_NUMBER} ?{_TO} ?{_NUMBER}{not_a_size}", _range("price")
    )
    yield pattern_rule(rf"{_BELOW} ?{money}{not_a_size}", _price(has_min=False, has_max=True))
    yield pattern_rule(
        rf"{marked} ?(?:ou moins|or less|and under|max(?:imum)?)",
        _price(has_min=False, has_max=True),
    )
    yield pattern_rule(rf"{_ABOVE} ?{marked}", _price(has_min=True, has_max=False))
    yield pattern_rule(
        rf"{marked} ?(?:\+|et plus|ou plus|and up|or more)", _price(has_min=True, has_max=False)
    )
    yield pattern_rule(
        rf"(?:{_ABOUT} ?)?{marked}", _price(has_min=True, has_max=True, tolerance=_PRICE_TOLERANCE)
    )


# Grams of the fractions of an ounce, as cannabis is packaged: an ounce is sold as 28 g.
_GRAMS_PER_OUNCE = 28.0
_OUNCE_FRACTIONS = {
    "quarter": 7.0,
    "quart": 7.0,
    "half": 14.0,
    "demi": 14.0,
    "demie": 14.0,
    "eighth": 3.5,
    "huitieme": 3.5,
}


def _weight(grams: float, match: re.Match[str]) -> QueryTerm:
    return QueryTerm(
        type="weight_grams",
        matched_text=match.group().strip(),
        min_value=grams * (1 - _SIZE_TOLERANCE),
        max_value=grams * (1 + _SIZE_TOLERANCE),
    )


def _unit_count(match: re.Match[str]) -> QueryTerm:
    count = float(match[1])
    return QueryTerm(
        type="unit_count",
        matched_text=match.group().strip(),
        min_value=count,
        max_value=count,
    )


def size_rules() -> Iterator[TermRule]:
    """Yield rules for ounces and their fractions, grams, milliliters and unit counts."""
    fractions = "|".join(_OUNCE_FRACTIONS)
    yield pattern_rule(
        rf"\b(?:une? |an? )?({fractions})[- ]"
        r"(?:(?:of )?(?:an )?(?:ounces?|oz|once|onces|zip)|d'?once)\b",
        lambda m: _weight(_OUNCE_FRACTIONS[m[1]], m),
    )
    yield pattern_rule(
        r"\b(?:un |an? )?(eighth|huitieme)\b", lambda m: _weight(_OUNCE_FRACTIONS[m[1]], m)
    )
    yield pattern_rule(
        r"\b([1248])/([248]) ?(?:oz|ounces?|once|onces)\b",
        lambda m: _weight(_GRAMS_PER_OUNCE * float(m[1]) / float(m[2]), m),
    )
    yield pattern_rule(
        rf"\b{_NUMBER} ?(?:oz|ounces?|onces?)\b",
        lambda m: _weight(_GRAMS_PER_OUNCE * _number(m[1]), m),
    )
    yield pattern_rule(
        r"\b(?:an? |une |full )?(?:ounce|once|oz)\b", lambda m: _weight(_GRAMS_PER_OUNCE, m)
    )
    yield pattern_rule(
        rf"\b(\d{{1,3}}) ?(?:x|×) ?{_NUMBER} ?(?:g|grams?|grammes?)\b",
        lambda m: _weight(float(m[1]) * _number(m[2]), m),
    )
    yield pattern_rule(
        rf"\b{_NUMBER} ?-?(?:g|gr|grams?|grammes?)\b", lambda m: _weight(_number(m[1]), m)
    )
    yield pattern_rule(rf"\b{_NUMBER} ?-?ml\b", _about("volume_ml", _SIZE_TOLERANCE))
    yield pattern_rule(
        r"\b(\d{1,2})[ -]?(?:pack|pk|pieces?|morceaux|unites?|units|count|ct)\b", _unit_count
    )
