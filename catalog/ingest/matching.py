"""
Product matching: decides whether two products are the same.

Vetoes (GTIN, category, size, dose, brand) come first, then names are compared word by word, then
doubts lower the score. The score gives a band: "same" is merged, "review" is put before staff,
"different" stays two products.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import combinations
from typing import Literal

from rapidfuzz.distance import DamerauLevenshtein

from catalog.ingest.vocabulary import plain_words

ALGORITHM_VERSION = "match-4"
Band = Literal["same", "review", "different"]

# Percentage points: potencies of one product differ between labels and lots, but not by more.
_MAX_POTENCY_DIFFERENCE = Decimal(5)
_MIN_MISSPELT_LENGTH = 6
"""Length from which a word that differs by one letter is a misspelling, not another word."""
# Scores of name comparisons.
_SAME_WORDS = 100
_SAME_LETTERS = 99
_OTHER_ORDER = 90
_MISSPELT = 90
_EXTRA_WORD = 85
_MIN_WORDS_FREE_ORDER = 4
"""
Number of words from which their order is irrelevant.

Below it, order matters: "Monster Cookies" and "Cookie Monster" are two strains.
"""
_MIN_REVIEW_SCORE = 80
_MIN_SAME_SCORE = 99
_DOUBT_PENALTY = 10
"""Score deducted per doubt: enough to turn "same" into "review"."""
# Words for a product's form, which its category states already; both languages, without accents.
_FORM_WORDS = frozenset({
    "a", "au", "aux", "avec", "by", "de", "des", "du", "en", "et", "for", "of", "par", "the",
    "with", "bud", "buds", "dried", "flower", "flowers", "fleur", "fleurs", "sechee", "sechees",
    "herb", "whole", "joint", "joints", "pre", "preroll", "prerolls", "prerolled", "preroule",
    "preroules", "roll", "rolled", "rolls", "roule", "roules", "510", "stylo", "thread", "vape",
    "vapes", "vaporizer", "vapoteuse", "vaporisateur", "cannabis", "marijuana", "pack", "packs",
    "paquet", "package", "unit", "units", "each", "pieces", "soft",
})  # fmt: skip
# Synonyms in both languages: the word compared, and its other forms.
_SYNONYMS = {
    alias: word
    for word, aliases in {
        "cartridge": "cart carts cartridges cartouche cartouches",
        "disposable": "disposables jetable jetables",
        "gummy": "gummies gummie jujube jujubes",
        "chew": "chews bouchee bouchees",
        "capsule": "capsules caps gelule gelules",
        "resin": "resine",
        "diamonds": "diamond diamant diamants",
        "distillate": "distillat",
        "live": "vivante",
        "infused": "infuse infusee infuses infusees",
        "milled": "moulu moulue",
        "organic": "biologique bio",
        "day": "jour",
        "night": "nuit",
        "light": "legere leger",
    }.items()
    for alias in aliases.split()
}
_STRAIN_CATEGORIES = frozenset({"dried_flower", "pre_rolls", "vapes", "extracts"})
_GRAMS = re.compile(r"(?:(?P<times>\d+)x)?(?P<grams>\d*\.?\d+)g")
_PRE_ROLL = re.compile(r"\bpre[- ]?rolls?\b|\bpre[- ]?rolled\b|\bpr[eé][- ]?roul|\bjoints?\b", re.I)
_COMPANY_WORDS = frozenset({"inc", "ltd", "ltee", "corp", "co", "llc", "cannabis"})
# Words that distinguish products: a name with one of them more is another product.
_DISTINCTIVE_WORDS = frozenset({
    "indica", "sativa", "hybrid", "hybride", "cbd", "thc", "cbg", "cbn", "cbc", "thcv", "thca",
    "blend", "light", "strong", "mild", "milled", "infused", "cartridge", "disposable", "pen",
    "pod", "syringe", "gummy", "chew", "capsule", "live", "cured", "resin", "rosin", "shatter",
    "wax", "crumble", "budder", "badder", "diamonds", "sauce", "distillate", "hash", "kief", "rso",
    "oil", "terp", "sugar", "honeycomb", "bubble", "hashish", "small", "large", "mini", "minis",
    "max", "ultra", "king", "size", "slim", "slims", "premium", "reserve", "limited", "original",
    "organic", "day", "night", "am", "pm", "sample", "sour", "sweet", "dark", "milk", "white",
    "black", "blue", "red", "green", "pink", "purple", "gold", "golden", "orange", "yellow",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchCandidate:
    """The attributes of a product that are compared; None: unknown."""

    merge_key: str
    name: str
    name_fr: str | None = None
    brand: str | None = None
    gtin: str | None = None
    category: str | None = None
    strain_type: str | None = None
    weight_grams: Decimal | None = None
    volume_ml: Decimal | None = None
    unit_count: int | None = None
    thc_mg: Decimal | None = None
    cbd_mg: Decimal | None = None
    measures: frozenset[str] = frozenset()
    """Sizes and doses in the name: "100mg", "3x0.5g"."""
    thc: tuple[Decimal, Decimal] | None = None
    cbd: tuple[Decimal, Decimal] | None = None

    @property
    def has_size(self) -> bool:
        """Whether any size or dose is known."""
        return self.has_column_size or self.thc_mg is not None or bool(self.measures)

    @property
    def has_column_size(self) -> bool:
        """Whether its source states weight, volume or unit count outside the name."""
        sizes = (self.weight_grams, self.volume_ml, self.unit_count)
        return any(size is not None for size in sizes)

    @property
    def has_pack(self) -> bool:
        """
        Whether weight, volume or unit count are known.

        A dose does not state them: "3 Pack" and "50mg" may be two products.
        """
        return self.has_column_size or self.measures > self.doses

    @property
    def doses(self) -> frozenset[str]:
        """The milligrams in the name."""
        return frozenset(measure for measure in self.measures if measure.endswith("mg"))


@dataclass(frozen=True, slots=True)
class ProductComparison:
    """Similarity of two products, 0 to 100, with its band and reasons."""

    score: int
    band: Band
    reasons: tuple[str, ...]


@lru_cache(maxsize=65_536)
def brand_block(brand: str | None) -> str:
    """Return the blocking key of a brand: its letters without words such as "Inc"; "": unknown."""
    words = plain_words(brand or "")
    if not words or words[0] in {"unknown", "inconnu", "n/a", "none"}:
        return ""
    distinctive = [word for word in words if word not in _COMPANY_WORDS]
    return "".join(distinctive or words)[:100]


@lru_cache(maxsize=65_536)
def name_words(name: str) -> tuple[str, ...]:
    """
    Return the distinctive words of a cleaned name, in order, without words for its form.

    A name that consists of nothing else keeps its words.
    """
    # Ratios and decimals stay distinct: "15:1" is neither "1.5:1" nor "151".
    text = re.sub(r"(\d)\s*:\s*(?=\d)", r"\1to", name)
    text = re.sub(r"(\d)[.,](?=\d)", r"\1point", text)
    text = re.sub(r"['’]s\b", "s", text)
    words = plain_words(re.sub("[&/#]", " ", text))
    distinctive = [_SYNONYMS.get(word, word) for word in words if word not in _FORM_WORDS]
    return tuple(distinctive or words)


def compare_products(left: MatchCandidate, right: MatchCandidate) -> ProductComparison:
    """Compare two products; symmetric."""
    if veto := _veto(left, right):
        return ProductComparison(0, "different", (veto,))
    pairs = [
        _compare_names(name_words(a), name_words(b))
        for a in (left.name, left.name_fr)
        for b in (right.name, right.name_fr)
        if a and b
    ]
    score, reason = max(pairs)
    doubts = _doubts(left, right)
    if score == _EXTRA_WORD and (doubts or not _allows_extra_word(left, right)):
        score = 0
    score = max(score - _DOUBT_PENALTY * len(doubts), 0)
    return ProductComparison(score, _band(score), (reason, *doubts))


def _band(score: int) -> Band:
    if score >= _MIN_SAME_SCORE:
        return "same"
    return "review" if score >= _MIN_REVIEW_SCORE else "different"


def rank_matches(
    product: MatchCandidate, others: Sequence[MatchCandidate]
) -> list[tuple[MatchCandidate, ProductComparison]]:
    """
    Return the products in bands "same" and "review", best first.

    Where several are "same" and not all of them the same product, the match is ambiguous: all are
    returned for review.
    """
    compared = [(other, compare_products(product, other)) for other in others]
    matches = [(other, result) for other, result in compared if result.band != "different"]
    matches.sort(key=lambda match: (-match[1].score, match[0].merge_key))
    same = [other for other, result in matches if result.band == "same"]
    if any(compare_products(left, right).band != "same" for left, right in combinations(same, 2)):
        return [(other, _for_review(result, "ambiguous match")) for other, result in matches]
    return matches


def _allows_extra_word(left: MatchCandidate, right: MatchCandidate) -> bool:
    """
    Return whether two names that differ by one word may be the same product.

    "Fire OG" and "Fire OG Kush" may be one strain; "Gummies" and "Grape Gummies" are two products.
    """
    return left.category in _STRAIN_CATEGORIES and left.has_column_size and right.has_column_size


def _for_review(comparison: ProductComparison, reason: str) -> ProductComparison:
    score = min(comparison.score, _MIN_SAME_SCORE - 1)
    return ProductComparison(score, "review", (*comparison.reasons, reason))


def _veto(left: MatchCandidate, right: MatchCandidate) -> str:
    """Return the reason why two products cannot be the same whatever their names, or ""."""
    if left.gtin and right.gtin and left.gtin != right.gtin:
        return "other GTIN"
    if left.category and right.category and left.category != right.category:
        return "other category"
    return (
        _size_veto(left, right)
        or _dose_veto(left, right)
        or _name_size_veto(left, right)
        or ("other brand" if _has_other_brand(left, right) else "")
    )


def _size_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    if not (left.has_column_size and right.has_column_size):
        return ""
    sizes = (
        (left.weight_grams, right.weight_grams, "weight"),
        (left.volume_ml, right.volume_ml, "volume"),
        (left.unit_count or 1, right.unit_count or 1, "number of pieces"),
    )
    for left_size, right_size, label in sizes:
        if left_size is not None and right_size is not None and left_size != right_size:
            return f"other {label}"
    return ""


def _dose_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    doses = ((left.thc_mg, right.thc_mg), (left.cbd_mg, right.cbd_mg), (left.doses, right.doses))
    has_other_dose = any(one and other and one != other for one, other in doses)
    return "other dose" if has_other_dose else ""


def _name_size_veto(left: MatchCandidate, right: MatchCandidate) -> str:
    """Compare sizes in names, for sources that state sizes nowhere else."""
    has_both_sizes = left.has_column_size and right.has_column_size
    if left.measures and right.measures and not has_both_sizes and left.measures != right.measures:
        return "other size in the name"
    for named, other in ((left, right), (right, left)):
        weights = set() if named.has_column_size else _weights_in_name(named.measures)
        if weights and other.weight_grams is not None and other.weight_grams not in weights:
            return "other weight"
    return ""


def _has_other_brand(left: MatchCandidate, right: MatchCandidate) -> bool:
    return len({brand_block(left.brand), brand_block(right.brand)} - {""}) > 1


def _weights_in_name(measures: frozenset[str]) -> set[Decimal]:
    """Return the weights in a name, in grams: 1 for "1g", 1.5 for "3x0.5g"."""
    matches = (_GRAMS.fullmatch(measure) for measure in measures)
    return {Decimal(match["times"] or 1) * Decimal(match["grams"]) for match in matches if match}


def _doubts(left: MatchCandidate, right: MatchCandidate) -> list[str]:
    """Return the reasons against a match that do not rule it out."""
    doubts = []
    if not (brand_block(left.brand) and brand_block(right.brand)):
        doubts.append("brand unknown")
        if not (left.has_size and right.has_size):
            doubts.append("too little known")
    if left.has_pack != right.has_pack or left.has_size != right.has_size:
        doubts.append("size of one unknown")
    if _is_misfiled_pre_roll(left) != _is_misfiled_pre_roll(right):
        doubts.append("pre-roll or not")
    if (
        left.strain_type
        and right.strain_type
        and _base_type(left.strain_type) != _base_type(right.strain_type)
    ):
        doubts.append("other strain type")
    if _has_other_potency(left.thc, right.thc):
        doubts.append("other THC")
    if _has_other_potency(left.cbd, right.cbd):
        doubts.append("other CBD")
    return doubts


def _has_other_potency(
    left: tuple[Decimal, Decimal] | None, right: tuple[Decimal, Decimal] | None
) -> bool:
    if not left or not right:
        return False
    return max(left[0] - right[1], right[0] - left[1]) > _MAX_POTENCY_DIFFERENCE


def _is_misfiled_pre_roll(product: MatchCandidate) -> bool:
    """Return whether the name says pre-roll and the category does not, as in many menus."""
    return product.category != "pre_rolls" and bool(_PRE_ROLL.search(product.name))


def _base_type(strain_type: str) -> str:
    return strain_type.removesuffix("_dominant")


def _compare_names(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[int, str]:
    """Return score and reason of two names, given as words."""
    if left == right:
        return _SAME_WORDS, "same words"
    if "".join(left) == "".join(right):
        return _SAME_LETTERS, "same words, other breaks"
    only_left = [word for word in left if word not in right]
    only_right = [word for word in right if word not in left]
    if not only_left and not only_right:
        score = _SAME_LETTERS if len(left) >= _MIN_WORDS_FREE_ORDER else _OTHER_ORDER
        return score, "same words, other order"
    if len(only_left) == 1 and len(only_right) == 1:
        has_same_position = left.index(only_left[0]) == right.index(only_right[0])
        return _compare_words(only_left[0], only_right[0], has_same_position=has_same_position)
    has_common_words = bool(set(left) & set(right))
    if len(only_left) + len(only_right) > 1 or not has_common_words:
        return 0, f"other words: {' '.join(only_left)} | {' '.join(only_right)}"
    return _compare_extra_word(*only_left, *only_right)


def _compare_extra_word(word: str) -> tuple[int, str]:
    has_digits = any(character.isdigit() for character in word)
    if word in _DISTINCTIVE_WORDS or has_digits or len(word) < 2:
        return 0, f"a distinctive extra word: {word}"
    return _EXTRA_WORD, f"an extra word: {word}"


def _compare_words(left: str, right: str, *, has_same_position: bool) -> tuple[int, str]:
    """Distinguish a misspelling from another word; numbers and distinctive words are exact."""
    if left.rstrip("s") == right.rstrip("s") and len(left) > 3:
        return _SAME_LETTERS if has_same_position else _OTHER_ORDER, f"plural: {left} | {right}"
    has_digits = any(character.isdigit() for character in left + right)
    is_short = min(len(left), len(right)) < _MIN_MISSPELT_LENGTH
    is_exact = has_digits or is_short or bool({left, right} & _DISTINCTIVE_WORDS)
    distance = DamerauLevenshtein.distance(left, right, score_cutoff=1)
    if is_exact or left[0] != right[0] or distance > 1:
        return 0, f"other words: {left} | {right}"
    return _MISSPELT, f"misspelt: {left} | {right}"
