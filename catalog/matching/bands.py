"""
Bands: comparison of two products, its probability and band, and the ranking of matches.

Vetoes come first: another GTIN, category, size, dose, cannabinoid, form or brand. What they leave
is weighed by the model. Its probability and the doubts give a band: "same" is merged, "review" is
put before staff, "different" stays two products.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, NamedTuple

from catalog.matching.candidates import MatchCandidate, Profile, read_profile
from catalog.matching.doubts import find_doubts
from catalog.matching.evidence import Evidence, collect_evidence, features
from catalog.matching.model import match_model
from catalog.matching.reasons import Reason
from catalog.matching.vetoes import find_veto

_RULES_VERSION = "match-8"
Band = Literal["same", "review", "different"]
_SAME_GTIN = 0.99
_CONTESTED_GTIN = 0.5
_DISPUTABLE_VETOES = frozenset({"other brand", "other form", "other strain type"})
_SAME_PRICE = 0.02
_BAND_ORDER = {"same": 0, "review": 1, "different": 2}


@dataclass(frozen=True, slots=True)
class ProductComparison:
    """
    Similarity of two products, 0 to 100, with its band and reasons.

    is_vetoed: whether an attribute keeps them apart whatever their names.
    """

    score: int
    band: Band
    reasons: tuple[str, ...]
    is_vetoed: bool = False

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: the surest match first."""
        return _BAND_ORDER[self.band], -self.score


def algorithm_version() -> str:
    """Return the version of rules and model; pairs that another one decided are decided again."""
    return f"{_RULES_VERSION}-{match_model().digest[:8]}"


def compare_products(left: MatchCandidate, right: MatchCandidate) -> ProductComparison:
    """Compare two products; symmetric."""
    return compare_profiles(read_profile(left), read_profile(right))


def compare_profiles(left: Profile, right: Profile) -> ProductComparison:
    """Compare two products as read; symmetric."""
    if veto := find_veto(left, right):
        return _compare_vetoed(left, right, veto)
    if left.sort_key > right.sort_key:
        left, right = right, left
    evidence = collect_evidence(left, right)
    if evidence.has_same_gtin:
        return _compare_same_gtin(left, right, evidence)
    model = match_model()
    probability = model.probability(features(evidence))
    doubts = find_doubts(evidence)
    band = decide_band(evidence, probability, same=model.same, ask=model.ask)
    reasons = (*_agreements(evidence), *(doubts or _disagreements(evidence)))
    return ProductComparison(round(100 * probability), band, tuple(map(str, reasons)))


def decide_band(evidence: Evidence, probability: float, *, same: float, ask: float) -> Band:
    """
    Return the band of two products that no veto keeps apart.

    same: probability from which they are merged, if there is no doubt. ask: from which staff are
    asked.
    """
    if probability >= same and not find_doubts(evidence):
        return "same"
    return "review" if probability >= ask or _is_alike(evidence) else "different"


def _is_alike(evidence: Evidence) -> bool:
    """Return whether words and brand agree and no size is missing: staff decide at least."""
    has_same_words = not evidence.alignment.leftover and bool(evidence.alignment.matched)
    has_other_cannabinoid = bool(evidence.extra_cannabinoids) and evidence.ratio != "same"
    has_other_form = bool(set(evidence.extra_forms) - {"preroll"})
    has_same_words = has_same_words and not (has_other_form or has_other_cannabinoid)
    return has_same_words and evidence.brand in ("same", "typo") and not evidence.is_size_of_one


class Match(NamedTuple):
    """A product that may be the one looked for, and the comparison with it."""

    product: MatchCandidate
    comparison: ProductComparison


def rank_matches(product: MatchCandidate, others: Sequence[MatchCandidate]) -> list[Match]:
    """
    Return the products in bands "same" and "review", best first.

    Where several are "same" and not all of them the same product, the match is ambiguous: all are
    returned for review.
    """
    return rank_profiles(read_profile(product), [read_profile(other) for other in others])


def rank_profiles(
    profile: Profile, others: Sequence[Profile], *, with_different: bool = False
) -> list[Match]:
    """
    Rank products as read: see `rank_matches`.

    with_different: also return products of band "different" that no veto keeps apart, last.
    """
    compared = [(other, compare_profiles(profile, other)) for other in others]
    found = [
        (other, result)
        for other, result in compared
        if result.band != "different" or (with_different and not result.is_vetoed)
    ]
    found.sort(key=lambda match: (match[1].order, match[0].candidate.merge_key))
    same = [other for other, result in found if result.band == "same"]
    is_ambiguous = any(
        compare_profiles(left, right).band != "same" for left, right in combinations(same, 2)
    )
    return [
        Match(other.candidate, _for_review(result) if is_ambiguous else result)
        for other, result in found
    ]


def _for_review(comparison: ProductComparison) -> ProductComparison:
    if comparison.band == "different":
        return comparison
    reasons = (*comparison.reasons, str(Reason("ambiguous match")))
    return replace(comparison, band="review", reasons=reasons)


def _compare_vetoed(left: Profile, right: Profile, veto: Reason) -> ProductComparison:
    """
    Two products, unless they have one GTIN: then staff decide which of them has the wrong one.

    What suppliers write in their own ways contests no GTIN of names that have words in common.
    """
    gtin = left.candidate.gtin
    if gtin and gtin == right.candidate.gtin:
        evidence = collect_evidence(left, right)
        if veto.label in _DISPUTABLE_VETOES and evidence.alignment.matched:
            return _compare_same_gtin(left, right, evidence)
        reasons = (Reason("same GTIN"), veto)
        score = round(100 * _CONTESTED_GTIN)
        return ProductComparison(score, "review", tuple(map(str, reasons)), is_vetoed=True)
    return ProductComparison(0, "different", (str(veto),), is_vetoed=True)


def _compare_same_gtin(left: Profile, right: Profile, evidence: Evidence) -> ProductComparison:
    """A GTIN identifies, unless names of one language have nothing in common: it may be reused."""
    languages = {left.candidate.language, right.candidate.language} - {""}
    is_unlike = not evidence.alignment.matched and len(languages) < 2  # two languages
    band: Band = "review" if is_unlike else "same"
    reasons = (Reason("same GTIN"), *_agreements(evidence), *_disagreements(evidence))
    return ProductComparison(round(100 * _SAME_GTIN), band, tuple(map(str, reasons)))


def _agreements(evidence: Evidence) -> list[Reason]:
    """Return what speaks for one product."""
    alignment = evidence.alignment
    words = not alignment.leftover and alignment.matched
    in_order = "same name" if alignment.is_same_order else "same name, other order"
    brands = {
        "same": "same brand",
        "typo": "same brand",
        "part": "related brand",
        "initials": "related brand",
        "named": "brand named",
    }
    found = [
        (bool(words), Reason(in_order)),
        (evidence.brand in brands, Reason(brands.get(evidence.brand, ""))),
        (evidence.weight == "same", Reason("same weight")),
        (evidence.dose == "same", Reason("same dose")),
        (evidence.pieces == "same", Reason("same number of pieces")),
        (
            evidence.price_ratio is not None and evidence.price_ratio <= _SAME_PRICE,
            Reason("same price"),
        ),
        *((True, Reason("misspelled", f"{a} | {b}")) for a, b in alignment.misspelled),
        *((True, Reason("abbreviated", f"{a} | {b}")) for a, b in alignment.abbreviated),
    ]
    return [reason for applies, reason in found if applies]


def _disagreements(evidence: Evidence) -> list[Reason]:
    """Return what speaks against one product."""
    alignment = evidence.alignment
    leftover = ", ".join(word.key for word in alignment.leftover)
    label = "other words" if alignment.left and alignment.right else "an extra word"
    is_far = evidence.price_ratio is not None and evidence.price_ratio > _FAR_PRICE
    found = [
        (bool(leftover), Reason(label, leftover)),
        (evidence.brand == "missing", Reason("brand unknown")),
        (evidence.is_size_of_one, Reason("size of one unknown")),
        (not evidence.is_size_known and not evidence.is_size_of_one, Reason("no size known")),
        (bool(evidence.extra_forms), Reason("other form", ", ".join(evidence.extra_forms))),
        (evidence.strain_type == "one", Reason("type of one unknown")),
        (is_far, Reason("other price")),
    ]
    return [reason for applies, reason in found if applies]


_FAR_PRICE = 0.4
