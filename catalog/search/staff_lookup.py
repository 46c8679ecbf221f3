"""Look-up by staff: products by words, word beginnings, numbers, similar spellings; listings."""

from django.contrib.postgres.search import SearchQuery, TrigramWordSimilarity
from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest

from catalog.models import CatalogSource, Product, SupplierListing
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


def listings_matching(listings: QuerySet[SupplierListing], text: str) -> QuerySet[SupplierListing]:
    """
    Return listings with a number, the source's own included; else by names.

    By names: those of products that staff find, and those whose name as the source wrote it
    contains the text.
    """
    sources = list(CatalogSource.objects.values_list("code", flat=True))
    # The source, so that the index of the natural key is used.
    numbered = listings.filter(has_number(text) | Q(source__in=sources, external_id=text))
    if numbered.exists():
        return numbered
    products = find_products(Product.objects.all(), text).order_by()
    # A union, since conditions joined by OR would use neither index.
    of_products = SupplierListing.objects.filter(merge_key__in=products.values("merge_key"))
    as_written = SupplierListing.objects.filter(raw_name__icontains=text)
    return listings.filter(pk__in=of_products.values("pk").union(as_written.values("pk")))
