"""Look-up of products by staff: every word or its beginning, numbers, and similar spellings."""

from django.contrib.postgres.search import SearchQuery, TrigramWordSimilarity
from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest

from catalog.models import Product
from catalog.search.normalize import words_of
from catalog.selectors.conditions import has_number


def find_products(rows: QuerySet[Product], text: str) -> QuerySet[Product]:
    """
    Return the rows with every word or word prefix of a text, or with its SKU or GTIN.

    Without any, the rows with a similar spelling, the most similar first.
    """
    words = words_of(text)
    if not words:
        return rows.none()
    has_every_word = SearchQuery(
        " & ".join(f"{word}:*" for word in words), search_type="raw", config="simple"
    )
    exact = Q(search_document=has_every_word) | has_number(text)
    if rows.filter(exact).exists():
        return rows.filter(exact)
    is_similar = Q(name__trigram_word_similar=text) | Q(name_fr__trigram_word_similar=text)
    similar = rows.filter(is_similar | Q(brand__trigram_word_similar=text))
    likeness = Greatest(
        TrigramWordSimilarity(text, "name"),
        TrigramWordSimilarity(text, "name_fr"),
        TrigramWordSimilarity(text, "brand"),
    )
    return similar.alias(likeness=likeness).order_by("-likeness", "name", "pk")
