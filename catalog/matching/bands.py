"""
Bands: comparison of two products, its score and band, and the ranking of matches.

Vetoes (GTIN, category, size, dose, brand) come first, then names are compared word by word, then
doubts lower the score. The score gives a band: "same" is merged, "review" is put before staff,
"different" stays two products.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Literal

from rapidfuzz.distance import DamerauLevenshtein

from catalog.matching.features import MatchCandidate, brand_block, name_words
from catalog.matching.vetoes import find_veto

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
_STRAIN_CATEGORIES = frozenset({"dried_flower", "pre_rolls", "vapes", "extracts"})
_PRE_ROLL = re.compile(r"\bpre[- ]?rolls?\b|\bpre[- ]?rolled\b|\bpr[eé][- ]?roul|\bjoints?\b", re.I)
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


@dataclass(frozen=True, slots=True)
class ProductComparison:
    """Similarity of two products, 0 to 100, with its band and reasons."""

    score: int
    band: Band
    reasons: tuple[str, ...]


def compare_products(left: MatchCandidate, right: MatchCandidate) -> ProductComparison:
    """Compare two products; symmetric."""
    if veto := find_veto(left, right):
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
