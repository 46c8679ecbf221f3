"""Sizes as written: grams of product, milliliters, pieces. Dried equivalents and doses are not sizes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from catalog.ingest.cleaning.numbers import NUMBER, plain, read_number, says_nothing
from catalog.ingest.vocabulary import form_of
from mlops.pipelines.errors import RecordRejected

_FIELD = "weight"
# The trade's ounce: eighths are sold as 3.5 g everywhere.
_GRAMS = {
    "g": 1,
    "gr": 1,
    "gram": 1,
    "grams": 1,
    "gramme": 1,
    "grammes": 1,
    "kg": 1000,
    "oz": 28,
    "ounce": 28,
    "ounces": 28,
    "once": 28,
    "onces": 28,
}
_FLUID = {
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
    "fl oz": "29.5735",
    "fl. oz": "29.5735",
    "fl. oz.": "29.5735",
}
_WORDS = {
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
}
_FORMS = r"(?:pre-?rolls?|pr[ée]-?roul[ée]s?|joints?|capsules?|caps|softgels?|g[ée]lules?|pills?|tablets?|comprim[ée]s?|seeds?|graines?|gumm(?:y|ies)|chews?|pieces?|pi[eè]ces?|pcs?|units?|unit[ée]s?|un\.?|cartridges?|bags?|bottles?|cans?|canettes?|bouteilles?|sachets?|tea ?bags?|suppositor(?:y|ies)|patch(?:es)?|cookies?|brownies?|bites?|bars?|cones?|mints?|lozenges?|ct|count)"
_UNIT = "|".join(sorted((re.escape(u) for u in (*_GRAMS, *_FLUID, "mg")), key=len, reverse=True))
_QUANTITY = re.compile(
    rf"(?<![\d./])(?:(?P<fraction>\d)/(?P<parts>[248]|16)|(?P<number>{NUMBER}))\s*-?\s*(?P<unit>{_UNIT})\b\.?"
)
_IN_WORDS = re.compile(
    rf"\b(?P<word>{'|'.join(_WORDS)})[- ]*(?:an? )?(?P<unit>gram(?:me)?s?|g|ounces?|oz|once)\b"
)
_TIMES = [
    re.compile(
        rf"(?P<count>\d{{1,3}})\s*-?\s*(?:packs?|pk|{_FORMS})\s*[x×]\s*(?={NUMBER}\s*(?:{_UNIT})\b)"
    ),
    re.compile(rf"(?P<count>\d{{1,3}})\s*[x×*]\s*(?={NUMBER}\s*(?:{_UNIT})\b)"),
    re.compile(r"(?<=[a-z])\s*[x×*]\s*(?P<count>\d{1,3})\b(?!\s*/)"),
]
_PACK = [
    re.compile(r"(?P<count>\d{1,3})\s*-?\s*(?:packs?|pck|pk|paquets?)\b"),
    re.compile(r"\b(?:pack|box|bag|paquet|bo[iî]te|lot|sachet)s? (?:of|de) (?P<count>\d{1,3})\b"),
    re.compile(rf"(?P<count>\d{{1,3}})\s*-?\s*{_FORMS}(?![a-z])"),
    re.compile(r"\b(?P<one>each|single|unit[ée]?|à l'unité)\b"),
]
_EACH = re.compile(r"\b(?:ea\.?|each|chacune?|/ ?un(?:it)?|per (?:unit|piece))(?![a-z])")
_EQUIVALENT = re.compile(
    rf"(?:=|equals|équivaut à|eq\.?)\s*{NUMBER}\s*g(?:ram)?s?\b(?:\s*(?:of\s*)?(?:raw|dried)?\s*(?:flower|equivalent)\w*)?|{NUMBER}\s*x\s*\d/700"
)
_ACTIVE = re.compile(rf"{NUMBER}\s*mg\s*(?:/|total|tot\.?|thc|cbd|of|de|per)[^,;=]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeReading:
    """Grams or milliliters of the whole package, and pieces in it; None where unread."""

    grams: Decimal | None = None
    milliliters: Decimal | None = None
    pieces: int | None = None
    flags: tuple[str, ...] = ()


def read_size(
    text: str, *, language: str = "", context: Mapping[str, str] | None = None
) -> SizeReading:
    """
    Read a size: "3x0.5g" is 1.5 g in 3, "355ml" 355 ml, "30 caps" 30 pieces, "1/8oz" 3.5 g, "0,5 g ch. | 2" refused.

    context: category, column. Raises RecordRejected: nothing said, no size, a dose of milligrams, a dried
    equivalent alone, two different sizes, a pack whose weight may be one piece's or the whole's.
    """
    context = context or {}
    words = plain(text).strip("_ ")
    if says_nothing(words):
        raise RecordRejected("says nothing", _FIELD)
    form = form_of(context.get("category", ""))
    if re.fullmatch(NUMBER, words):
        return _bare(words, plain(context.get("column", "")), language)
    words = _ACTIVE.sub(" ", _EQUIVALENT.sub(" ", words))
    times = _first(_TIMES, words)
    rest = _TIMES[1].sub(" ", _TIMES[0].sub(" ", words))
    is_drink = re.search("beverage|boisson|drink", plain(context.get("category", ""))) is not None
    quantities = _quantities(rest, "beverage" if is_drink else form, language)
    pieces = times or _first(_PACK, _QUANTITY.sub(" ", rest))
    kinds = {kind for kind, _ in quantities}
    if not quantities or kinds == {"dose"}:
        if pieces and not ("dose" in kinds and pieces == 1):
            return SizeReading(pieces=pieces, flags=("dose_not_weight",) if kinds else ())
        raise RecordRejected(
            "is a dose of milligrams, not a size" if kinds else "holds no size", _FIELD
        )
    sizes = list(dict.fromkeys(quantity for quantity in quantities if quantity[0] != "dose"))
    kind, amount = sizes[0]
    flags: tuple[str, ...] = (
        ("trade_ounce",)
        if re.search(r"(?<![a-z])oz\b|ounce|\bonces?\b", words) and kind == "grams"
        else ()
    )
    is_each = bool(times) or (bool(pieces) and bool(_EACH.search(words)))
    if len(sizes) > 1:
        kind, amount, is_each = _agreed(sizes, pieces)
    elif pieces and pieces > 1 and not is_each and amount <= (1 if kind == "grams" else 500):
        raise RecordRejected("may be the weight of one piece or of all", _FIELD)
    whole = amount * pieces if is_each and pieces else amount
    count = pieces if pieces and (pieces > 1 or not quantities) else None
    return SizeReading(**{kind: whole}, pieces=count, flags=flags)


def _bare(words: str, column: str, language: str) -> SizeReading:
    amount = read_number(words, field=_FIELD, language=language)
    if re.search(r"gram|_g\b|\bg\b|weight_g|poids", column) and amount:
        return SizeReading(grams=amount, flags=("unit_from_column",))
    if re.search(r"\bml\b|_ml\b|millilit|volume", column) and amount:
        return SizeReading(milliliters=amount, flags=("unit_from_column",))
    raise RecordRejected("is a bare number", _FIELD)


def _quantities(words: str, form: str, language: str) -> list[tuple[str, Decimal]]:
    found = []
    for match in _QUANTITY.finditer(words):
        if match["fraction"]:
            amount = Decimal(match["fraction"]) / Decimal(match["parts"])
        else:
            amount = read_number(match["number"], field=_FIELD, language=language)
        unit = match["unit"]
        if unit in _FLUID:
            found.append(
                ("milliliters", (amount * Decimal(_FLUID[unit])).quantize(Decimal("0.01")))
            )
        elif unit == "mg":
            is_weight = form == "concentrate" and 100 <= amount <= 5000
            found.append(("grams", amount / 1000) if is_weight else ("dose", amount))
        elif unit == "oz" and form == "beverage":
            found.append(("milliliters", (amount * Decimal("29.5735")).quantize(Decimal("0.01"))))
        else:
            grams = amount * _GRAMS[unit]
            # "0.025g" on an edible is its dose, written as if it were a weight.
            found.append(
                ("dose", grams * 1000)
                if form in ("edible", "beverage", "topical") and grams < 1
                else ("grams", grams)
            )
    if not found:
        for match in _IN_WORDS.finditer(words):
            found.append(("grams", Decimal(_WORDS[match["word"]]) * _GRAMS[match["unit"]]))
    if not found and re.fullmatch(r"(?:an? )?(?:eighth|quarter)", words):
        found.append(("grams", Decimal(_WORDS[words.split()[-1]]) * 28))
    if not found and re.fullmatch(r"an? ?gram|gram|gramme|g", words):
        found.append(("grams", Decimal(1)))
    if not found and re.fullmatch(r"(?:an? )?(?:ounce|oz|once)", words):
        found.append(("grams", Decimal(28)))
    if any(amount <= 0 for _, amount in found):
        raise RecordRejected("is zero", _FIELD)
    return found


def _agreed(sizes: list[tuple[str, Decimal]], pieces: int | None) -> tuple[str, Decimal, bool]:
    """Of two sizes one may be the whole of the other's pieces: "14 x 0.5 g (7 g)"."""
    (kind, one), (other, two) = sizes[0], sizes[1]
    small, large = min(one, two), max(one, two)
    if len(sizes) == 2 and kind == other and pieces and small * pieces == large:
        return kind, large, False
    raise RecordRejected("holds different sizes", _FIELD)


def _first(patterns: list[re.Pattern[str]], words: str) -> int | None:
    for pattern in patterns:
        if match := pattern.search(words):
            count = 1 if "one" in match.groupdict() else int(match["count"])
            return count or None
    return None
