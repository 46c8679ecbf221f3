"""The leg of words: which products carry them, where, and how rare they are; misspelled words are mended first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from rapidfuzz.distance import DamerauLevenshtein

from catalog.models import SearchWord
from catalog.reference.strains import alias_names
from catalog.reference.synonyms import group_of, groups
from catalog.searching.folding import key_of, words_of
from catalog.searching.terms import Sql, any_phrase, phrase_queries

# How much a word counts by the part it stands in: names, brand, facts, flavors and parents.
PARTS = {"A": 1.0, "B": 0.9, "C": 0.7, "D": 0.45}
# A word of the same meaning counts less than the word that was typed.
SYNONYM = 0.75
_LEAST_LIKENESS = 0.68
_SHORTEST_MENDED = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A word, what else means the same, and how much it tells (its rarity)."""

    word: str
    others: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Lexical:
    """The words of a question as SQL on `products`: any of them; their share in 0 to 1; all of them."""

    words: tuple[Word, ...]

    @property
    def any_sql(self) -> Sql:
        """Condition that one of the words is there."""
        phrases = tuple(phrase for word in self.words for phrase in (word.word, *word.others))
        return f"search_document @@ {any_phrase(len(phrases))}", list(phrase_queries(phrases))

    @property
    def share_sql(self) -> Sql:
        """Share of the words that are there, each by its weight and by the part it stands in."""
        sqls, params = [], []
        for word in self.words:
            own, own_params = _by_part((word.word,))
            sql = own
            params.append(word.weight)
            params += own_params
            if word.others:
                other, other_params = _by_part(word.others)
                sql = f"greatest({own}, {SYNONYM} * {other})"
                params += other_params
            sqls.append(f"%s * {sql}")
        return f"({' + '.join(sqls)}) / %s", [*params, sum(word.weight for word in self.words)]


def lexical(words: Sequence[str]) -> Lexical | None:
    """Return the leg of these words, none of words that are empty; two queries."""
    if not words:
        return None
    known = documents_of(words)
    total = known.get("", 0)
    aliases = _aliases(words)
    return Lexical(
        tuple(
            Word(
                word,
                tuple(dict.fromkeys((*_synonyms(word), *aliases.get(word, ())))),
                math.log(1 + (total + 1) / (1 + known.get(word, 0))) if total else 1.0,
            )
            for word in words
        )
    )


def documents_of(words: Sequence[str]) -> dict[str, int]:
    """Return how many products are named by each word that is known; of the empty word, products in all."""
    return dict(SearchWord.objects.filter(word__in=["", *words]).values_list("word", "documents"))


def mended(text: str) -> str:
    """
    Return the text with words that no product knows replaced by the nearest that one does; unchanged if all are known.

    Numbers and words of three letters stay: nearly every one is near another.
    """
    doubtful = [word for word in words_of(text) if len(word) >= _SHORTEST_MENDED and not any(map(str.isdigit, word))]
    known = documents_of(doubtful) if doubtful else {}
    strange = [word for word in doubtful if word not in known and word not in group_of()]
    if not known.get("") or not strange:
        return text
    told = words_of_everything(text)
    for word, near in _nearest(strange).items():
        told = [near if part == word else part for part in told]
    return " ".join(told) if told != words_of_everything(text) else text


def words_of_everything(text: str) -> list[str]:
    """Return what stands between blanks, folded where it is a plain word, so that signs and numbers are kept."""
    return [words_of(part)[0] if len(words_of(part)) == 1 and part.isalpha() else part for part in text.split()]


def _nearest(strange: Sequence[str]) -> dict[str, str]:
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT asked, array_agg(word ORDER BY similarity(word, asked) DESC, word)
            FROM unnest(%s::text[]) AS asked
            -- What has a stem in common with a product is no mistake.
            JOIN LATERAL (
              SELECT word, similarity(word, asked) FROM search_words
              WHERE word %% asked AND word <> '' ORDER BY similarity(word, asked) DESC, word LIMIT 20
            ) AS near ON NOT EXISTS (SELECT FROM products WHERE search_document @@ search_query(asked))
            GROUP BY asked
            """,
            [list(strange)],
        )
        for asked, candidates in cursor.fetchall():
            near = max(candidates, key=lambda word: DamerauLevenshtein.normalized_similarity(asked, word))
            if DamerauLevenshtein.normalized_similarity(asked, near) >= _LEAST_LIKENESS:
                found[asked] = near
    return found


def _by_part(phrases: tuple[str, ...]) -> Sql:
    cases, params = [], []
    for label, worth in PARTS.items():
        cases.append(f"WHEN search_document @@ {any_phrase(len(phrases))} THEN {worth}")
        params += phrase_queries(phrases, label)
    return f"CASE {' '.join(cases)} ELSE 0 END", params


def _synonyms(word: str) -> tuple[str, ...]:
    key = group_of().get(word)
    return tuple(phrase for phrase in groups()[key] if phrase != word) if key else ()


def _aliases(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return other names of a strain for the first word of each name that the words tell in part or whole: gdp."""
    found: dict[str, tuple[str, ...]] = {}
    for length in (1, 2, 3, 4):
        for start in range(len(words) - length + 1):
            told = words[start : start + length]
            names = alias_names().get(key_of("".join(told)), ())
            for word in told:
                found[word] = (*found.get(word, ()), *(" ".join(words_of(name)) for name in names))
    return found
