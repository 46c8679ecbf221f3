"""Words as PostgreSQL stems them, kept in the process: a question has few words, and synonyms are always the same."""

from collections.abc import Iterable, Sequence
from functools import cache

from django.db import connection

from catalog.reference.synonyms import groups

_MOST = 20_000
_known: dict[str, tuple[str, ...]] = {}
_LEXIZE = """
SELECT word, ts_lexize('english_stem', word) || ts_lexize('french_stem', word) FROM unnest(%s::text[]) AS word
"""


def tsquery(phrases: Sequence[str], label: str = "") -> str:
    """
    Return a tsquery that any of the phrases meets, in parts of the label: each word as it is or stemmed, side by side.

    Phrases are folded words, letters and digits only, so that nothing in them is read as an operator.
    """
    stems = _stems_of(word for phrase in phrases for word in phrase.split())
    mark = f":{label}" if label else ""
    told = (
        " <-> ".join(
            f"({' | '.join(f'{stem}{mark}' for stem in stems[word])})" for word in phrase.split()
        )
        for phrase in phrases
    )
    return " | ".join(f"({phrase})" for phrase in told)


def _stems_of(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    wanted = set(words)
    missing = [word for word in wanted if word not in _known]
    if missing:
        if len(_known) > _MOST:  # begin anew rather than grow without end
            _known.clear()
        with connection.cursor() as cursor:
            cursor.execute(_LEXIZE, [sorted({*missing, *_vocabulary()} if not _known else missing)])
            for word, stems in cursor.fetchall():
                _known[word] = tuple(
                    sorted({word, *(stem for stem in stems or () if stem.isalnum())})
                )
    return {word: _known.get(word, (word,)) for word in wanted}


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(
        word for phrases in groups().values() for phrase in phrases for word in phrase.split()
    )
