"""Legs fused by reciprocal rank (Cormack, Clarke and Büttcher 2009), each with its weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from catalog.search.normalize import words_of

# How fast a rank loses weight; this and the weights were chosen by half of the judged questions.
RANK_CONSTANT = 10
WEIGHTS = {"lexical": 2.0, "product_texts": 0.7, "product_embeddings": 0.7, "facts": 2.5}
# Where nothing but facts was asked, they decide; where likeness was asked, it does.
FACTS_ALONE = {**WEIGHTS, "facts": 4.0}
LIKENESS = {**WEIGHTS, "product_embeddings": 4.0, "facts": 1.0}
# What lies so far below the best of a leg is not near any more.
CUTOFF = {"product_texts": 0.1, "product_embeddings": 0.1}
# How much the share of words counts beside the ranks: meaning alone never outweighs the words themselves.
SHARE = 0.35
# How much a name counts that holds little beside the words asked for.
_BREVITY = 0.25


@dataclass(slots=True, kw_only=True)
class Candidate:
    """
    A product that may answer, and why.

    share: of the question's words, 0 to 1; fit: to what was understood, 0 to 1; ranks: by leg, from 1.
    """

    id: str
    share: float
    fit: float
    name: str
    name_fr: str | None
    brand: str | None
    sku: str | None
    gtin: str | None
    asked: tuple[str, ...] = ()
    ranks: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    score: float = 0.0
    business: dict[str, float] = field(default_factory=dict)
    is_exact: bool = False

    @property
    def words_score(self) -> float:
        """The share of words, more where a name holds few others."""
        asked, best = set(self.asked), 0.0
        for name in {self.name, self.name_fr or self.name}:
            words = _words_of(f"{name} {self.brand or ''}")
            best = max(best, len(words & asked) / len(words)) if words else best
        return self.share + _BREVITY * best


@lru_cache(50_000)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(words_of(text))


def rank_by(scores: Mapping[str, float]) -> dict[str, int]:
    """Return ranks from 1, the highest score first; equal scores share a rank."""
    places = {
        score: rank
        for rank, score in enumerate(sorted(set(scores.values()), reverse=True), start=1)
    }
    return {pk: places[score] for pk, score in scores.items()}


def fuse(
    candidates: Sequence[Candidate],
    ranks: Mapping[str, Mapping[str, int]],
    *,
    scores: Mapping[str, Mapping[str, float]],
    is_likeness: bool = False,
) -> list[Candidate]:
    """Put candidates in order; the score is the share of the most that these legs could give, 0 to 1."""
    weights = LIKENESS if is_likeness else WEIGHTS if "lexical" in ranks else FACTS_ALONE
    most = sum(weights[leg] for leg in ranks) / (RANK_CONSTANT + 1)
    for candidate in candidates:
        candidate.ranks = {
            leg: places[candidate.id] for leg, places in ranks.items() if candidate.id in places
        }
        candidate.scores = {
            leg: told[candidate.id] for leg, told in scores.items() if candidate.id in told
        }
        fused = sum(weights[leg] / (RANK_CONSTANT + rank) for leg, rank in candidate.ranks.items())
        ranked = fused / most if most else 0.0
        candidate.score = (
            (1 - SHARE) * ranked + SHARE * candidate.share if "lexical" in ranks else ranked
        )
    return sorted(candidates, key=lambda c: (-c.score, c.id))
