"""PostgreSQL stems of query words, cached in the process, and tsquery construction."""

from collections.abc import Iterable, Sequence
from functools import cache

from django.db import connection

from catalog.reference.synonyms import synonym_groups

_MAX_CACHED_WORDS = 20_000
_stems: dict[str, tuple[str, ...]] = {}
# Each word with its English and French stems; stop words of a dictionary have none.
_STEMS_SQL = """
SELECT word, ts_lexize('english_stem', word) || ts_lexize('french_stem', word)
FROM unnest(%s::text[]) AS word
"""


def build_tsquery(phrases: Sequence[str], label: str = "") -> str:
    """
    Return a tsquery that matches any of the phrases, as written or stemmed, with words adjacent.

    phrases: normalized words (letters and digits only), so that nothing in them is read as an
    operator. label: the weight label (A to D) to match in; empty for all.
    """
    stems = _stems_of(word for phrase in phrases for word in phrase.split())
    suffix = f":{label}" if label else ""
    alternatives = (
        " <-> ".join(
            f"({' | '.join(f'{stem}{suffix}' for stem in stems[word])})" for word in phrase.split()
        )
        for phrase in phrases
    )
    return " | ".join(f"({alternative})" for alternative in alternatives)


def _stems_of(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    wanted = set(words)
    missing = [word for word in wanted if word not in _stems]
    if missing:
        if len(_stems) > _MAX_CACHED_WORDS:  # bounds the memory of a long-lived process
            _stems.clear()
        with connection.cursor() as cursor:
            cursor.execute(
                _STEMS_SQL, [sorted({*missing, *_synonym_words()} if not _stems else missing)]
            )
            for word, stems in cursor.fetchall():
                _stems[word] = tuple(
                    sorted({word, *(stem for stem in stems or () if stem.isalnum())})
                )
    return {word: _stems.get(word, (word,)) for word in wanted}


@cache
def _synonym_words() -> frozenset[str]:
    return frozenset(
        word
        for phrases in synonym_groups().values()
        for phrase in phrases
        for word in phrase.split()
    )
