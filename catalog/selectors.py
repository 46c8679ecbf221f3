"""Every read of the catalogue."""

from dataclasses import dataclass

import structlog
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, QuerySet

from catalog.models import Product
from catalog.services.listings import ACCENTED, PLAIN
from vectors import searching
from vectors.errors import VectorsUnavailable

log = structlog.get_logger(__name__)
COLLECTION = "product_embeddings"
# How deep each leg looks before the two are fused, and how fast a rank loses weight (Cormack et al. 2009).
DEPTH = 200
RRF_CONSTANT = 60
# Words carry more than meaning here: names, types and terpenes are typed as they are written, and the text
# encoder knows no French.
LEXICAL_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """Products, best first, and the legs that took part."""

    products: list[Product]
    legs: list[str]


def search_products(*, query: str, within: QuerySet[Product], limit: int) -> Found:
    """Fuse words and meaning by reciprocal rank, within the rows given; without vectors, words alone."""
    scores: dict[str, float] = {}
    legs = ["lexical"]
    for rank, pk in enumerate(_by_words(query, within)[:DEPTH]):
        scores[str(pk)] = LEXICAL_WEIGHT / (RRF_CONSTANT + rank)
    try:
        hits = searching.search(collection=COLLECTION, text=query, limit=DEPTH)
        legs.append("vectors")
    except VectorsUnavailable as error:
        hits = []
        log.warning("search without vectors", reason=str(error))
    allowed = {str(pk) for pk in within.filter(pk__in=[hit.id for hit in hits]).values_list("pk", flat=True)}
    for rank, hit in enumerate(hit for hit in hits if hit.id in allowed):
        scores[hit.id] = scores.get(hit.id, 0) + 1 / (RRF_CONSTANT + rank)
    best = sorted(scores, key=lambda pk: (-scores[pk], pk))[:limit]
    return Found(_in_order(best), legs)


def similar_products(*, product: Product, limit: int) -> list[Product]:
    """Return the products nearest to this one; raises VectorsUnavailable."""
    hits = searching.similar(collection=COLLECTION, entity_id=str(product.pk), limit=limit)
    return _in_order([hit.id for hit in hits])


def _by_words(query: str, within: QuerySet[Product]) -> QuerySet[Product]:
    plain = query.lower().translate(str.maketrans(ACCENTED, PLAIN))
    # Word characters only: nothing a person types is read as an operator.
    words = ["".join(c for c in word if c.isalnum()) for word in plain.split()]
    text = SearchQuery(" | ".join(w for w in words if w) or "''", search_type="raw", config="simple")
    ranked = within.filter(search_document=text).annotate(
        rank=SearchRank(F("search_document"), text, weights=[0.1, 0.9, 0.9, 1.0])
    )
    return ranked.order_by("-rank", "pk").values_list("pk", flat=True)  # type: ignore[return-value]


def _in_order(ids: list[str]) -> list[Product]:
    rows = {str(row.pk): row for row in Product.objects.defer("search_document").filter(pk__in=ids)}
    return [rows[pk] for pk in ids if pk in rows]
