"""Parsing rules for prices, potencies and sizes, in English and French."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from catalog.search.parsed_query import QueryTerm, TermMatches, TermRule, TermType

TermBuilder = Callable[[re.Match[str]], QueryTerm | None]

_NUMBER = r"(?<![\w.,])(\d{1,5}(?:[.,]\d{1,2})?)(?![\d]|[.,]\d)"
_NOT = r"(?:not|no|never|non|pas|jamais)"
_NOT_BEFORE = r"(?<!not )(?<!no )(?<!never )(?<!non )(?<!pas )(?<!jamais )"
_LESS_WORDS = (
    r"under|below|less than|fewer than|cheaper than|inferieure?s? a|moins (?:de|que|cher que)"
    r"|en dessous de|en bas de|sous"
)
_MORE_WORDS = (
    r"over|above|more than|superieure?s? a|plus (?:de|que|cher que)|au[- ]dessus de|higher than"
    r"|exceeding|excedant"
)
_BELOW = (
    rf"(?:\b(?:{_NOT} (?:{_MORE_WORDS})|{_NOT_BEFORE}(?:{_LESS_WORDS})|up to|at most|within"
    r"|max(?:imum)?(?: de| of)?|jusqu'?a|au (?:plus|maximum)|ne depassant pas) ?|<=? ?)"
)
_ABOVE = (
    rf"(?:\b(?:{_NOT} (?:{_LESS_WORDS})|{_NOT_BEFORE}(?:{_MORE_WORDS})|at least"
    r"|min(?:imum)?(?: de| of)?|au (?:moins|minimum)|des|a partir de|from|starting at) ?|>=? ?)"
)
_ABOUT = (
    r"(?:\b(?:around|about|near(?:ly)?|approximately|roughly|environ|autour de|a peu pres|vers"
    r"|aux alentours de) ?|~ ?)"
)
_FROM = r"(?:\b(?:between|from|entre|de) )"
_TO = r" ?(?:-|\bto\b|\band\b|\ba\b|\bet\b|\bjusqu'?a\b) ?"
_MONEY = r"(?:\$|(?:dollars?|bucks|piasses?|piastres?|cad)\b)"
_OR_MORE = (
    r" ?(?:\+|\b(?:et plus|ou plus|and up|or more|and over|or over|or higher|and above|minimum"
    r"|min)\b(?! ?\$? ?\d))"
)
_OR_LESS = (
    r" ?\b(?:ou moins|et moins|or less|and less|or fewer|and under|or under|or below|and below"
    r"|max(?:imum)?|tops)\b(?! ?\$? ?\d)"
)
_NEGATED = (
    r"(?:\b(?:not|no|without|except|excluding|other than|anything but|sans|sauf|autre que"
    + (r"|pas(?: de)?|tout sauf|jamais(?: de)?) )")
)
_OTHER_CANNABINOIDS = r"(?:cbda?|cbga?|cbn|cbc|thcv|thca|delta)"

# Half-widths of the range that a single number stands for, as a share of it.
_POTENCY_TOLERANCE = 0.1
_PRICE_TOLERANCE = 0.15
_SIZE_TOLERANCE = 0.03
# An ounce by name is sold as 28 to 30 g, a half as 14 to 15 g.
_FRACTION_TOLERANCE = 0.08

_VULGAR_FRACTIONS = {"½": ".5", "¼": ".25", "¾": ".75", "⅛": ".125"}
_SIGNS = str.maketrans(
    {"≤": " <= ", "≥": " >= ", "≦": " <= ", "≧": " >= ", "≈": " ~ ", "×": "x", "–": "-", "−": "-"}
    | {"—": "-", "＄": "$", "％": "%"}
)
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3}),(\d{3})(?![\d,])")
_SPACED_THOUSANDS = re.compile(
    r"(?<![\d.,])(\d{1,3})[ \u00a0\u202f](\d{3})(?=(?:[.,]\d\d)?\s?(?:mg\b|\$))"
)


def normalize_notation(text: str) -> str:
    """Return the text with one notation of bounds and numbers: `≤ 3½ g` → `<= 3.5 g`."""
    text = text.translate(_SIGNS)
    for sign, decimals in _VULGAR_FRACTIONS.items():
        text = re.sub(rf"(\d) ?{sign}", rf"\g<1>{decimals}", text).replace(sign, f"0{decimals}")
    text = _SPACED_THOUSANDS.sub(r"\1\2", text)
    return _THOUSANDS.sub(r"\1\2", text)


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
    term_type: TermType,
    match: re.Match[str],
    min_value: float | None,
    max_value: float | None,
    target_value: float | None = None,
) -> QueryTerm:
    if min_value is not None and max_value is not None and min_value > max_value:
        min_value, max_value = max_value, min_value
    return QueryTerm(
        type=term_type,
        matched_text=match.group().strip(),
        min_value=min_value,
        max_value=max_value,
        target_value=target_value,
        is_negated=bool(match.groupdict().get("negation")),
    )


def _values(match: re.Match[str]) -> list[float]:
    """Return the numbers that a match captured."""
    negation = match.groupdict().get("negation")
    return [_number(group) for group in match.groups() if group and group != negation]


def _range(term_type: TermType) -> TermBuilder:
    def build(match: re.Match[str]) -> QueryTerm:
        low, high = _values(match)
        return _bounded_term(term_type, match, low, high)

    return build


def _at_least(term_type: TermType) -> TermBuilder:
    return lambda m: _bounded_term(term_type, m, _values(m)[0], None)


def _at_most(term_type: TermType) -> TermBuilder:
    return lambda m: _bounded_term(term_type, m, None, _values(m)[0])


def _about(term_type: TermType, tolerance: float) -> TermBuilder:
    def build(match: re.Match[str]) -> QueryTerm:
        (value,) = _values(match)
        low, high = value * (1 - tolerance), value * (1 + tolerance)
        return _bounded_term(term_type, match, low, high, value)

    return build


def _quantity_rules(
    term_type: TermType,
    *,
    unit: str,
    tolerance: float,
    before: str = "",
    after: str = "",
) -> Iterator[TermRule]:
    """
    Yield the rules of a quantity: range, bounds before and behind the number, the number alone.

    unit: pattern behind the number. before, after: patterns of a name around the quantity.
    """
    quantity = rf"{_NUMBER} ?-?{unit}{after}"
    yield pattern_rule(
        rf"{before}{_FROM}?{_NUMBER} ?(?:{unit})?(?:{_TO}| (?:or|ou) ){_NUMBER} ?{unit}{after}",
        _range(term_type),
    )
    yield pattern_rule(rf"{_ABOVE}{before}{quantity}", _at_least(term_type))
    yield pattern_rule(rf"{before}{quantity}{_OR_MORE}", _at_least(term_type))
    yield pattern_rule(rf"{_BELOW}{before}{quantity}", _at_most(term_type))
    yield pattern_rule(rf"{before}{quantity}{_OR_LESS}", _at_most(term_type))
    if before:
        yield pattern_rule(rf"{before}{_ABOVE}{quantity}", _at_least(term_type))
        yield pattern_rule(rf"{before}{_BELOW}{quantity}", _at_most(term_type))
    yield pattern_rule(
        rf"(?P<negation>{_NEGATED})?{_ABOUT}?{before}{_ABOUT}?{quantity}",
        _about(term_type, tolerance),
    )


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
    yield pattern_rule(rf"(?<!\w)(?P<count>\d{{1,3}}) x (?={_NUMBER} ?mg\b)", _unit_count)
    milligrams = partial(_quantity_rules, tolerance=_POTENCY_TOLERANCE)
    mg = r"mg\b"
    yield from milligrams("cbd_mg", unit=mg, after=r" ?(?:de |of )?cbd\b")
    yield from milligrams("cbd_mg", unit=mg, before=r"\bcbd ?:? ?")
    yield from milligrams("thc_mg", unit=mg, after=r" ?(?:de |of )?thc\b")
    yield from milligrams("thc_mg", unit=mg, before=r"\bthc ?:? ?")
    # Milligrams without a cannabinoid mean THC.
    yield from milligrams("thc_mg", unit=mg, after=rf"(?! ?(?:de |of )?{_OTHER_CANNABINOIDS})")
    percentages = partial(_quantity_rules, tolerance=_POTENCY_TOLERANCE)
    named: tuple[tuple[TermType, str], ...] = (("thc_percentage", "thc"), ("cbd_percentage", "cbd"))
    for term_type, name in named:
        # "%" is optional beside a name; "thc under $30" and "thc 10 mg" are no percentages.
        share = rf"%?(?! ?(?:{_MONEY}|(?:g|gr|mg|ml|grams?|grammes?|oz)\b))(?![\d.,])"
        yield from percentages(
            term_type, unit=share, before=rf"\b(?:de |en |of |in )?{name}\b:? ?(?:level )?"
        )
        yield from percentages(term_type, unit="%?", after=rf" ?(?:de |en |of |in )?{name}\b")
    # A percentage without a cannabinoid means THC.
    yield from percentages("thc_percentage", unit="%")


def price_rules() -> Iterator[TermRule]:
    """Yield rules for prices in dollars."""
    not_a_size = r"(?! ?-?(?:g|gr|mg|ml|grams?|grammes?|oz|%|x \d|packs?|pk)\b|[.,\d%])"
    money = rf"\$? ?{_NUMBER} ?{_MONEY}?{not_a_size}"
    marked = rf"(?:\$ ?{_NUMBER}(?: ?{_MONEY})?|{_NUMBER} ?{_MONEY})"

    yield pattern_rule(rf"{_FROM}?\$ ?{_NUMBER} ?{_MONEY}?{_TO}{money}", _range("price"))
    yield pattern_rule(
        rf"{_FROM}?{_NUMBER} ?{_MONEY}?{_TO}\$? ?{_NUMBER} ?{_MONEY}", _range("price")
    )
    yield pattern_rule(rf"\b(?:between|entre) {_NUMBER}{_TO}{_NUMBER}{not_a_size}", _range("price"))
    yield pattern_rule(rf"{_ABOVE}{money} (?:and|et|but|mais) {_BELOW}{marked}", _range("price"))
    yield pattern_rule(rf"{_BELOW}{money}", _at_most("price"))
    yield pattern_rule(rf"{marked}{_OR_LESS}", _at_most("price"))
    yield pattern_rule(rf"{_ABOVE}{marked}", _at_least("price"))
    yield pattern_rule(rf"{marked}{_OR_MORE}", _at_least("price"))
    yield pattern_rule(
        rf"(?P<negation>{_NEGATED})?{_ABOUT}?{marked}", _about("price", _PRICE_TOLERANCE)
    )


# Grams of the fractions of an ounce, as cannabis is packaged: an ounce is sold as 28 g.
_GRAMS_PER_OUNCE = 28.0
_FLUID_OUNCE_ML = 29.5735
_MIN_FLUID_OUNCES = 4
_OUNCE_FRACTIONS = {
    "quarter": 7.0,
    "quart": 7.0,
    "half": 14.0,
    "demi": 14.0,
    "demie": 14.0,
    "eighth": 3.5,
    "8th": 3.5,
    "huitieme": 3.5,
}
_GRAM_FRACTIONS = {"half": 0.5, "demi": 0.5, "quarter": 0.25, "quart de": 0.25}
_ARTICLE = r"(?:\b(?:une?|an?|le|la|the) )?"


def _fraction(grams: float, match: re.Match[str]) -> QueryTerm:
    """Return the term of a size by name, which stands for the next larger sizes too."""
    low, high = grams * (1 - _SIZE_TOLERANCE), grams * (1 + _FRACTION_TOLERANCE)
    return _bounded_term("weight_grams", match, low, high, grams)


def _weight(grams: float, match: re.Match[str]) -> QueryTerm:
    low, high = grams * (1 - _SIZE_TOLERANCE), grams * (1 + _SIZE_TOLERANCE)
    return _bounded_term("weight_grams", match, low, high, grams)


def _ounces(match: re.Match[str]) -> QueryTerm:
    """Return the term of ounces: fluid ones from four on, as no package of cannabis weighs that."""
    ounces = _number(match[1])
    if not match[2] and ounces < _MIN_FLUID_OUNCES:
        return _fraction(_GRAMS_PER_OUNCE * ounces, match)
    milliliters = ounces * _FLUID_OUNCE_ML
    low, high = milliliters * (1 - _SIZE_TOLERANCE), milliliters * (1 + _SIZE_TOLERANCE)
    return _bounded_term("volume_ml", match, low, high, milliliters)


def _pieces_rule(unit: str, term_type: TermType) -> TermRule:
    """Return a rule for "10 x 0.35 g": the number of pieces, and the size of all of them."""
    pattern = re.compile(rf"(?<!\w)(?P<count>\d{{1,3}}) ?x ?{_NUMBER} ?(?:{unit})")

    def rule(text: str) -> TermMatches:
        for match in pattern.finditer(text):
            size = float(match["count"]) * _number(match[2])
            if not size:
                continue
            low, high = size * (1 - _SIZE_TOLERANCE), size * (1 + _SIZE_TOLERANCE)
            # An empty span removes nothing: both terms are read from one text.
            yield match.start(), match.start(), _unit_count(match)
            yield match.start(), match.end(), _bounded_term(term_type, match, low, high, size)

    return rule


def _unit_count(match: re.Match[str]) -> QueryTerm:
    count = float(match["count"])
    return _bounded_term("unit_count", match, count, count, count)


def size_rules() -> Iterator[TermRule]:
    """Yield rules for ounces and their fractions, grams, milliliters and unit counts."""
    fractions = "|".join(_OUNCE_FRACTIONS)
    gram_fractions = "|".join(_GRAM_FRACTIONS)
    yield pattern_rule(
        rf"{_ARTICLE}\b({gram_fractions})[- ](?:an? |of an? |d[eu] )?(?:g|gram|gramme)\b",
        lambda m: _weight(_GRAM_FRACTIONS[m[1]], m),
    )
    yield pattern_rule(
        rf"{_ARTICLE}\b({fractions})[- ]"
        r"(?:(?:of )?(?:an? )?(?:ounces?|oz|once|onces|zip)|d'?once)\b",
        lambda m: _fraction(_OUNCE_FRACTIONS[m[1]], m),
    )
    yield pattern_rule(
        rf"{_ARTICLE}\b(eighth|8th|huitieme|quarter|half)s?\b(?! (?:baked|price|moon|pound|lb))",
        lambda m: _fraction(_OUNCE_FRACTIONS[m[1]], m),
    )
    yield pattern_rule(
        r"\b(?:un |une )(quart|demi|demie)\b", lambda m: _fraction(_OUNCE_FRACTIONS[m[1]], m)
    )
    yield pattern_rule(
        r"\b([1248])/([248]) ?(?:oz|ounces?|once|onces)\b",
        lambda m: _fraction(_GRAMS_PER_OUNCE * float(m[1]) / float(m[2]), m),
    )
    yield pattern_rule(
        r"\b(1)/([248]) ?(?:g|grams?|grammes?)\b",
        lambda m: _weight(float(m[1]) / float(m[2]), m),
    )
    yield pattern_rule(rf"{_NUMBER} ?(fl\.? ?)?(?:oz|ounces?|onces?|zips?)\b", _ounces)
    yield pattern_rule(
        r"\b(?:an? |une |full |a full )?(?:ounce|once|oz|zips?)\b",
        lambda m: _fraction(_GRAMS_PER_OUNCE, m),
    )
    yield _pieces_rule(r"(?:g|grams?|grammes?)\b", "weight_grams")
    yield _pieces_rule(r"ml\b", "volume_ml")
    # Of pre-rolls and cartridges in pieces, each weighs less than two grams: "14 x 0.5".
    yield _pieces_rule(r"(?<=[.,]\d)(?![\w%$.,])|(?<=[.,]\d\d)(?![\w%$.,])", "weight_grams")
    yield from _quantity_rules(
        "weight_grams", unit=r"(?:g|gr|grams?|grammes?)\b", tolerance=_SIZE_TOLERANCE
    )
    yield from _quantity_rules("volume_ml", unit=r"ml\b", tolerance=_SIZE_TOLERANCE)
    yield pattern_rule(
        r"\b(?:packs?|box|boxes|bag|paquets?|boites?|lot|sachet|emballage|format) (?:of|de) "
        r"(?P<count>\d{1,3})\b",
        _unit_count,
    )
    yield pattern_rule(
        r"\b(?P<count>\d{1,3})[ -]?(?:packs?|pk|pcs?|pieces?|morceaux|unites?|units|count|ct|caps)"
        r"\b",
        _unit_count,
    )
    # The noun stays: it names the category.
    yield pattern_rule(
        r"(?<![\d.,#$])\b(?P<count>\d{1,3})(?= (?:joints?|pre-? ?rolls?|pre-? ?roules?|gummies"
        r"|jujubes|chews|capsules|gelules|softgels|cann?ettes|cans|cones|seeds|graines)\b)",
        _unit_count,
    )
    # A bare decimal is a weight: "blue dream 3,5".
    yield pattern_rule(
        r"(?<![\w.,$#:/-])(?P<grams>\d{1,2}[.,]\d)(?![\w.,%$:/])",
        lambda m: _weight(_number(m["grams"]), m),
    )
