"""
Quantities in a product's name and size text: package amounts, doses and piece counts.

Quantities are compared as numbers: "200mg", "20 x 10mg" and {200 mg, 20 pieces} are one dose,
"1,500 mg" is 1.5 g. Each reader returns every reading that a text allows ("3 pack 1g" is one gram
or three); two products differ in a quantity only when no readings agree.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

Family = str
"""smoked, vape, concentrate, edible, topical, device, or "" when unknown."""
Agreement = Literal["same", "other", "one", "none"]
"""Readings agree, disagree, or are known of one product or of none."""

_OUNCE_GRAMS = 28.0
_FLUID_OUNCE_ML = 29.5735
_MILLIGRAM_SIZED = ("vape", "concentrate")
_UNWEIGHED = ("edible", "topical", "device")
_LAB_TOLERANCE = 0.12
"""A dose with a fraction ("91.1mg") was measured from a lot; it agrees with a nominal "100mg"."""
_WEIGHT_TOLERANCE = 0.02
_VAPE_TOLERANCE = 0.06
"""A till's nominal "1 g" of a vape or concentrate is 0.95 g on its label."""
_MAX_PACKAGE_THC = 10
"""
Canada's limit for a package of food: "10 mg, 4 pieces" is the package there, elsewhere one piece.
"""
_MIN_PACKAGE_DOSE = 100
_MIN_PIECES = 5
_MIN_PACKAGE_GRAMS = 2
"""From this weight on, "7 pack 3.5 g" states the package: no pre-roll weighs as much."""
_MAX_PIECES = 500

_NUMBER = r"\d+(?:[.]\d+)?|[.]\d+"
_THOUSANDS = re.compile(r"(?<![\d.:/#])(\d{1,3})(?:,(?=\d{3})| (?=[05]00))(\d{3})(?=\s*mg)")
_POINT_THOUSANDS = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{3})(?=\s*mg)")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")
_CANNABINOID = r"(?:thca?|cbd|cbg|cbn|cbc|thcv)"
_UNIT = (
    r"mg|milligrams?|milligrammes?|kg|grams?|grammes?|gr?(?![a-z])|g(?=thc|cbd)|fl\.?\s?oz|oz"
    r"|ounces?|onces?|ml|cl|litres?|liters?|l(?![a-z])"
)
_COUNT_UNIT = (
    r"(?:packs?|pk|pcs?|pieces?|ct|count|counts|caps(?:ules)?|softgels?|gelules?|gummies|chews"
    r"|prerolls?|pre-rolls?|preroules?|joints|units?|unites?|un\.?(?!\w)|cartridges|cartouches"
    r"|sachets?|seeds|graines|bombons|tablets?|jujubes|bouchees|morceaux|bonbons|carres|pastilles"
    r"|canettes|cans|bottles|bouteilles|multi ?pa[ck]+)"
)
_QUANTITY = re.compile(
    rf"(?:(?<![\w.])(?P<times>\d{{1,3}})\s*x\s*|(?<![\w.$#])(?<!\d[:/-]))(?P<number>{_NUMBER})"
    rf"(?:\s*[/:]\s*(?P<second>{_NUMBER}))?\s*-?\s*(?P<unit>{_UNIT})"
    rf"\s*(?:of\s+|de\s+)?(?P<cannabinoid>{_CANNABINOID})?(?![a-z](?<!x))"
    rf"(?P<each>\s*(?:ea\b|each|chacune?|/\s?(?:unit|piece|pc)|per (?:unit|piece)))?"
    rf"(?:\s*x\s*(?P<after>\d{{1,3}})(?![\d.]))?"
)
_FRACTION = re.compile(
    r"(?<![\d.])(?P<top>\d)/(?P<bottom>[248])\s*(?:th\s*)?(?:oz|ounces?|onces?)?\b"
)
_WORDED = {
    "eighth": 3.5,
    "huitieme": 3.5,
    "quarter ounce": 7.0,
    "quarter oz": 7.0,
    "quart d'once": 7.0,
    "half ounce": 14.0,
    "half oz": 14.0,
    "demi-once": 14.0,
    "half gram": 0.5,
    "demi-gramme": 0.5,
    "full gram": 1.0,
}
_WORDS = re.compile(rf"\b(?:{'|'.join(map(re.escape, _WORDED))})\b")
_PACK_OF = re.compile(
    r"\b(?:packs?|paquets?|boites?|box|bags?|lots?|emballages?)\s+(?:of|de)\s+(?P<count>\d{1,3})\b"
)
_COUNT = re.compile(rf"(?<![\w.:/])(?P<count>\d{{1,3}})\s*-?\s*{_COUNT_UNIT}(?![a-z])")
_BARE_COUNT = re.compile(r"(?<![\w.:/])(?P<count>\d{1,3})\s*x(?![a-z0-9])")
_DIGIT = re.compile(r"\d")
_PIECES = (_PACK_OF, _COUNT, _BARE_COUNT)
_BARE_DECIMAL = re.compile(r"(?<![\w.$:/])(?P<number>\d?\.\d+)(?![\w.%:/])")
_RATIO = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d)?(?:\s?:\s?\d{1,3}(?:\.\d)?){1,3}(?!\s*mg)(?![\d.])")
_PERCENT = re.compile(
    rf"(?:{_NUMBER})\s*(?:%|percent\b)(?:\s*{_CANNABINOID})?|{_CANNABINOID}\s*:?\s*(?:{_NUMBER})\s*%"
)
_UNITLESS_DOSE = re.compile(rf"(?<![\w.:#])(\d{{2,4}})\s+(?={_CANNABINOID}\b(?!\s*:?\s*\d))")
_PRICE = re.compile(r"\$\s?\d+(?:\.\d\d?)?|(?<![\w.])\d+(?:\.\d\d)?\s?\$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """
    The readings of each quantity; empty: not stated.

    weights: grams of the package. volumes: milliliters. doses: milligrams of the package by
    cannabinoid, "" when none is named. pieces: number of pieces. ratios: parts of cannabinoids.
    """

    weights: frozenset[float] = frozenset()
    volumes: frozenset[float] = frozenset()
    doses: dict[str, frozenset[float]] = field(default_factory=dict)
    pieces: frozenset[int] = frozenset()
    ratios: frozenset[tuple[float, ...]] = frozenset()

    @property
    def all_doses(self) -> frozenset[float]:
        """Readings of the dose whatever its cannabinoid, and their sum."""
        readings = {dose for doses in self.doses.values() for dose in doses}
        named = [doses for name, doses in self.doses.items() if name]
        if len(named) > 1:
            readings.add(sum(max(doses) for doses in named))
        return frozenset(readings)

    @property
    def named_doses(self) -> dict[str, frozenset[float]]:
        """Doses whose cannabinoid is named."""
        return {name: doses for name, doses in self.doses.items() if name}

    @property
    def is_known(self) -> bool:
        """Whether any amount, dose or number of pieces is stated."""
        return bool(self.weights or self.volumes or self.doses or self.pieces)


def read_pieces(text: str) -> frozenset[int]:
    """Return the numbers of pieces in a folded text."""
    return _find_pieces(_prepared(text, ""))


def read_quantities(
    text: str, family: Family, pieces: frozenset[int] = frozenset()
) -> tuple[Quantities, str]:
    """
    Return the quantities of a folded text, and the text without them.

    family: decides whether milligrams are a dose or the weight of a concentrate. pieces: numbers of
    pieces that other texts of the product state.
    """
    if not (_DIGIT.search(text) or _WORDS.search(text)):
        return Quantities(), text
    text = _prepared(text, family)
    ratios = frozenset(_read_ratio(match[0]) for match in _RATIO.finditer(text))
    own_pieces = _find_pieces(text)
    text = _RATIO.sub(" ", text)
    weights = {
        round(_OUNCE_GRAMS * int(match["top"]) / int(match["bottom"]), 3)
        for match in _FRACTION.finditer(text)
    }
    text = _FRACTION.sub(" ", text)
    matches = list(_QUANTITY.finditer(text))
    # Behind a weight, a cannabinoid is a word of the name: "1g CBD cartridge".
    text = _QUANTITY.sub(
        lambda match: " " if match["unit"].startswith("m") else f" {match['cannabinoid'] or ''} ",
        text,
    )
    for pattern in _PIECES:
        text = pattern.sub(" ", text)
    in_amounts, volumes, doses = _read_amounts(matches, own_pieces, family)
    if others := pieces - own_pieces:
        with_others = _read_amounts(matches, others, family)
        in_amounts, volumes = in_amounts | with_others[0], volumes | with_others[1]
        for name, readings in with_others[2].items():
            doses[name] = doses.get(name, set()) | readings
    weights |= in_amounts | {_WORDED[match[0]] for match in _WORDS.finditer(text)}
    text = _WORDS.sub(" ", text)
    if not weights and family not in _UNWEIGHED:
        weights |= {float(match["number"]) for match in _BARE_DECIMAL.finditer(text)}
        text = _BARE_DECIMAL.sub(" ", text)
    quantities = Quantities(
        weights=frozenset(weights),
        volumes=frozenset(volumes),
        doses={name: frozenset(values) for name, values in doses.items()},
        pieces=own_pieces,
        ratios=ratios,
    )
    return quantities, text


def _read_ratio(text: str) -> tuple[float, ...]:
    """Return the parts: of two, in order ("20:1" is not "1:20"); of more, the largest first."""
    parts = [float(part) for part in text.split(":")]
    return tuple(parts if len(parts) == 2 else sorted(parts, reverse=True))


def _prepared(text: str, family: Family) -> str:
    """Return a text without prices and percentages, its numbers in one notation."""
    if family != "device":  # "$10 pipe" has no other name
        text = _PRICE.sub(" ", _PERCENT.sub(" ", text))
    text = _UNITLESS_DOSE.sub(r"\1mg ", text)
    text = _THOUSANDS.sub(r"\1\2", text)
    text = _POINT_THOUSANDS.sub(r"\1\2", text)
    return _DECIMAL_COMMA.sub(".", text)


def _find_pieces(text: str) -> frozenset[int]:
    if not _DIGIT.search(text):
        return frozenset()
    text = _FRACTION.sub(" ", _RATIO.sub(" ", text))
    counts = {
        int(match[name])
        for match in _QUANTITY.finditer(text)
        for name in ("times", "after")
        if match[name]
    }
    rest = _QUANTITY.sub(" ", text)
    counts |= {int(match["count"]) for pattern in _PIECES for match in pattern.finditer(rest)}
    return frozenset(count for count in counts if 0 < count <= _MAX_PIECES)


def _read_amounts(
    matches: Iterable[re.Match[str]], counts: frozenset[int], family: Family
) -> tuple[set[float], set[float], dict[str, set[float]]]:
    weights: set[float] = set()
    volumes: set[float] = set()
    doses: dict[str, set[float]] = {}
    pieces = max(counts, default=1)
    for match in matches:
        unit = match["unit"].replace(".", "").replace(" ", "")
        times = int(match["times"] or match["after"] or 1)
        is_piece = bool(match["each"])
        for text in filter(None, (match["number"], match["second"])):
            amount = float(text)
            if not amount:
                continue
            grams = _grams(amount, unit)
            if unit.startswith("m") and unit[1] != "l":
                _add_dose(
                    doses, match["cannabinoid"] or "", amount, times, pieces, is_piece=is_piece
                )
            elif grams is None:
                volumes.add(round(_milliliters(amount, unit) * times, 2))
            elif family in ("edible", "topical") and grams < 1 and "oz" not in unit:
                # "0.1g" on an edible is its dose, written as if it were a weight.
                _add_dose(
                    doses,
                    match["cannabinoid"] or "",
                    grams * 1000,
                    times,
                    pieces,
                    is_piece=is_piece,
                )
            elif family in ("edible", "topical") and "oz" in unit:
                weights.add(round(grams * times, 3))
                volumes.add(round(amount * _FLUID_OUNCE_ML * times, 2))
            else:
                is_piece_sized = family != "smoked" or grams < _MIN_PACKAGE_GRAMS
                weights |= _package_amounts(
                    grams, times, pieces if is_piece_sized else 1, is_piece=is_piece
                )
    if family in _MILLIGRAM_SIZED and not weights:
        sizes = {dose for name in ("", "thc") for dose in doses.get(name, ())}
        weights |= {round(dose / 1000, 3) for dose in sizes if 100 <= dose <= 5000}
    if family in _UNWEIGHED and doses:
        weights.discard(1.0)  # "1 g" is how tills write one piece
    return weights, volumes, doses


def _grams(amount: float, unit: str) -> float | None:
    if unit.startswith("k"):
        return amount * 1000
    if unit.startswith("g"):
        return amount
    if unit in ("oz", "ounce", "ounces", "once", "onces"):
        return amount * _OUNCE_GRAMS
    return None


def _milliliters(amount: float, unit: str) -> float:
    if unit.startswith("fl"):
        return amount * _FLUID_OUNCE_ML
    return amount * {"m": 1, "c": 10}.get(unit[0], 1000)


def _package_amounts(grams: float, times: int, pieces: int, *, is_piece: bool) -> set[float]:
    if times > 1:
        return {round(grams * times, 3)}
    if is_piece:
        return {round(grams * pieces, 3)}
    if pieces > 1:
        return {round(grams, 3), round(grams * pieces, 3)}
    return {round(grams, 3)}


def _add_dose(  # noqa: PLR0913  # one dose as written
    doses: dict[str, set[float]],
    cannabinoid: str,
    amount: float,
    times: int,
    pieces: int,
    *,
    is_piece: bool,
) -> None:
    if amount < 1:
        amount *= 1000  # "0.1mg" for 0.1 g
    name = "thc" if cannabinoid == "thca" else cannabinoid
    readings = doses.setdefault(name, set())
    if times > 1:
        readings.add(round(amount * times, 2))
    elif is_piece or (pieces > 1 and amount < _MAX_PACKAGE_THC):
        readings.add(round(amount * pieces, 2))
    elif pieces > 1 and not (pieces >= _MIN_PIECES and amount >= _MIN_PACKAGE_DOSE):
        readings |= {amount, round(amount * pieces, 2)}
    else:
        readings.add(amount)


def union(left: Quantities, right: Quantities) -> Quantities:
    """Return the readings of both texts of one product."""
    if not right.is_known and not right.ratios:
        return left
    names = left.doses.keys() | right.doses.keys()
    return Quantities(
        weights=left.weights | right.weights,
        volumes=left.volumes | right.volumes,
        doses={
            name: left.doses.get(name, frozenset()) | right.doses.get(name, frozenset())
            for name in names
        },
        pieces=left.pieces | right.pieces,
        ratios=left.ratios | right.ratios,
    )


def without_doses(quantities: Quantities) -> Quantities:
    """Return quantities without doses: those in columns of flower are measured from a lot."""
    return replace(quantities, doses={})


def compare_weights(left: Quantities, right: Quantities, family: Family) -> Agreement:
    """Compare package amounts: grams with grams, milliliters with milliliters."""
    tolerance = _VAPE_TOLERANCE if family in _MILLIGRAM_SIZED else _WEIGHT_TOLERANCE
    kinds = ((left.weights, right.weights), (left.volumes, right.volumes))
    common = [(a, b) for a, b in kinds if a and b]
    if common:
        agrees = any(_agree(a, b, tolerance) for a, b in common)
        return "same" if agrees else "other"
    known = [bool(quantities.weights or quantities.volumes) for quantities in (left, right)]
    return "one" if any(known) else "none"


def compare_pieces(left: Quantities, right: Quantities) -> Agreement:
    """Compare numbers of pieces."""
    if left.pieces and right.pieces:
        return "same" if left.pieces & right.pieces else "other"
    return "one" if left.pieces or right.pieces else "none"


def compare_ratios(left: Quantities, right: Quantities) -> Agreement:
    """Compare ratios of cannabinoids."""
    if left.ratios and right.ratios:
        return "same" if left.ratios & right.ratios else "other"
    return "one" if left.ratios or right.ratios else "none"


def compare_doses(left: Quantities, right: Quantities) -> Agreement:
    """Compare doses of each cannabinoid that both name, else whatever both state."""
    common = left.named_doses.keys() & right.named_doses.keys()
    if common:
        agrees = all(_doses_agree(left.doses[name], right.doses[name]) for name in common)
        return "same" if agrees else "other"
    if left.doses and right.doses:
        return "same" if _doses_agree(left.all_doses, right.all_doses) else "other"
    return "one" if left.doses or right.doses else "none"


def have_other_cannabinoid(left: Quantities, right: Quantities) -> bool:
    """Return whether both name the cannabinoid of their dose and share none: THC is not CBD."""
    names = [set(quantities.named_doses) for quantities in (left, right)]
    is_mixed = bool(left.ratios or right.ratios)
    return all(names) and names[0].isdisjoint(names[1]) and not is_mixed


def _agree(left: Iterable[float], right: Iterable[float], tolerance: float) -> bool:
    return any(abs(a - b) <= tolerance * max(a, b) for a in left for b in right)


def _doses_agree(left: Iterable[float], right: Iterable[float]) -> bool:
    return any(_one_dose(a, b) for a in left for b in right)


def _one_dose(left: float, right: float) -> bool:
    if left == right:
        return True
    is_measured = left % 1 > 0 or right % 1 > 0
    return is_measured and abs(left - right) <= _LAB_TOLERANCE * max(left, right)
