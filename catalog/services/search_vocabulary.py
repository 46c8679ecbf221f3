"""Search vocabulary: word frequencies of product names, for word rarity and spelling correction."""

from django.db import connection, transaction

from catalog.ingest.vocabulary import SEARCH_WORDS
from catalog.reference.synonyms import synonym_groups
from catalog.reference.terpenes import terpenes
from catalog.search import words_of

# Number of products by word, and of all products by the empty word. Words are stored unstemmed, so
# that a spelling correction is a word.
_INSERT_FREQUENCIES_SQL = """
INSERT INTO search_words (word, documents)
SELECT word, ndoc FROM ts_stat($query$
  SELECT to_tsvector('simple', search_text(concat_ws(' ', name, name_fr, brand, strain)))
  FROM products WHERE merged_into_id IS NULL
$query$)
WHERE length(word) <= 100
UNION ALL SELECT '', count(*) FROM products WHERE merged_into_id IS NULL
"""
_INSERT_VOCABULARY_SQL = """
INSERT INTO search_words (word, documents)
SELECT unnest(%s::text[]), 0 ON CONFLICT DO NOTHING
"""


@transaction.atomic
def refresh_search_words() -> int:
    """
    Count products by word again, and add the words of the query parser's vocabulary.

    Returns the number of words. Safe to repeat; readers see the previous words until the commit.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('search words'))")
        cursor.execute("DELETE FROM search_words")
        cursor.execute(_INSERT_FREQUENCIES_SQL)
        cursor.execute(_INSERT_VOCABULARY_SQL, [sorted(_vocabulary())])
        cursor.execute("SELECT count(*) - 1 FROM search_words")
        return int(cursor.fetchone()[0])


def _vocabulary() -> set[str]:
    texts = [
        *SEARCH_WORDS.values(),
        *(phrase for phrases in synonym_groups().values() for phrase in phrases),
    ]
    texts += [
        f"{t.key} {t.fr} {' '.join(t.aliases)} {t.aromas_en} {t.aromas_fr}"
        for t in terpenes().values()
    ]
    return {word for text in texts for word in words_of(text) if len(word) > 1}
