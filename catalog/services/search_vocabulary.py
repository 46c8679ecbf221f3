"""Writes that search needs: the words that products are named by."""

from django.db import connection, transaction

from catalog.ingest.vocabulary import WORDS
from catalog.reference.synonyms import groups
from catalog.reference.terpenes import terpenes
from catalog.search.normalize import words_of

# Words as they are written, so that what is mended is a word and not a stem.
_WORDS = """
INSERT INTO search_words (word, documents)
SELECT word, ndoc FROM ts_stat($query$
  SELECT to_tsvector('simple', search_text(concat_ws(' ', name, name_fr, brand, strain)))
  FROM products WHERE merged_into_id IS NULL
$query$)
WHERE length(word) <= 100
UNION ALL SELECT '', count(*) FROM products WHERE merged_into_id IS NULL
"""
_VOCABULARY = (
    "INSERT INTO search_words (word, documents) SELECT unnest(%s::text[]), 0 ON CONFLICT DO NOTHING"
)


@transaction.atomic
def refresh_search_words() -> int:
    """
    Count anew by how many products each word is borne, and add the words that questions are understood by.

    Returns how many words there are. Safe to repeat; readers see the old words until the end.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('search words'))")
        cursor.execute("DELETE FROM search_words")
        cursor.execute(_WORDS)
        cursor.execute(_VOCABULARY, [sorted(_vocabulary())])
        cursor.execute("SELECT count(*) - 1 FROM search_words")
        return int(cursor.fetchone()[0])


def _vocabulary() -> set[str]:
    told = [*WORDS.values(), *(phrase for phrases in groups().values() for phrase in phrases)]
    told += [
        f"{t.key} {t.fr} {' '.join(t.aliases)} {t.aromas_en} {t.aromas_fr}"
        for t in terpenes().values()
    ]
    return {word for text in told for word in words_of(text) if len(word) > 1}
