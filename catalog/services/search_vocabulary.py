"""Search vocabulary: frequencies of words of product names and of brand names."""

from collections.abc import Iterable, Iterator

from django.db import connection, transaction

from catalog.ingest.vocabulary import SEARCH_WORDS
from catalog.reference.synonyms import synonym_groups
from catalog.reference.terpenes import terpenes
from catalog.search import name_forms, words_of

_MAX_WORD_LENGTH = 100
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
# Brands with the text that they are indexed as and the number of their products.
_BRANDS_SQL = """
SELECT brand, search_text(brand), count(*) FROM products
WHERE merged_into_id IS NULL AND brand IS NOT NULL GROUP BY brand
"""
_INSERT_BRAND_SQL = """
INSERT INTO search_words (word, documents) VALUES (%s, %s)
ON CONFLICT (word) DO UPDATE SET documents = search_words.documents + excluded.documents
"""
_INSERT_VOCABULARY_SQL = """
INSERT INTO search_words (word, documents)
SELECT unnest(%s::text[]), 0 ON CONFLICT DO NOTHING
"""


@transaction.atomic
def refresh_search_words() -> int:
    """
    Count products by word and by brand name again, and add the words of the parser's vocabulary.

    Returns the number of words. Safe to repeat; readers see the previous words until the commit.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('search words'))")
        cursor.execute("DELETE FROM search_words")
        cursor.execute(_INSERT_FREQUENCIES_SQL)
        cursor.execute(_BRANDS_SQL)
        cursor.executemany(_INSERT_BRAND_SQL, list(_counts_by_brand_name(cursor.fetchall())))
        cursor.execute(_INSERT_VOCABULARY_SQL, [sorted(_vocabulary())])
        cursor.execute("SELECT count(*) - 1 FROM search_words")
        return int(cursor.fetchone()[0])


def _counts_by_brand_name(rows: Iterable[tuple[str, str, int]]) -> Iterator[tuple[str, int]]:
    """
    Yield brand names of several words, in each form, with the number of products.

    rows: brand, its text as indexed, number of products. Names whose words are not adjacent in the
    text cannot be found as a whole and are left out.
    """
    for brand, indexed_text, count in rows:
        for name in name_forms(brand):
            if f" {name} " in f" {indexed_text} " and len(name) <= _MAX_WORD_LENGTH:
                yield name, count


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
