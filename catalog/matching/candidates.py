"""Products as compared: the attributes given, and what is read from them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache

from catalog.matching.brands import Brand, read_brand, remove_brand, remove_leading_part
from catalog.matching.lexicon import Word, fold, name_tokens, read_words
from catalog.matching.quantities import (
    Quantities,
    compare_doses,
    compare_pieces,
    compare_weights,
    read_pieces,
    read_quantities,
    union,
    without_doses,
)
from catalog.reference.strains import names_of_strains

Range = tuple[Decimal, Decimal]
_FAMILIES = {
    "dried_flower": "smoked",
    "pre_rolls": "smoked",
    "vapes": "vape",
    "extracts": "concentrate",
    "edibles": "edible",
    "beverages": "edible",
    "capsules": "edible",
    "oils": "edible",
    "topicals": "topical",
    "seeds": "device",
    "accessories": "device",
}
_CLOTHING_SIZES = frozenset({"s", "l"})
"""Sizes of clothing that are type letters on other products."""
_PRE_ROLL_FORMS = frozenset({"preroll", "blunt", "cone", "hash hole"})
_FLOWER_FORMS = frozenset({"flower", "shake", "milled", "smalls"})
_BATCH_CODES = re.compile(
    r"\bid [a-z]+ ?#?\d+|\b(?:[a-z]{2} )?b\d{1,3}\b|\b(?:bin|batch|lot) ?#? ?[a-z]?\d+\w*"
    r"|- ?mixed ?-|\b\d{2,3} ?- ?\d{2,3} ?u\b|[\[(](?:rec|med|medical|recreational|new|sale)[\])]"
)
_SEPARATORS = re.compile(r"\s[-l/]+\s|[|:\[\]()]|^\s*-|-\s*$")
_BRACKETED_COUNT = re.compile(r"[\[(](\d{1,3})[\])]")
_CAMEL_CASE = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z]{2})")
_NUMBER_SIGN = re.compile(r"(?:#|\bno\.?|\bnumero|n°)\s*(?=\d)")
_NAMED_KINDS = frozenset({"word", "flavor"})
_TRACE = 0.05
_MIN_VAPE_POTENCY = 0.6
STRAIN_FAMILIES = frozenset({"smoked", "vape", "concentrate"})
_INFUSED_SAYS_NOTHING = frozenset({"edible", "topical"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchCandidate:
    """
    The attributes of a product that are compared; None or "": unknown.

    size: the size as written, for products without columns. price: in CAD. thc, cbd: percent.
    """

    merge_key: str
    name: str
    language: str = ""
    name_fr: str | None = None
    brand: str | None = None
    gtin: str | None = None
    category: str | None = None
    strain_type: str | None = None
    size: str = ""
    weight_grams: Decimal | None = None
    volume_ml: Decimal | None = None
    unit_count: int | None = None
    thc_mg: Decimal | None = None
    cbd_mg: Decimal | None = None
    measures: frozenset[str] = frozenset()
    """Sizes and doses that cleaning removed from the name: "100mg", "3x0.5g"."""
    thc: Range | None = None
    cbd: Range | None = None
    price: Decimal | None = None
    line_words: frozenset[str] = frozenset()
    """Words that name product lines of its brand (see `Assortment`)."""
    sizes_of_name: int = 0
    """Number of sizes in which its brand is known to sell a product of its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    What is read from the attributes of a product.

    names: the words of each name, in order, without those for quantities, form, type, cannabinoid
    and brand; names_with_forms: with those of form, for names of nothing else. Keys of forms, types
    ("indica") and cannabinoids are those of the lexicon.
    has_contradiction: its name and its columns state different quantities.
    """

    candidate: MatchCandidate
    brand: Brand
    family: str
    names: tuple[tuple[Word, ...], ...]
    names_with_forms: tuple[tuple[Word, ...], ...]
    tokens: frozenset[str]
    """Every word of the names, as folded; to find another product's brand among them."""
    forms: frozenset[str]
    types: frozenset[str]
    named_types: frozenset[str]
    """The types that its names state."""
    cannabinoids: frozenset[str]
    quantities: Quantities
    has_contradiction: bool
    sort_key: tuple[str, str]

    @property
    def is_pre_roll(self) -> bool | None:
        """Whether the product is rolled; None when neither its category nor its name says so."""
        if self.family != "smoked":
            return None
        is_infused = any(word.key == "infused" for name in self.names for word in name)
        if self.candidate.category == "pre_rolls" or self.forms & _PRE_ROLL_FORMS or is_infused:
            return True
        is_flower = self.candidate.category == "dried_flower" or self.forms & _FLOWER_FORMS
        return False if is_flower else None


@lru_cache(maxsize=65_536)
def read_profile(candidate: MatchCandidate) -> Profile:
    """Read a product; those read last are cached."""
    if candidate.line_words or candidate.sizes_of_name:  # which reading does not depend on
        plain = replace(candidate, line_words=frozenset(), sizes_of_name=0)
        return replace(read_profile(plain), candidate=candidate)
    return build_profile(candidate)


def build_profile(candidate: MatchCandidate) -> Profile:
    """Read a product."""
    brand = read_brand(candidate.brand)
    texts = [candidate.name, *([candidate.name_fr] if candidate.name_fr else [])]
    family = _family(
        candidate.category, [read_words(remove_brand(_tokens(text), brand)) for text in texts]
    )
    measures = fold(" ; ".join(sorted(candidate.measures)))
    pieces = read_pieces(" ; ".join([*map(_fold_name, texts), measures, fold(candidate.size)]))
    readings = [_read_name(text, family, brand, pieces) for text in texts]
    in_measures, _ = read_quantities(measures, family, pieces)
    in_names = in_measures
    for reading in readings:
        in_names = union(in_names, reading.quantities)
    in_columns = _column_quantities(candidate, family, pieces)
    if family == "smoked":
        in_columns = without_doses(in_columns)
    words = [word for reading in readings for word in reading.words]
    return Profile(
        candidate=candidate,
        brand=brand,
        family=family,
        names=tuple(
            dict.fromkeys(_select(reading.words, family, with_forms=False) for reading in readings)
        ),
        names_with_forms=tuple(
            dict.fromkeys(_select(reading.words, family, with_forms=True) for reading in readings)
        ),
        tokens=frozenset(token for reading in readings for token in reading.tokens),
        forms=frozenset(
            word.key for word in words if word.kind == "form" and not _is_naming(word, family)
        ),
        types=_types(words, candidate.strain_type),
        named_types=_types(words, None),
        cannabinoids=frozenset(
            [word.key for word in words if word.kind == "cannabinoid"]
            + _main_cannabinoids(in_names)
            + _main_cannabinoids(in_columns)
        ),
        quantities=union(in_names, in_columns),
        has_contradiction=_contradict(in_names, in_columns, family),
        sort_key=(candidate.name, candidate.merge_key),
    )


@dataclass(frozen=True, slots=True)
class _NameReading:
    words: tuple[Word, ...]
    tokens: tuple[str, ...]
    quantities: Quantities


def _read_name(text: str, family: str, brand: Brand, pieces: frozenset[int]) -> _NameReading:
    quantities, rest = read_quantities(_fold_name(text), family, pieces)
    rest = re.sub(r"(?<=\d)[.:](?=\d)", "point", rest)
    # "Softgels (15)" of 15 capsules; "#2" is none.
    rest = _BRACKETED_COUNT.sub(lambda match: " " if int(match[1]) in pieces else match[0], rest)
    tokens = _tokens(rest)
    segments = [_tokens(segment) for segment in _SEPARATORS.split(rest)]
    without_parts = [segment for segment in segments if segment not in brand.parts]
    named = remove_brand(tuple(token for segment in without_parts for token in segment), brand)
    named = remove_leading_part(named, brand)
    words = read_words(_without_strain_aliases(named, family))
    if family == "device":
        words += tuple(Word(token, "word") for token in named if token in _CLOTHING_SIZES)
    return _NameReading(words, tokens, quantities)


@lru_cache(maxsize=8_192)
def _fold_name(text: str) -> str:
    folded = fold(_CAMEL_CASE.sub(" ", text))
    without_codes = _BATCH_CODES.sub(" ", folded)
    return _NUMBER_SIGN.sub(" ", re.sub(r"'s\b", "s", without_codes))


def _tokens(text: str) -> tuple[str, ...]:
    spaced = _fold_name(text).replace("'", " ").replace("&", " and ")
    return tuple(re.findall(r"[a-z0-9]+", spaced))


def _without_strain_aliases(tokens: tuple[str, ...], family: str) -> tuple[str, ...]:
    """Replace a strain's aliases by its name, where strains are named: "GDP", "GG4"."""
    if family not in STRAIN_FAMILIES:
        return tokens
    aliases = _strain_aliases()
    words: list[str] = []
    index = 0
    while index < len(tokens):
        for length in range(min(4, len(tokens) - index), 0, -1):
            name = aliases.get(tokens[index : index + length])
            if name is not None:
                words.extend(name)
                index += length
                break
        else:
            words.append(tokens[index])
            index += 1
    return tuple(words)


@cache
def _strain_aliases() -> dict[tuple[str, ...], tuple[str, ...]]:
    return {
        name_tokens(alias): name_tokens(names[0])
        for names in names_of_strains()
        for alias in names[1:]
        # "Durban" is a part of "Durban Poison", which a misspelled name has in full.
        if not set(name_tokens(alias)) <= set(name_tokens(names[0]))
    }


def _select(words: Iterable[Word], family: str, *, with_forms: bool) -> tuple[Word, ...]:
    """Return the words that name the product."""
    return tuple(
        word
        for word in words
        if (_is_naming(word, family) or (with_forms and word.kind == "form"))
        and not (word.key == "infused" and family in _INFUSED_SAYS_NOTHING)
    )


def _is_naming(word: Word, family: str) -> bool:
    """Return whether a word names the product: "Ice Cream Cake" is a strain, on food a form."""
    is_foreign_form = word.kind == "form" and (
        family == "device" or (family in STRAIN_FAMILIES and word.family == "edible")
    )
    return word.kind in _NAMED_KINDS or is_foreign_form


def _types(words: Iterable[Word], strain_type: str | None) -> frozenset[str]:
    named = {word.key for word in words if word.kind == "type"}
    if strain_type and strain_type != "blend":
        named.add(strain_type.removesuffix("_dominant"))
    # "Sativa hybrid" leans to sativa.
    return frozenset(named - {"hybrid"} if len(named) > 1 else named)


def _family(category: str | None, names: Iterable[tuple[Word, ...]]) -> str:
    """
    Return the family of a product: that of its category, unless the names say another.

    Menus file infused pre-rolls and live resin disposables under concentrates, sprays and syringes
    under edibles.
    """
    of_category = _FAMILIES.get(category or "", "")
    forms = [word for name in names for word in name if word.kind == "form"]
    families = {word.family for word in forms} & set(_FAMILIES.values())
    if of_category in ("concentrate", ""):
        if any(word.key in _PRE_ROLL_FORMS for word in forms):
            return "smoked"
        if "vape" in families:
            return "vape"
    if of_category == "edible" and families and "edible" not in families:
        return next((name for name in ("topical", "concentrate") if name in families), "edible")
    return of_category or (families.pop() if len(families) == 1 else "")


def _column_quantities(
    candidate: MatchCandidate, family: str, pieces: frozenset[int]
) -> Quantities:
    in_size, _ = read_quantities(fold(candidate.size), family, pieces)
    doses = {"thc": candidate.thc_mg, "cbd": candidate.cbd_mg}
    in_columns = Quantities(
        weights=_readings(candidate.weight_grams),
        volumes=_readings(candidate.volume_ml),
        doses={name: _readings(dose) for name, dose in doses.items() if dose},
        pieces=frozenset([candidate.unit_count] if candidate.unit_count else []),
    )
    has_weight = candidate.weight_grams is not None or candidate.volume_ml is not None
    if has_weight and not candidate.unit_count and family == "smoked" and not candidate.measures:
        in_columns = replace(in_columns, pieces=frozenset({1}))
    return union(in_size, in_columns)


def _readings(amount: Decimal | None) -> frozenset[float]:
    return frozenset([float(amount)] if amount is not None else [])


def _main_cannabinoids(quantities: Quantities) -> list[str]:
    """Return the cannabinoids of the doses, without traces beside a main one."""
    doses = {name: max(readings) for name, readings in quantities.named_doses.items()}
    return [name for name, dose in doses.items() if dose > _TRACE * max(doses.values())]


def _contradict(in_names: Quantities, in_columns: Quantities, family: str) -> bool:
    return "other" in (
        "none"
        if _is_potency(in_names, in_columns, family)
        else compare_weights(in_names, in_columns, family),
        compare_doses(in_names, in_columns),
        compare_pieces(in_names, in_columns),
    )


def _is_potency(in_names: Quantities, in_columns: Quantities, family: str) -> bool:
    """Return whether a name states the THC within the weight of a vape: 1000 mg of 1.2 g."""
    if family != "vape" or not in_columns.weights:
        return False
    weight = max(in_columns.weights)
    return any(
        _MIN_VAPE_POTENCY <= dose / 1000 / weight < 1
        for dose in in_names.named_doses.get("thc", ())
    )
