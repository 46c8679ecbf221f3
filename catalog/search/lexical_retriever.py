"""Lexical retrieval: word matches weighted by rarity and document part; spelling correction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models.functions import Length
from rapidfuzz.distance import DamerauLevenshtein

from catalog.models import SearchWord
from catalog.reference.strains import alias_names
from catalog.reference.synonyms import group_by_phrase, narrower_phrases, synonym_groups
from catalog.search.attribute_scoring import MATCHES_BY_INDEX_SQL, MATCHES_SQL, Sql
from catalog.search.normalize import compact_key, words_of
from catalog.search.stems import build_tsquery

# Weight of a match by document part: A names, B brand, C attributes, D flavors and parents.
PART_WEIGHTS = {"A": 1.0, "B": 0.9, "C": 0.7, "D": 0.45}
# A match of a synonym counts less than a match of the typed word.
SYNONYM_WEIGHT = 0.75
_MIN_SPELLING_SIMILARITY = 0.68
_MIN_CORRECTED_LENGTH = 4
# Words this short are corrected only where two of their letters are swapped: any of them is one
# letter from an unrelated word.
_MAX_SHORT_LENGTH = 4
# Words of everyday English and French that name nothing in a catalogue and are no misspellings.
_EVERYDAY_WORDS_TEXT = """
pain pains painful sleep sleepy sleeping stress stressed anxiety anxious relax relaxing relaxed
calm energy energetic focus creative happy hungry nausea headache migraine arthritis back
insomnia party night morning evening weekend friends movie music beach workout yoga gift
birthday beginner beginners first time douleur douleurs sommeil dormir anxiete detente relaxer
calme energie concentration creatif heureux faim nausee migraine arthrite insomnie fete soir
soiree matin nuit amis film musique plage cadeau anniversaire debutant debutants
"""
_EVERYDAY_WORDS = frozenset(_EVERYDAY_WORDS_TEXT.split())
_MAX_LENGTH_DIFFERENCE = 2
_MAX_ALIAS_WORDS = 4
# Words that match no product; a word that shares a stem with a product is not a spelling error.
_UNMATCHED_WORDS_SQL = """
SELECT word FROM unnest(%s::text[]) AS word
WHERE NOT EXISTS (SELECT FROM products WHERE search_document @@ search_query(word))
"""


@dataclass(frozen=True, slots=True)
class QueryWord:
    """A word or phrase of a query, its synonyms, and its weight (inverse document frequency)."""

    word: str
    synonyms: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    """The words of a query as SQL over `products`."""

    words: tuple[QueryWord, ...]

    @property
    def match_sql(self) -> Sql:
        """Condition that a product matches at least one word."""
        phrases = tuple(phrase for word in self.words for phrase in (word.word, *word.synonyms))
        return MATCHES_BY_INDEX_SQL, [build_tsquery(phrases)]

    @property
    def word_share_sql(self) -> Sql:
        """Share of the words a product matches, by word weight and part weight, 0 to 1."""
        parts = []
        params = []
        for word in self.words:
            sql, word_params = _match_weight_sql(word)
            parts.append(f"%s * {sql}")
            params += [word.weight, *word_params]
        total_weight = sum(word.weight for word in self.words)
        return f"({' + '.join(parts)}) / %s", [*params, total_weight]


def build_lexical_query(
    words: Sequence[str], *, frequencies: Mapping[str, int]
) -> LexicalQuery | None:
    """Return the lexical query of words with their `document_frequencies`; None without words."""
    if not words:
        return None
    aliases = _strain_aliases(words)
    return LexicalQuery(
        tuple(
            QueryWord(
                word=phrase,
                synonyms=tuple(dict.fromkeys((*_synonyms(phrase), *aliases.get(phrase, ())))),
                weight=_inverse_frequency(phrase, frequencies),
            )
            for phrase in _join_phrases(words)
        )
    )


def _inverse_frequency(phrase: str, frequencies: Mapping[str, int]) -> float:
    total = frequencies.get("", 0)
    if not total:
        return 1.0
    rarest = min(frequencies.get(word, 0) for word in phrase.split())
    return math.log(1 + (total + 1) / (1 + rarest))


def _join_phrases(words: Sequence[str]) -> list[str]:
    """Return the words, with known phrases of two or three words joined: petits fruits."""
    phrases = []
    position = 0
    while position < len(words):
        length = next(
            (
                n
                for n in (3, 2)
                if " ".join(words[position : position + n]) in group_by_phrase()
                and position + n <= len(words)
            ),
            1,
        )
        phrases.append(" ".join(words[position : position + length]))
        position += length
    return phrases


def document_frequencies(words: Sequence[str]) -> dict[str, int]:
    """Return the number of products by each known word; the empty word has the total."""
    return dict(SearchWord.objects.filter(word__in=["", *words]).values_list("word", "documents"))


def correct_spelling(text: str, *, words: Sequence[str], frequencies: Mapping[str, int]) -> str:
    """
    Return the text with words that no product has replaced by the nearest that one has.

    words: words of the query without an interpretation. Words with digits or fewer than four
    letters stay: nearly all of them are close to another word.
    """
    correctable = [
        word
        for word in words
        if len(word) >= _MIN_CORRECTED_LENGTH and not any(map(str.isdigit, word))
    ]
    unknown = [
        word
        for word in correctable
        if word not in frequencies and word not in group_by_phrase() and word not in _EVERYDAY_WORDS
    ]
    if not frequencies.get("") or not unknown:
        return text
    corrections = _nearest_words(unknown)
    parts = [corrections.get("".join(words_of(part)), part) for part in text.split()]
    return " ".join(parts)


def _nearest_words(unknown: Sequence[str]) -> dict[str, str]:
    """Return the most similar known word by unknown word; ties go to the more frequent one."""
    with connection.cursor() as cursor:
        cursor.execute(_UNMATCHED_WORDS_SQL, [list(unknown)])
        unmatched = [word for (word,) in cursor.fetchall()]
    nearest: dict[str, str] = {}
    for word in unmatched:
        best = _most_similar_word(word)
        if best and _is_misspelling(word, best):
            nearest[word] = best
    return nearest


def _is_misspelling(word: str, correction: str) -> bool:
    """Whether a word is near enough to a correction, which has four letters or more."""
    if len(correction) < _MIN_CORRECTED_LENGTH:
        return False
    if len(word) <= _MAX_SHORT_LENGTH:
        return sorted(word) == sorted(correction)
    return DamerauLevenshtein.normalized_similarity(word, correction) >= _MIN_SPELLING_SIMILARITY


def _most_similar_word(word: str) -> str | None:
    rows = SearchWord.objects.annotate(length=Length("word")).filter(
        length__gte=len(word) - _MAX_LENGTH_DIFFERENCE,
        length__lte=len(word) + _MAX_LENGTH_DIFFERENCE,
    )
    best = max(
        rows.values_list("word", "documents"),
        key=lambda row: (
            DamerauLevenshtein.normalized_similarity(word, row[0]),
            row[0][:1] == word[:1],
            row[1],
        ),
        default=None,
    )
    return best[0] if best else None


def _match_weight_sql(word: QueryWord) -> Sql:
    """
    Return SQL for the highest weight with which a product matches a word, 0 without a match.

    Parts are tested in order of weight; most rows fail the first test and need no other.
    """
    *parts, last = PART_WEIGHTS
    own_phrases: tuple[str, ...] = (word.word,)
    cases = [(PART_WEIGHTS[part], own_phrases, part) for part in parts]
    cases.append((PART_WEIGHTS[last], own_phrases, ""))
    if word.synonyms:
        cases += [(SYNONYM_WEIGHT * PART_WEIGHTS[part], word.synonyms, part) for part in parts]
    cases.sort(key=lambda case: case[0], reverse=True)
    whens = " ".join(f"WHEN {MATCHES_SQL} THEN {weight}" for weight, _, _ in cases)
    tsqueries = [build_tsquery(phrases, label) for _, phrases, label in cases]
    # A row that matches none of the cases matches a synonym in the last part.
    default = SYNONYM_WEIGHT * PART_WEIGHTS[last]
    sql = f"CASE WHEN NOT ({MATCHES_SQL}) THEN 0 {whens} ELSE {default} END"
    return sql, [build_tsquery((word.word, *word.synonyms)), *tsqueries]


def _synonyms(word: str) -> tuple[str, ...]:
    key = group_by_phrase().get(word)
    if not key:
        return ()
    return tuple(
        phrase
        for phrase in (*synonym_groups()[key], *narrower_phrases().get(key, ()))
        if phrase != word
    )


def _strain_aliases(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return other names of the strains that the words name, by each of the words: gdp."""
    aliases: dict[str, tuple[str, ...]] = {}
    for length in range(1, _MAX_ALIAS_WORDS + 1):
        for start in range(len(words) - length + 1):
            chunk = words[start : start + length]
            names = alias_names().get(compact_key("".join(chunk)), ())
            normalized_names = [" ".join(words_of(name)) for name in names]
            for word in chunk:
                aliases[word] = (*aliases.get(word, ()), *normalized_names)
    return aliases
