"""A question as encoders are asked it: as typed for the multilingual one, in English for the other, and as features."""

from dataclasses import dataclass

from catalog.embeddings import question_features
from catalog.reference.synonyms import aromas, group_of
from catalog.search.parser import Understood
from vectors.encoders.base import Vectors


@dataclass(frozen=True, slots=True)
class Meaning:
    """The texts and features (384,) of a question."""

    text: str
    english: str
    features: Vectors


def meaning_of(understood: Understood) -> Meaning | None:
    """Return what encoders are asked; None where a question tells numbers only."""
    kinds = [
        term
        for term in understood.of("strain_type", "category", "terpene", "aroma")
        if not term.negative
    ]
    if not understood.words and not kinds:
        return None
    named = [term.word.replace("-", " ") for term in kinds]
    english = [group_of().get(word, word) for word in understood.words]
    smells = [
        key for term in understood.of("aroma") if not term.negative for key in aromas()[term.word]
    ]
    return Meaning(
        text=understood.text,
        english=" ".join(dict.fromkeys([*english, *named])),
        features=question_features(
            types=[term.word for term in kinds if term.kind == "strain_type"],
            categories=[term.word for term in kinds if term.kind == "category"],
            terpene_keys=[*(term.word for term in kinds if term.kind == "terpene"), *smells],
        ),
    )
