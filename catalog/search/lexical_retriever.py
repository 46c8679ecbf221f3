"""Lexical retrieval: word matches weighted by rarity and document part; spelling correction."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from django.db import connection
from django.db.models import QuerySet
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
_MIN_PART_LENGTH = 3
# Words this short are one letter from unrelated words: they are corrected to a word that products
# have beside another word of the query, or where two of their letters are swapped.
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
_CONJUNCTIONS = ("and", "et")
MAX_NAME_WORDS = 4
"""Words of the longest brand names that are recognized in queries."""
# Words with their numbers of products. Every search begins with it: the ORM takes as long again.
_FREQUENCIES_SQL = "SELECT word, documents FROM search_words WHERE word = ANY(%s)"
# Words that match no product; a word that shares a stem with a product is not a spelling error.
_UNMATCHED_WORDS_SQL = """
SELECT word FROM unnest(%s::text[]) AS word
WHERE NOT EXISTS (SELECT FROM products WHERE search_document @@ search_query(word))
"""
# Phrases that a product has, in the order given.
_ADJACENT_SQL = """
SELECT phrase FROM unnest(%s::text[]) WITH ORDINALITY AS phrases (phrase, position)
WHERE EXISTS (SELECT FROM products WHERE search_document @@ to_tsquery('simple', phrase))
ORDER BY position
"""
# The word that most products have together with one of the words of a context.
_IN_CONTEXT_SQL = """
WITH context AS MATERIALIZED (
  SELECT search_document FROM products
  WHERE id = ANY(ARRAY(SELECT products_matching(to_tsquery('simple', %s)))))
SELECT word FROM unnest(%s::text[]) AS word
JOIN context ON search_document @@ to_tsquery('simple', word)
GROUP BY word ORDER BY count(*) DESC, word LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class QueryWord:
    """
    A word or phrase of a query, its synonyms, and its weight (inverse document frequency).

    brands: brand names that it abbreviates, which count as much as the word.
    """

    word: str
    synonyms: tuple[str, ...]
    weight: float
    brands: tuple[str, ...] = ()

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases that match the word."""
        return (self.word, *self.brands, *self.synonyms)


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    """The words of a query as SQL over `products`."""

    words: tuple[QueryWord, ...]

    @property
    def match_sql(self) -> Sql:
        """Condition that a product matches at least one word."""
        return MATCHES_BY_INDEX_SQL, [self.any_word]

    @property
    def any_word(self) -> str:
        """Tsquery that matches at least one word."""
        return build_tsquery([phrase for word in self.words for phrase in word.phrases])

    @property
    def every_word(self) -> str:
        """Tsquery that matches each of the words, or a synonym of it."""
        return " & ".join(f"({build_tsquery(word.phrases)})" for word in self.words)

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
    words: Sequence[str],
    *,
    frequencies: Mapping[str, int],
    brands: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> LexicalQuery | None:
    """
    Return the lexical query of words with their `document_frequencies`; None without words.

    brands: brand names by the word that abbreviates them.
    """
    if not words:
        return None
    aliases = _strain_aliases(words)
    return LexicalQuery(
        tuple(
            QueryWord(
                word=phrase,
                synonyms=tuple(dict.fromkeys((*_synonyms(phrase), *aliases.get(phrase, ())))),
                brands=brands.get(phrase, ()),
                weight=_inverse_frequency(phrase, frequencies),
            )
            for phrase in words
        )
    )


def _inverse_frequency(phrase: str, frequencies: Mapping[str, int]) -> float:
    total = frequencies.get("", 0)
    if not total:
        return 1.0
    own_frequency = frequencies.get(phrase)
    if own_frequency is None:
        own_frequency = min(frequencies.get(word, 0) for word in phrase.split())
    return math.log(1 + (total + 1) / (1 + own_frequency))


def document_frequencies(words: Sequence[str]) -> dict[str, int]:
    """
    Return the number of products by known word and, of adjacent words, by brand name.

    The empty word has the total.
    """
    single_words = " ".join(words).split()
    phrases = [phrase for near in neighbor_words(words) for _, phrase in phrases_of(near)]
    wanted = {"", *words, *single_words, *phrases}
    with connection.cursor() as cursor:
        cursor.execute(_FREQUENCIES_SQL, [list(wanted)])
        return dict(cursor.fetchall())


def neighbor_words(words: Sequence[str]) -> tuple[list[str], ...]:
    """Return the single words, and again without the conjunctions that they have: leaf & flower."""
    single_words = " ".join(words).split()
    without_conjunctions = [word for word in single_words if word not in _CONJUNCTIONS]
    if without_conjunctions == single_words:
        return (single_words,)
    return single_words, without_conjunctions


def phrases_of(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the start and text of phrases of adjacent words that may be names, longest first."""
    for length in range(MAX_NAME_WORDS, 1, -1):
        for start in range(len(words) - length + 1):
            yield start, " ".join(words[start : start + length])


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
    text, unknown = _join_and_divide(text, unknown)
    if not unknown:
        return text
    corrections = _nearest_words(unknown, context=[word for word in words if word not in unknown])
    parts = [corrections.get("".join(words_of(part)), part) for part in text.split()]
    return " ".join(parts)


def _join_and_divide(text: str, unknown: Sequence[str]) -> tuple[str, list[str]]:
    """
    Return the text with unknown words joined to a neighbor, or divided, where products have that.

    "Sun farms" becomes "sunfarms", "goodsupply" becomes "good supply". Also returns the words that
    stay unknown.
    """
    parts = text.split()
    keys = ["".join(words_of(part)) for part in parts]
    joined = {
        keys[index] + keys[index + 1]: index
        for index in range(len(parts) - 1)
        if keys[index] in unknown or keys[index + 1] in unknown
    }
    divisions = {
        f"{word[:length]} {word[length:]}": word
        for word in unknown
        for length in range(_MIN_PART_LENGTH, len(word) - _MIN_PART_LENGTH + 1)
    }
    known = set(
        SearchWord.objects.filter(
            word__in={*joined, *(part for division in divisions for part in division.split())},
            documents__gt=0,
        ).values_list("word", flat=True)
    )
    remaining = list(unknown)
    for word, index in joined.items():
        if word in known and parts[index] and parts[index + 1]:
            remaining = [w for w in remaining if w not in (keys[index], keys[index + 1])]
            parts[index], parts[index + 1] = word, ""
    candidates = [d for d in divisions if known.issuperset(d.split()) and divisions[d] in remaining]
    for division in _adjacent_in_products(candidates):
        word = divisions[division]
        if word in remaining:
            remaining.remove(word)
            parts[keys.index(word)] = division
    return " ".join(part for part in parts if part), remaining


def _adjacent_in_products(phrases: Sequence[str]) -> list[str]:
    """Return the phrases of two words that are adjacent in a product."""
    if not phrases:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_ADJACENT_SQL, [[phrase.replace(" ", " <-> ") for phrase in phrases]])
        return [phrase.replace(" <-> ", " ") for (phrase,) in cursor.fetchall()]


def _nearest_words(unknown: Sequence[str], *, context: Sequence[str]) -> dict[str, str]:
    """
    Return the most similar known word by unknown word; ties go to the more frequent one.

    context: the other words of the query, one of which a product must have beside the correction of
    a short word.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNMATCHED_WORDS_SQL, [list(unknown)])
        unmatched = [word for (word,) in cursor.fetchall()]
    nearest: dict[str, str] = {}
    for word in unmatched:
        best = (
            _word_in_context(word, context)
            if len(word) <= _MAX_SHORT_LENGTH
            else _most_similar_word(word)
        )
        if best and _is_misspelling(word, best):
            nearest[word] = best
    return nearest


def _is_misspelling(word: str, correction: str) -> bool:
    """Whether a word is near enough to a correction, which has four letters or more."""
    if len(correction) < _MIN_CORRECTED_LENGTH:
        return False
    return DamerauLevenshtein.normalized_similarity(word, correction) >= _MIN_SPELLING_SIMILARITY


def _word_in_context(word: str, context: Sequence[str]) -> str | None:
    """
    Return the known word one edit from a short word that most products have beside the context.

    Without such products, two swapped letters alone are an edit.
    """
    candidates = [
        known
        for known, _ in _words_of_similar_length(word)
        if len(known) >= _MIN_CORRECTED_LENGTH and DamerauLevenshtein.distance(word, known) == 1
    ]
    context_words = [part for phrase in context for part in phrase.split()]
    if candidates and context_words:
        with connection.cursor() as cursor:
            cursor.execute(_IN_CONTEXT_SQL, [" | ".join(context_words), candidates])
            row = cursor.fetchone()
        if row:
            return str(row[0])
    return next((known for known in candidates if sorted(known) == sorted(word)), None)


def _most_similar_word(word: str) -> str | None:
    best = max(
        _words_of_similar_length(word),
        key=lambda row: (
            DamerauLevenshtein.normalized_similarity(word, row[0]),
            row[0][:1] == word[:1],
            row[1],
        ),
        default=None,
    )
    return best[0] if best else None


def _words_of_similar_length(word: str) -> QuerySet[SearchWord, tuple[str, int]]:
    """Return known words and their numbers of products; names of several words are left out."""
    return (
        SearchWord.objects.annotate(length=Length("word"))
        .filter(
            length__gte=len(word) - _MAX_LENGTH_DIFFERENCE,
            length__lte=len(word) + _MAX_LENGTH_DIFFERENCE,
        )
        .exclude(word__contains=" ")
        .values_list("word", "documents")
    )


def _match_weight_sql(word: QueryWord) -> Sql:
    """
    Return SQL for the highest weight with which a product matches a word, 0 without a match.

    Parts are tested in order of weight; most rows fail the first test and need no other.
    """
    *parts, last = PART_WEIGHTS
    own_phrases = (word.word, *word.brands)
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
    return sql, [build_tsquery(word.phrases), *tsqueries]


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
