"""Evidence for or against one product: the features that the model weighs."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from catalog.matching.alignment import Alignment, align
from catalog.matching.brands import Brand, relate_brands
from catalog.matching.candidates import STRAIN_FAMILIES, Profile, Range
from catalog.matching.lexicon import DISTINCTIVE_WORDS, Word, lexicon_words, strain_words
from catalog.matching.quantities import (
    Agreement,
    Quantities,
    compare_doses,
    compare_pieces,
    compare_ratios,
    compare_weights,
)
from catalog.matching.vetoes import is_brand_named

# Percentage points: potencies of one product differ between labels and lots, but not by more.
_MAX_POTENCY_DIFFERENCE = Decimal(5)
_SAME_PRICE = 0.02
_MAX_PRICE_RATIO = 1.5
# Forms that say nothing more than the category does.
_NEUTRAL_FORMS = frozenset({
    "gummy", "chocolate", "bar", "flower", "drops", "cone", "oil", "cartridge", "hash", "cup",
    "drink",
})  # fmt: skip
_MAX_COUNT = 3

Features = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How two products compare, attribute by attribute."""

    alignment: Alignment
    line_words: tuple[str, ...]
    """Words of a product line that only one of the names has; left out of the alignment."""
    has_other_sizes: bool
    """Whether the brand is known to sell several sizes of a name of which one has no size."""
    brand: str
    """same, part, typo, initials, named or missing."""
    weight: Agreement
    dose: Agreement
    pieces: Agreement
    ratio: Agreement
    form: Agreement
    strain_type: Agreement
    family: str
    is_pre_roll_unclear: bool
    is_infused_unclear: bool
    is_ratio_of_one: bool
    """Whether one states a ratio of cannabinoids and the other neither it nor two doses."""
    is_pack_of_one: bool
    """Whether one states several pieces, and the other may be one of them."""
    is_dose_ambiguous: bool
    """Whether the doses agree only where one of them is that of a piece or of all: "10 mg, 4"."""
    extra_cannabinoids: tuple[str, ...]
    extra_forms: tuple[str, ...]
    has_contradiction: bool
    has_other_thc: bool
    has_other_cbd: bool
    has_same_gtin: bool
    price_ratio: float | None
    """Absolute logarithm of the ratio of the prices; None: a price is unknown."""

    @property
    def distinctive_words(self) -> tuple[str, ...]:
        """Words of one name alone that make it another product: flavors, numbers, "mini"."""
        return tuple(
            word.key
            for word in self.alignment.leftover
            if word.kind == "flavor"
            or word.key in DISTINCTIVE_WORDS
            or word.key in lexicon_words()
            or (self.family in STRAIN_FAMILIES and word.key in strain_words())
            or any(character.isdigit() for character in word.key)
        )

    @property
    def is_size_known(self) -> bool:
        """Whether any quantity agrees."""
        return "same" in (self.weight, self.dose, self.pieces)

    @property
    def is_size_of_one(self) -> bool:
        """Whether only one product states a weight, dose or number of pieces."""
        return not self.is_size_known and "one" in (self.weight, self.dose, self.pieces)


def collect_evidence(left: Profile, right: Profile) -> Evidence:
    """Compare two products whatever speaks against them; symmetric."""
    one, other = left.candidate, right.candidate
    known_lines = one.line_words | other.line_words
    alignment, line_words = _without_line(_best_alignment(left, right), known_lines)
    has_same_line = any(word.key in known_lines for word in alignment.common)
    if has_same_line:
        alignment = _without_words(alignment, {"infused"})
    if {one.language, other.language} == {"en", "fr"}:
        alignment = replace(alignment, is_same_order=True)  # an adjective stands behind its noun
    is_infused = ["infused" in _keys(profile) for profile in (left, right)]
    return Evidence(
        alignment=alignment,
        line_words=line_words,
        has_other_sizes=max(one.sizes_of_name, other.sizes_of_name) > 1,
        brand=_brand_relation(left, right),
        weight=compare_weights(left.quantities, right.quantities, left.family or right.family),
        dose=compare_doses(left.quantities, right.quantities),
        pieces=compare_pieces(left.quantities, right.quantities),
        ratio=compare_ratios(left.quantities, right.quantities),
        form=_agreement(left.forms, right.forms),
        strain_type=_agreement(left.types, right.types),
        family=left.family or right.family,
        is_pre_roll_unclear=left.is_pre_roll is not right.is_pre_roll
        and True in (left.is_pre_roll, right.is_pre_roll)
        and not has_same_line,
        is_infused_unclear=left.family == "smoked"
        and is_infused[0] != is_infused[1]
        and not has_same_line,
        is_ratio_of_one=_is_ratio_of_one(left, right),
        is_pack_of_one=_is_pack_of_one(left, right),
        is_dose_ambiguous=_is_dose_ambiguous(left, right),
        extra_cannabinoids=tuple(sorted((left.cannabinoids ^ right.cannabinoids) - {"thc"})),
        extra_forms=_extra_forms(left, right),
        has_contradiction=(left.has_contradiction or right.has_contradiction)
        and left.quantities != right.quantities,
        has_other_thc=_has_other_potency(one.thc, other.thc),
        has_other_cbd=_has_other_potency(one.cbd, other.cbd),
        has_same_gtin=bool(one.gtin) and one.gtin == other.gtin,
        price_ratio=_price_ratio(one.price, other.price),
    )


def features(evidence: Evidence) -> Features:
    """Return the model's features by name; absent: 0."""
    alignment = evidence.alignment
    left, right = len(alignment.left), len(alignment.right)
    leftover = alignment.leftover
    one_sided = max(left, right) if not min(left, right) else 0
    flavors = sum(word.kind == "flavor" for word in leftover)
    numbers = sum(word.key.isdigit() for word in leftover)
    total = alignment.matched + max(left, right)
    values = {
        "words matched": min(alignment.matched, _MAX_COUNT) / _MAX_COUNT,
        "one word matched": float(alignment.matched == 1),
        "no word matched": float(alignment.matched == 0),
        "share of words": alignment.matched / total if total else 0.0,
        "words exact": float(not leftover and not alignment.misspelled),
        "words of one": min(one_sided, _MAX_COUNT),
        "words of both": min(left, right, _MAX_COUNT),
        "words of both, more": min(max(left, right), _MAX_COUNT) if min(left, right) else 0,
        "distinctive words": min(len(evidence.distinctive_words), _MAX_COUNT),
        "extra forms": min(len(evidence.extra_forms), _MAX_COUNT),
        "disposable of one": float("disposable" in evidence.extra_forms),
        "line of one": float(bool(evidence.line_words)),
        "flavors": min(flavors, _MAX_COUNT),
        "numbers": min(numbers, _MAX_COUNT),
        "misspelled": len(alignment.misspelled),
        "abbreviated": len(alignment.abbreviated),
        "other order": float(not alignment.is_same_order),
        "pre-roll unclear": float(evidence.is_pre_roll_unclear),
        "infused unclear": float(evidence.is_infused_unclear),
        "cannabinoids": min(len(evidence.extra_cannabinoids), _MAX_COUNT),
        "contradiction": float(evidence.has_contradiction),
        "size known": float(evidence.is_size_known),
        "size of one": float(evidence.is_size_of_one),
        f"family {evidence.family or 'unknown'}": 1.0,
        f"brand {evidence.brand}": 1.0,
        f"weight {evidence.weight}": 1.0,
        f"dose {evidence.dose}": 1.0,
        f"pieces {evidence.pieces}": 1.0,
        f"ratio {evidence.ratio}": 1.0,
        f"form {evidence.form}": 1.0,
        f"type {evidence.strain_type}": 1.0,
    }
    if one_sided:
        values[f"words of one, {evidence.family or 'unknown'}"] = min(one_sided, _MAX_COUNT)
    if evidence.price_ratio is None:
        values["price unknown"] = 1.0
    else:
        ratio = min(evidence.price_ratio, _MAX_PRICE_RATIO)
        values["price ratio"] = ratio
        if not evidence.is_size_known:
            values["price ratio, size unknown"] = ratio
        values["same price"] = float(evidence.price_ratio <= _SAME_PRICE)
    return values


def _best_alignment(left: Profile, right: Profile) -> Alignment:
    """Align the names that agree best; words of the other's brand distinguish nothing."""
    has_names = all(name for profile in (left, right) for name in profile.names)
    ours = left.names if has_names else left.names_with_forms
    theirs = right.names if has_names else right.names_with_forms
    best = min(
        (
            align(_without(a, left.brand, right.brand), _without(b, right.brand, left.brand))
            for a in ours
            for b in theirs
        ),
        key=lambda alignment: (len(alignment.leftover), -alignment.matched),
    )
    if has_names or not best.matched:
        return best
    left_words, right_words = (
        tuple(word for word in words if word.kind != "form") for words in (best.left, best.right)
    )
    return replace(best, left=left_words, right=right_words)


def _without_line(
    alignment: Alignment, line_words: frozenset[str]
) -> tuple[Alignment, tuple[str, ...]]:
    """Leave out the words of a product line that one name alone has; two lines distinguish."""
    left, right = (
        tuple(word.key for word in words if word.key in line_words)
        for words in (alignment.left, alignment.right)
    )
    if bool(left) == bool(right) or not alignment.matched:
        return alignment, ()
    return _without_words(alignment, line_words), left or right


def _without_words(alignment: Alignment, keys: Collection[str]) -> Alignment:
    return replace(
        alignment,
        left=tuple(word for word in alignment.left if word.key not in keys),
        right=tuple(word for word in alignment.right if word.key not in keys),
    )


def _without(name: tuple[Word, ...], own: Brand, other: Brand) -> tuple[Word, ...]:
    """Remove words of the other's brand, as "Gold" under Caviar where that is Caviar Gold."""
    words = (other.own_words | other.initials) - own.own_words
    return tuple(word for word in name if word.key not in words) or name


def _brand_relation(left: Profile, right: Profile) -> str:
    if left.brand.key and right.brand.key:
        relation = relate_brands(left.brand, right.brand)
        return "named" if relation == "other" else relation
    return "named" if is_brand_named(left, right) else "missing"


def _extra_forms(left: Profile, right: Profile) -> tuple[str, ...]:
    forms = (left.forms ^ right.forms) - _NEUTRAL_FORMS
    if "topical" in (left.family, right.family):
        forms -= {"rso"}
    if left.is_pre_roll and right.is_pre_roll:
        forms -= {"preroll"}
    return tuple(sorted(forms))


def _is_ratio_of_one(left: Profile, right: Profile) -> bool:
    if bool(left.quantities.ratios) == bool(right.quantities.ratios):
        return False
    plain = right if left.quantities.ratios else left
    return len(plain.cannabinoids - {"thc"}) < 1 and len(plain.quantities.named_doses) < 2


def _is_pack_of_one(left: Profile, right: Profile) -> bool:
    pieces = [max(profile.quantities.pieces, default=1) for profile in (left, right)]
    if not min(pieces) == 1 < max(pieces):
        return False
    one, other = _of_package(left.quantities), _of_package(right.quantities)
    agrees = "same" in (compare_weights(one, other, left.family), compare_doses(one, other))
    has_dose = bool(one.doses or other.doses)
    return not agrees and not (has_dose and not one.weights and not other.weights)


def _is_dose_ambiguous(left: Profile, right: Profile) -> bool:
    one, other = left.quantities, right.quantities
    if not (left.family == right.family == "edible" and compare_doses(one, other) == "same"):
        return False
    return compare_doses(_of_package(one), _of_package(other)) == "other"


def _of_package(quantities: Quantities) -> Quantities:
    """Return the largest reading of each quantity: that of the whole package."""
    return replace(
        quantities,
        weights=_largest(quantities.weights),
        doses={name: _largest(doses) for name, doses in quantities.doses.items()},
    )


def _largest(readings: frozenset[float]) -> frozenset[float]:
    return frozenset([max(readings)] if readings else [])


def _agreement(left: frozenset[str], right: frozenset[str]) -> Agreement:
    if left and right:
        return "other" if left.isdisjoint(right) else "same"
    return "one" if left or right else "none"


def _keys(profile: Profile) -> set[str]:
    return {word.key for name in profile.names for word in name}


def _has_other_potency(left: Range | None, right: Range | None) -> bool:
    if not left or not right:
        return False
    return max(left[0] - right[1], right[0] - left[1]) > _MAX_POTENCY_DIFFERENCE


def _price_ratio(left: Decimal | None, right: Decimal | None) -> float | None:
    if not left or not right:
        return None
    return abs(math.log(float(left) / float(right)))
