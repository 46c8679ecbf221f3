"""The leg of words: which products carry them, where, and how rare they are; misspelled words are mended first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models.functions import Length
from rapidfuzz.distance import DamerauLevenshtein

from catalog.models import SearchWord
from catalog.reference.strains import alias_names
from catalog.reference.synonyms import group_of, groups, narrower
from catalog.search.attribute_scoring import CARRIES, FOUND, Sql
from catalog.search.normalize import key_of, words_of
from catalog.search.stems import tsquery

# How much a word counts by the part it stands in: names, brand, facts, flavors and parents.
PARTS = {"A": 1.0, "B": 0.9, "C": 0.7, "D": 0.45}
# A word of the same meaning counts less than the word that was typed.
SYNONYM = 0.75
_LEAST_LIKENESS = 0.68
_SHORTEST_MENDED = 4
_MOST_SLIPS = 2


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
        return FOUND, [tsquery(phrases)]

    @property
    def share_sql(self) -> Sql:
        """Share of the words that are there, each by its weight and by the part it stands in."""
        sqls, params = [], []
        for word in self.words:
            sql, own = _worth(word)
            sqls.append(f"%s * {sql}")
            params += [word.weight, *own]
        return f"({' + '.join(sqls)}) / %s", [*params, sum(word.weight for word in self.words)]


def lexical(words: Sequence[str], *, known: Mapping[str, int]) -> Lexical | None:
    """Return the leg of these words, None of none. known: what `documents_of` says of them."""
    if not words:
        return None
    total = known.get("", 0)
    aliases = _aliases(words)
    return Lexical(
        tuple(
            Word(
                phrase,
                tuple(dict.fromkeys((*_synonyms(phrase), *aliases.get(phrase, ())))),
                math.log(1 + (total + 1) / (1 + min(known.get(word, 0) for word in phrase.split())))
                if total
                else 1.0,
            )
            for phrase in _phrases(words)
        )
    )


def _phrases(words: Sequence[str]) -> list[str]:
    """Return the words, those together that mean one thing together: petits fruits."""
    phrases, place = [], 0
    while place < len(words):
        length = next(
            (
                n
                for n in (3, 2)
                if " ".join(words[place : place + n]) in group_of() and place + n <= len(words)
            ),
            1,
        )
        phrases.append(" ".join(words[place : place + length]))
        place += length
    return phrases


def documents_of(words: Sequence[str]) -> dict[str, int]:
    """Return how many products are named by each word that is known; of the empty word, products in all."""
    return dict(SearchWord.objects.filter(word__in=["", *words]).values_list("word", "documents"))


def mended(text: str, *, words: Sequence[str], known: Mapping[str, int]) -> str:
    """
    Return the text with those of the words that no product knows replaced by the nearest that one does.

    words: what was not understood otherwise; known: what `documents_of` says of them. Numbers and words of three letters stay: nearly every one is near another.
    """
    doubtful = [
        word for word in words if len(word) >= _SHORTEST_MENDED and not any(map(str.isdigit, word))
    ]
    strange = [word for word in doubtful if word not in known and word not in group_of()]
    if not known.get("") or not strange:
        return text
    nearest = _nearest(strange)
    parts = [nearest.get("".join(words_of(part)), part) for part in text.split()]
    return " ".join(parts)


def _nearest(strange: Sequence[str]) -> dict[str, str]:
    """Return the word that is fewest slips of the pen away, of equally near ones that of most products."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT asked FROM unnest(%s::text[]) AS asked
            -- What has a stem in common with a product is no mistake.
            WHERE NOT EXISTS (SELECT FROM products WHERE search_document @@ search_query(asked))
            """,
            [list(strange)],
        )
        unknown = [asked for (asked,) in cursor.fetchall()]
    found = {}
    for asked in unknown:
        rows = SearchWord.objects.annotate(length=Length("word")).filter(
            length__gte=len(asked) - _MOST_SLIPS, length__lte=len(asked) + _MOST_SLIPS
        )
        near = max(
            rows.values_list("word", "documents"),
            key=lambda row: (
                DamerauLevenshtein.normalized_similarity(asked, row[0]),
                row[0][:1] == asked[:1],
                row[1],
            ),
            default=None,
        )
        if near and DamerauLevenshtein.normalized_similarity(asked, near[0]) >= _LEAST_LIKENESS:
            found[asked] = near[0]
    return found


def _worth(word: Word) -> Sql:
    """Return SQL for the most that a row carries of a word: the best places are looked at first, most rows at none."""
    *parts, last = PARTS
    own: tuple[str, ...] = (word.word,)
    ways = [(PARTS[part], own, part) for part in parts] + [(PARTS[last], own, "")]
    if word.others:
        ways += [(SYNONYM * PARTS[part], word.others, part) for part in parts]
    ways.sort(key=lambda way: way[0], reverse=True)
    cases = " ".join(f"WHEN {CARRIES} THEN {worth}" for worth, _, _ in ways)
    labeled = [tsquery(phrases, label) for _, phrases, label in ways]
    # What is carried, and in none of these, is carried in the last part.
    sql = f"CASE WHEN NOT ({CARRIES}) THEN 0 {cases} ELSE {SYNONYM * PARTS[last]} END"
    return sql, [tsquery((word.word, *word.others)), *labeled]


def _synonyms(word: str) -> tuple[str, ...]:
    key = group_of().get(word)
    if not key:
        return ()
    return tuple(phrase for phrase in (*groups()[key], *narrower().get(key, ())) if phrase != word)


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
