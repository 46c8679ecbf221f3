"""
Package size parser: text such as "3x0.5g" into grams or milliliters, and a number of pieces.

Two quantities are not sizes: the dried equivalent (grams of dried cannabis that a product counts as
in law) and the dose (milligrams of THC or CBD). Parsing takes four steps:

1. normalize the text and remove dried equivalents ("= 5 g of dried flower") and doses ("100 mg
   THC"), each dose up to the next comma, semicolon or equals sign;
2. find the multiplier ("3 x", "x 3"), or else the pack count ("2 pack", "paquet de 3", "30 caps");
3. find the quantities with units ("0.5g", "1/8 oz"), or else those in words ("half gram");
4. decide whether the quantity is that of one piece or of the whole package; reject the text when
   both are possible.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from catalog.ingest.cleaning.numbers import (
    NO_VALUE,
    NUMBER,
    Reading,
    is_blank_value,
    normalize_text,
    normalize_value,
    read_number,
)
from catalog.ingest.vocabulary import product_form
from mlops.pipelines.errors import RecordRejected

_FIELD = "weight"
_FLUID_OUNCE_ML = "29.5735"
# Cannabis is sold by an ounce of 28 g, not 28.35 g: an eighth is 3.5 g everywhere.
_TRADE_OUNCE_GRAMS = 28
_GRAMS_PER_UNIT = {
    "g": 1,
    "gr": 1,
    "gm": 1,
    "gms": 1,
    "gram": 1,
    "grams": 1,
    "gramme": 1,
    "grammes": 1,
    "kg": 1000,
    "oz": _TRADE_OUNCE_GRAMS,
    "ounce": _TRADE_OUNCE_GRAMS,
    "ounces": _TRADE_OUNCE_GRAMS,
    "once": _TRADE_OUNCE_GRAMS,
    "onces": _TRADE_OUNCE_GRAMS,
}
_MILLILITERS_PER_UNIT = {
    "ml": "1",
    "milliliter": "1",
    "milliliters": "1",
    "millilitre": "1",
    "millilitres": "1",
    "cl": "10",
    "l": "1000",
    "liter": "1000",
    "litre": "1000",
    "litres": "1000",
    "fl oz": _FLUID_OUNCE_ML,
    "fl. oz": _FLUID_OUNCE_ML,
    "fl. oz.": _FLUID_OUNCE_ML,
    "fl.oz": _FLUID_OUNCE_ML,
    "floz": _FLUID_OUNCE_ML,
}
_AMOUNT_WORDS = {
    "eighth": "0.125",
    "quarter": "0.25",
    "half": "0.5",
    "one": "1",
    "two": "2",
    "full": "1",
    "huitième": "0.125",
    "quart": "0.25",
    "demi": "0.5",
    "demie": "0.5",
    "un": "1",
    "une": "1",
    "deux": "2",
}
_PIECE_WORDS = (
    r"(?:pre-?rolls?|pr[ée]-?roul[ée]s?|joints?|capsules?|caps|softgels?|g[ée]lules?|pills?|tablets?"
    r"|comprim[ée]s?|seeds?|graines?|gumm(?:y|ies)|chews?|pieces?|pi[eè]ces?|pcs?|units?|unit[ée]s?"
    r"|jujubes?|bouch[ée]es?|morceaux?|bonbons?|chocolats?|carr[ée]s?|squares?|biscuits?|pastilles?"
    r"|cartouches?|timbres?|b[âa]tonnets?|sticks?"
    r"|un\.?|cartridges?|bags?|bottles?|cans?|canettes?|bouteilles?|sachets?|tea ?bags?"
    r"|suppositor(?:y|ies)|patch(?:es)?|cookies?|brownies?|bites?|bars?|c[oô]nes?|mints?|lozenges?|ct"
    r"|count)"
)
# Longest unit first: the alternation takes the first that matches ("grams" before "g").
_UNIT = "|".join(
    sorted(
        (re.escape(unit) for unit in (*_GRAMS_PER_UNIT, *_MILLILITERS_PER_UNIT, "mg")),
        key=len,
        reverse=True,
    )
)
# A number is read whole: nothing of "l5 g", "1.2.3 g" or "#5 g" is one.
_START = r"(?<![\w.,#$€£+'\"°])(?<!\d/)(?<!\d:)"
_QUANTITY = re.compile(
    rf"{_START}(?:(?:(?P<whole>(?:^|(?<=\|))[1-9]) )?(?P<numerator>\d)"
    rf"/(?P<denominator>[248]|16)(?:th)?|(?P<number>{NUMBER}))(?:\s*|-)(?P<unit>{_UNIT})(?:\b|(?=[x×]\s*\d))\.?"
)
_SECOND_UNIT = re.compile(rf"\s*(?:{_UNIT})\b")
_QUANTITY_IN_WORDS = re.compile(
    rf"\b(?P<word>{'|'.join(_AMOUNT_WORDS)})[- ]*(?:an? |d'(?:une )?|de )?"
    r"(?P<unit>gram(?:me)?s?|g|ounces?|oz|onces?)\b"
)
# A multiplier before a quantity ("3 pack x 0.5 g", "3 x 0.5 g") or after one ("0.5 g x 3").
_MULTIPLIERS_BEFORE = [
    re.compile(
        rf"{_START}(?P<count>\d{{1,3}})\s*-?\s*(?:packs?|pk|{_PIECE_WORDS})\s*[x×]\s*"
        rf"(?={NUMBER}\s*(?:{_UNIT})\b)"
    ),
    re.compile(rf"{_START}(?P<count>\d{{1,3}})\s*[x×*]\s*(?={NUMBER}\s*(?:{_UNIT})\b)"),
    # "3 joints de 0,5 g", "4 cans of 355 ml".
    re.compile(
        rf"{_START}(?P<count>\d{{1,3}})\s*-?\s*{_PIECE_WORDS}\s+(?:of|de|at|@)\s*"
        rf"(?={NUMBER}\s*(?:{_UNIT})\b)"
    ),
]
_MULTIPLIER_AFTER = re.compile(
    rf"\d\s*(?:{_UNIT}|{_PIECE_WORDS})?\.?\s*(?:ea|each|chacune?|ch)?(?<!\d)\.?\s*\(?\s*[x×*]\s*(?P<count>\d{{1,3}})(?!\s*/)(?![\w.,]*\d)"
)
# "7 x 0.5 g + 1 free": what is added is not a part of the size.
_ADDITION = re.compile(
    rf"(?:{_UNIT}|{_PIECE_WORDS})\s*\)?\s*\+\s*\d{{1,3}}(?![\d.,]*\s*(?:mg|mcg|%|thc|cb[dgnc]))"
)
# "7 g (2 x 3.5 g) x 2": a count of packs behind the pieces of one.
_BRACKETED_PACK = re.compile(rf"\(\s*\d{{1,3}}\s*[x×*]\s*{NUMBER}\s*(?:{_UNIT})\s*\)\s*[x×*]\s*\d")
# A multiplier of a dose, which says nothing of a weight beside it: "2 x 5 mg chews (8 g)".
_COUNTED_DOSE = re.compile(rf"\d\s*[x×*]\s*{NUMBER}\s*mg\b|{NUMBER}\s*mg\s*[x×*]\s*\d")
# A multiplier that is not beside its quantity: "2 x -1 g", "2 x x 18 g".
_STRAY_MULTIPLIER = re.compile(r"(?<![\w.,])\d{1,4}\s*[x×*]\s*[^\w\s]*\s*[x×*]?\s*\d")
# "3.5 g x", "4 for 3.5 g", "12 packs of 5": a count of which something is missing.
_LONE_MULTIPLIER = re.compile(
    rf"(?:{_UNIT})\s*[x×]\s*$|[a-z).]\s*[x×]\s*\d{{1,3}}$|(?<![\w.,#])\d{{1,3}}\s+(?:for|pour|at|@)\s+{NUMBER}"
    r"|\d\s*(?:packs?|pk|box(?:es)?|bags?|paquets?|bo[iî]tes?)\s+(?:of|de)\s+\d"
    rf"|(?:^|[\s(])[x×]\s?\d{{1,3}}\s+{NUMBER}\s*(?:{_UNIT})\b"
    rf"|(?<![\w.,#%])\d{{1,3}}\s+[^\W\d_]+\s+(?:of|de)\s+{NUMBER}\s*(?:{_UNIT})\b"
)
_PACK_COUNTS = [
    re.compile(rf"{_START}(?P<count>\d{{1,3}})\s*-?\s*(?:packs?|pck|pk|paquets?)\b"),
    re.compile(
        r"\b(?:pack|pkg?|box|bag|paquet|bo[iî]te|lot|sachet)s? (?:of|de) (?P<count>\d{1,3})\b"
    ),
    re.compile(rf"{_START}(?<![a-z]-)(?P<count>\d{{1,3}})\s*-?\s*{_PIECE_WORDS}(?![a-z])"),
    re.compile(r"\b(?P<single>each|single|unit[ée]?|à l'unité)\b"),
]
# A quantity that is stated per piece ("0.5 g each").
_PER_PIECE = re.compile(r"\b(?:ea\.?|each|chacune?|ch\.|/ ?un(?:it)?|per (?:unit|piece))(?![a-z])")
_DRIED_EQUIVALENT = re.compile(
    rf"(?:=|equals|équivaut à|eq\.?)\s*{NUMBER}\s*(?:g(?:ram)?s?\b|mg\b(?= raw| flower))"
    r"(?:\s*(?:of\s*)?(?:raw|dried)?\s*(?:flower|equivalent)\w*)?"
    rf"|{NUMBER}\s*x\s*\d/700"
)
# Milligrams that are said to be of a cannabinoid, or per something.
_DOSE = re.compile(
    rf"{_START}{NUMBER}\s*m?cg\b|{_START}{NUMBER}\s*mg\b(?="
    r"\s*(?:/|per\b|par\b|total|tot\b|of\b|de\b|thc|cbd|cbg|cbn|cannabinoid|active))"
    r"(?:\s*(?:total|tot\.?|of|de|thc[av]?|cbd|cbg|cbn|cannabinoids?|cannabinoid|active)(?![a-z]))*"
    rf"(?:\s*(?:/|\bper\b|\bpar\b)\s*(?:{NUMBER}\s*)?[^\W\d_]+)?"
)
# "2.20g Flower" beside milligrams of cannabinoids is the dried equivalent, without its sign.
_UNMARKED_EQUIVALENT = re.compile(rf"{NUMBER}\s*g\s*(?:raw |dried )?flower\b")
_BOUND_WORDS = re.compile(
    r"(?<!\w)(?:up to|jusqu'?[àa]|less than|more than|moins d[e']|plus d[e']|environ|about"
    r"|approx\.?|at least|au moins|min(?:imum)?\.?|max(?:imum)?\.?|over|under|from|starting at"
    r"|d[eè]s|[àa] partir d[e'])$"
)
_AMOUNT_OF_RANGE = rf"(?:\d/\d+|{NUMBER})"
_RANGE = re.compile(
    rf"(?:^|(?<=[\s(\[|]))(?P<low>{_AMOUNT_OF_RANGE})\s*(?P<low_unit>(?:{_UNIT})\b\.?)?"
    rf"(?P<sign>\s*-\s*|\s+(?:to|à|or|ou)\s+)(?P<high>{_AMOUNT_OF_RANGE})\s*-?\s*"
    rf"(?:(?P<high_unit>{_UNIT})\b|(?:packs?|pk|{_PIECE_WORDS})(?![a-z]))(?!\s*[x×*]\s*\d)"
)
# The first half of "3 . 5 g" or "3;5 g".
_CUT_NUMBER = re.compile(rf"\d\s*\.$|^{NUMBER}\s*[.,;:]$")
# "Twin pack" counts two pieces.
_PACKS_IN_WORDS = (
    (re.compile(r"\b(?:double|twin|duo)[ -]pack"), "2 pack"),
    (re.compile(r"\btriple[ -]pack"), "3 pack"),
)
# A number beside quantities in a text without words: "0.35 g (10)". Shares and prices are known.
_TIMES_COUNT = re.compile(r"[x×*]\s*\d{1,3}")
_LEFT_OVER_NUMBER = re.compile(rf"(?<![\w.,$]){NUMBER}(?!\s*[%$])")
# Signs that may stand before and after a quantity without a space.
_BEFORE_QUANTITY = frozenset(" ([|,;:-/&")
_BRACKETS = {"(": ")", "[": "]"}
_AFTER_QUANTITY = frozenset(" ,;:)]}|-/!*®™_")
# More than any package sold; above it two numbers were written side by side ("12 355 ml").
_MAX_GRAMS = 2_000
_MAX_MILLILITERS = 10_000
# Equations of a volume: ".1 mL = 76.3 mg", "1 mL = 5 pumps".
_EQUATION = re.compile(
    rf"(?<![\d.])(?:0?\.1|1)\s*ml\s*=\s*{NUMBER}\s*(?:mg|pumps?)\b|=\s*(?={NUMBER}\s*mg)"
)
_TRADE_OUNCE = re.compile(r"(?<![a-z])oz\b|ounce|\bonces?\b")
# Up to this amount, a quantity beside a pack count ("2 pack 1 g") may be that of one piece.
_MAX_PIECE_GRAMS = 1
_MAX_PIECE_MILLILITERS = 500
# A concentrate's size is at times written in milligrams: "500 mg" is half a gram.
_CONCENTRATE_MILLIGRAMS = range(100, 5001)

_MAX_OUNCE_ROUNDING = Decimal("1.02")
_SINGULAR = re.compile(r"(?:bar|cookie|brownie|bite|cone|bottle|bag|cartridge|mint|lozenge)$")
_EDIBLE_PIECE = re.compile(r"(?:gumm(?:y|ies)|chews|bites|bars|cookies|brownies|mints)$")
_MAX_EDIBLE_PIECES = 100
_MAX_CACHED_READINGS = 50_000
QuantityKind = Literal["grams", "milliliters", "dose"]
Quantity = tuple[QuantityKind, Decimal]
"""A kind with its amount: in grams, in milliliters, or in milligrams for a dose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeReading:
    """
    Grams or milliliters of the whole package, and its number of pieces; None: not stated.

    unit_count: None also for one piece beside a weight or volume. flags: "trade_ounce",
    "unit_from_column", "dose_not_weight".
    """

    grams: Decimal | None = None
    milliliters: Decimal | None = None
    unit_count: int | None = None
    flags: tuple[str, ...] = ()


def read_size(
    text: str, *, language: str = "", context: Mapping[str, str] | None = None
) -> SizeReading:
    """
    Parse a package size.

    "3x0.5g" is 1.5 g in 3 pieces, "355ml" 355 ml, "30 caps" 30 pieces, "1/8oz" 3.5 g.

    language: "fr" rejects a comma before three digits as ambiguous. context: "category" decides
    about ounces and milligrams, "column" gives the unit of a bare number. Raises RecordRejected:
    blank, zero, no size, a dose or dried equivalent alone, different sizes, a bare number without
    unit, or a pack whose weight may be that of one piece or of all.
    """
    context = context or {}
    normalized = normalize_value(text, field=_FIELD).strip("_ ")
    outcome = _read_normalized(
        normalized, language, context.get("category", ""), context.get("column", "")
    )
    if isinstance(outcome, str):
        raise RecordRejected(outcome, _FIELD)
    return outcome


@lru_cache(maxsize=_MAX_CACHED_READINGS)
def _read_normalized(
    normalized: str, language: str, category: str, column: str
) -> SizeReading | str:
    """Return the reading, or the reason of its rejection: a column repeats its texts."""
    try:
        return _read(normalized, language, category, column)
    except RecordRejected as rejection:
        return rejection.reason


def _read(normalized: str, language: str, category: str, column: str) -> SizeReading:
    if is_blank_value(normalized):
        raise RecordRejected(NO_VALUE, _FIELD)
    if re.fullmatch(NUMBER, normalized):
        return _read_bare_number(normalized, normalize_text(column), language)

    for pattern, count in _PACKS_IN_WORDS:
        normalized = pattern.sub(count, normalized)
    without_equivalents = _EQUATION.sub(" ", _DRIED_EQUIVALENT.sub(" ", normalized))
    normalized, dose_count = _DOSE.subn(" ", without_equivalents)
    if dose_count or "mg" in normalized:
        normalized = _UNMARKED_EQUIVALENT.sub(" ", normalized)
    _check_range(normalized, language)
    # A multiplier also states that the quantity beside it is that of one piece; a pack count does
    # not.
    multiplier, remainder = _find_multiplier(normalized)
    form = _size_form(category)
    if form == "concentrate" and product_form(normalized) == "topical":
        form = "topical"  # "Lotion 100 mg" states a dose, whatever its category
    quantities = _find_quantities(remainder, form, language)
    unit_count = multiplier or _first_count(_PACK_COUNTS, _QUANTITY.sub(" ", remainder))

    flags: list[str] = []
    sizes = list(dict.fromkeys(quantity for quantity in quantities if quantity[0] != "dose"))
    _check_left_over(normalized, remainder)
    if not sizes:
        return _read_count_only(unit_count, has_dose=bool(quantities or dose_count))
    is_dose_counted = bool(multiplier) and _COUNTED_DOSE.search(normalized) is not None
    is_per_piece = (bool(multiplier) and not is_dose_counted) or (
        bool(unit_count) and bool(_PER_PIECE.search(normalized))
    )
    kind, amount = sizes[0]
    if len(sizes) > 1:
        kind, amount = _package_amount(sizes, unit_count)
        is_per_piece = False
    elif unit_count and unit_count > 1 and not is_per_piece and amount <= _max_piece_amount(kind):
        raise RecordRejected("may be the weight of one piece or of all", _FIELD)
    package_amount = amount * unit_count if is_per_piece and unit_count else amount
    if package_amount > (_MAX_GRAMS if kind == "grams" else _MAX_MILLILITERS):
        raise RecordRejected("is more than a package contains", _FIELD)
    if _QUANTITY.search(normalized) and any(
        reading.flags for reading in _number_readings(remainder, language)
    ):
        flags.append("leading_point")
    if kind == "grams" and _TRADE_OUNCE.search(normalized):
        flags.append("trade_ounce")
    return SizeReading(
        grams=package_amount if kind == "grams" else None,
        milliliters=package_amount if kind == "milliliters" else None,
        unit_count=unit_count if unit_count and unit_count > 1 else None,
        flags=tuple(flags),
    )


def _find_multiplier(normalized: str) -> tuple[int | None, str]:
    """
    Return the count of "3 x 0.5 g" or "0.5 g x 3", and the text without counts before quantities.

    Raises RecordRejected for an addition ("7 x 0.5 g + 1") and for a count that is left over
    ("3.5 g x", "12 packs of 5").
    """
    multiplier = _first_count([*_MULTIPLIERS_BEFORE, _MULTIPLIER_AFTER], normalized)
    remainder = normalized
    for pattern in _MULTIPLIERS_BEFORE:
        remainder = pattern.sub(" ", remainder)
    if _ADDITION.search(normalized):
        raise RecordRejected("contains an addition", _FIELD)
    if (
        (multiplier and _BRACKETED_PACK.search(normalized))
        or _STRAY_MULTIPLIER.search(remainder)
        or _LONE_MULTIPLIER.search(_MULTIPLIER_AFTER.sub(" ", remainder))
    ):
        raise RecordRejected("contains a count that cannot be read", _FIELD)
    return multiplier, remainder


def may_be_one_piece(size: SizeReading) -> bool:
    """Return whether a size is so small that it may be that of one piece of several."""
    return (size.grams is not None and size.grams <= _MAX_PIECE_GRAMS) or (
        size.milliliters is not None and size.milliliters <= _MAX_PIECE_MILLILITERS
    )


def _size_form(category: str) -> str:
    """Return the product form, or "beverage", whose ounces are fluid."""
    is_beverage = re.search("beverage|boisson|drink", normalize_text(category)) is not None
    return "beverage" if is_beverage else product_form(category)


def _read_bare_number(normalized: str, column: str, language: str) -> SizeReading:
    """Read a number without a unit; its column name must state the unit."""
    amount = read_number(normalized, field=_FIELD, language=language).value
    if re.search(r"gram|_g\b|\bg\b|weight_g|poids", column) and amount:
        return SizeReading(grams=amount, flags=("unit_from_column",))
    if re.search(r"\bml\b|_ml\b|millilit|volume", column) and amount:
        return SizeReading(milliliters=amount, flags=("unit_from_column",))
    raise RecordRejected("is a bare number", _FIELD)


def _read_count_only(unit_count: int | None, *, has_dose: bool) -> SizeReading:
    """Read a text without weight or volume: a number of pieces, perhaps with the dose of each."""
    if unit_count and not (has_dose and unit_count == 1):
        return SizeReading(unit_count=unit_count, flags=("dose_not_weight",) if has_dose else ())
    raise RecordRejected(
        "is a dose of milligrams, not a size" if has_dose else "contains no size", _FIELD
    )


def _check_range(normalized: str, language: str) -> None:
    """Raise RecordRejected for "3.5-7 g", "1 to 2 g", "10-20 caps": several sizes, not one."""
    for match in _RANGE.finditer(normalized):
        if match["low_unit"] and not match["high_unit"]:
            continue  # "60 mg - 20 pack"
        is_name = match["sign"].startswith(" ") and not match["low_unit"] and match.start()
        if is_name and match["sign"].strip() == "-":
            continue  # "Gelato 33 - 3.5 g"
        if "/" not in match["low"] + match["high"] and not match["low_unit"]:
            low, high = (
                read_number(match[end], field=_FIELD, language=language).value
                for end in ("low", "high")
            )
            if low > high and match.start():
                continue  # "Gelato 33-3.5g"
        raise RecordRejected("is a range of sizes", _FIELD)


def _number_readings(text: str, language: str) -> list[Reading]:
    return [
        read_number(match["number"], field=_FIELD, language=language)
        for match in _QUANTITY.finditer(text)
        if match["number"]
    ]


def _check_surroundings(match: re.Match[str], text: str) -> None:
    """Raise RecordRejected when a sign that no rule knows touches a quantity."""
    before, after = text[: match.start()].rstrip(), text[match.end() : match.end() + 1]
    touching = text[match.start() - 1] if match.start() else " "
    if touching not in _BEFORE_QUANTITY or (before == touching and touching not in _BRACKETS):
        raise RecordRejected("contains a number that cannot be read whole", _FIELD)
    if touching in _BRACKETS and _BRACKETS[touching] not in text[match.end() :]:
        raise RecordRejected("contains a bracket that is not closed", _FIELD)
    if before.endswith(("<", ">", "≤", "≥", "~", "±")) or _BOUND_WORDS.search(before):
        raise RecordRejected("is a bound, not a size", _FIELD)
    if before.endswith("-") and len(before) == 1:
        raise RecordRejected("is negative", _FIELD)
    if before.endswith(("--", "+", "=", "#", "$")) or (
        after and after not in _AFTER_QUANTITY and not _TIMES_COUNT.match(text, match.end())
    ):
        raise RecordRejected("contains a number that cannot be read whole", _FIELD)
    if _SECOND_UNIT.match(text, match.end()):
        raise RecordRejected("contains two units side by side", _FIELD)
    if re.fullmatch(rf"{NUMBER}", before) or _CUT_NUMBER.search(before):
        raise RecordRejected("contains two numbers side by side", _FIELD)


def _check_left_over(normalized: str, remainder: str) -> None:
    """Raise RecordRejected for a number that nothing accounts for in a text without words."""
    if re.search(r"[^\W\d_]{2}", _QUANTITY.sub(" ", normalized)):
        return
    if _LEFT_OVER_NUMBER.search(_TIMES_COUNT.sub(" ", _QUANTITY.sub(" ", remainder))):
        raise RecordRejected("contains a number that cannot be read", _FIELD)


def _find_quantities(normalized: str, form: str, language: str) -> list[Quantity]:
    matches = list(_QUANTITY.finditer(normalized))
    for match in matches:
        _check_surroundings(match, normalized)
    quantities = [
        _to_quantity(_match_amount(match, language), match["unit"], form) for match in matches
    ] or _find_quantities_in_words(normalized)
    if any(amount <= 0 for _, amount in quantities):
        raise RecordRejected("is zero", _FIELD)
    units = [match["unit"] for match in matches]
    if len(units) == 2 and "ml" in units and any("oz" in unit for unit in units):
        return _without_same_ounces(quantities, milliliters_at=units.index("ml"))
    return quantities


def _without_same_ounces(quantities: list[Quantity], *, milliliters_at: int) -> list[Quantity]:
    """Leave out the fluid ounces of "20 ml / 0.68 oz" and "473 ml (16 fl oz)"."""
    milliliters = quantities[milliliters_at]
    kind, amount = quantities[1 - milliliters_at]
    if kind == "grams":
        amount = amount / _TRADE_OUNCE_GRAMS * Decimal(_FLUID_OUNCE_ML)
    is_same = 1 / _MAX_OUNCE_ROUNDING <= amount / milliliters[1] <= _MAX_OUNCE_ROUNDING
    return [milliliters] if is_same else quantities


def _match_amount(match: re.Match[str], language: str) -> Decimal:
    if match["numerator"]:
        whole = Decimal(match["whole"] or 0)
        return whole + Decimal(match["numerator"]) / Decimal(match["denominator"])
    return read_number(match["number"], field=_FIELD, language=language).value


def _to_quantity(amount: Decimal, unit: str, form: str) -> Quantity:
    """Convert an amount; milligrams are a dose, except those that are a concentrate's weight."""
    if unit == "oz" and form == "beverage":
        unit = "fl oz"
    if unit in _MILLILITERS_PER_UNIT:
        milliliters = amount * Decimal(_MILLILITERS_PER_UNIT[unit])
        return "milliliters", milliliters.quantize(Decimal("0.01"))
    if unit == "mg":
        lowest, highest = _CONCENTRATE_MILLIGRAMS[0], _CONCENTRATE_MILLIGRAMS[-1]
        is_weight = form == "concentrate" and lowest <= amount <= highest
        return ("grams", amount / 1000) if is_weight else ("dose", amount)
    grams = amount * _GRAMS_PER_UNIT[unit]
    # "0.025g" on an edible is its dose, written as if it were a weight.
    if form in ("edible", "beverage", "topical") and grams < 1:
        return "dose", grams * 1000
    return "grams", grams


def _find_quantities_in_words(normalized: str) -> list[Quantity]:
    """Find "half gram", "quarter ounce"; or a text that is one unit: "eighth", "gram", "ounce"."""
    quantities: list[Quantity] = [
        ("grams", Decimal(_AMOUNT_WORDS[match["word"]]) * _GRAMS_PER_UNIT[match["unit"]])
        for match in _QUANTITY_IN_WORDS.finditer(normalized)
    ]
    if quantities:
        return quantities
    if match := re.fullmatch(r"(?:an? |une? )?(eighth|quarter|huitième)", normalized):
        return [("grams", Decimal(_AMOUNT_WORDS[match[1]]) * _TRADE_OUNCE_GRAMS)]
    if re.fullmatch(r"an? ?gram|gram|gramme|g", normalized):
        return [("grams", Decimal(1))]
    if re.fullmatch(r"(?:an? )?(?:ounce|oz|once)", normalized):
        return [("grams", Decimal(_TRADE_OUNCE_GRAMS))]
    return []


def _package_amount(sizes: list[Quantity], unit_count: int | None) -> Quantity:
    """
    Return the larger of two sizes if it is the smaller times the count: "14 x 0.5 g (7 g)".

    Two sizes that differ by the rounding of an ounce are one: "1 oz (28.35 g)".

    Raises RecordRejected for any others.
    """
    (kind, first), (other_kind, second) = sizes[:2]
    small, large = sorted((first, second))
    if len(sizes) == 2 and kind == other_kind and unit_count and small * unit_count == large:
        return kind, large
    if len(sizes) == 2 and kind == other_kind and large <= small * _MAX_OUNCE_ROUNDING:
        return kind, large
    raise RecordRejected("contains different sizes", _FIELD)


def _max_piece_amount(kind: QuantityKind) -> int:
    return _MAX_PIECE_GRAMS if kind == "grams" else _MAX_PIECE_MILLILITERS


def _first_count(patterns: list[re.Pattern[str]], normalized: str) -> int | None:
    """Return the count of the first pattern that matches. Raises RecordRejected: zero."""
    for pattern in patterns:
        if match := pattern.search(normalized):
            if "single" in match.groupdict():
                return 1
            if int(match["count"]) > 1 and _SINGULAR.search(match[0]):
                continue  # "300 Bar" is a name
            if int(match["count"]) > _MAX_EDIBLE_PIECES and _EDIBLE_PIECE.search(match[0]):
                continue  # "505 Gummies" are of a brand
            if not int(match["count"]):
                raise RecordRejected("is zero", _FIELD)
            return int(match["count"])
    return None
