"""Every read of the catalogue."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from catalog.ingest.vocabulary import plain_words
from catalog.models import CatalogSource, MatchDecision, Product, ProductAlias, SupplierListing
from mlops.flow.sources import Access
from mlops.models import RawRecord
from vectors import searching
from vectors.errors import VectorsUnavailable

log = structlog.get_logger(__name__)
COLLECTION = "product_embeddings"
# How deep each leg looks before the two are fused, and how fast a rank loses weight (Cormack et al. 2009).
DEPTH = 200
RRF_CONSTANT = 60
# Weights of the document's parts D, C, B, A: facets (terpenes, category) count nearly as much as names.
PART_WEIGHTS = [0.1, 0.9, 0.9, 1.0]


@dataclass(frozen=True, slots=True)
class Found:
    """Products, best first, and the legs that took part."""

    products: list[Product]
    legs: list[str]


def search_products(*, query: str, within: QuerySet[Product], limit: int) -> Found:
    """
    Fuse words and meaning by reciprocal rank, within the rows given; without vectors, words alone.

    What carries every word of the query stands before what carries some: names, types and terpenes are typed as
    they are written, and the text encoder knows no French.
    """
    scores: dict[str, float] = {}
    has_every_word: set[str] = set()
    legs = ["lexical"]
    for rank, (pk, is_complete) in enumerate(_by_words(query, within)[:DEPTH]):
        scores[str(pk)] = 1 / (RRF_CONSTANT + rank)
        if is_complete:
            has_every_word.add(str(pk))
    try:
        hits = searching.search(collection=COLLECTION, text=query, limit=DEPTH)
        legs.append("vectors")
    except VectorsUnavailable as error:
        hits = []
        log.warning("search without vectors", reason=str(error))
    allowed = {str(pk) for pk in within.filter(pk__in=[hit.id for hit in hits]).values_list("pk", flat=True)}
    for rank, hit in enumerate(hit for hit in hits if hit.id in allowed):
        scores[hit.id] = scores.get(hit.id, 0) + 1 / (RRF_CONSTANT + rank)
    best = sorted(scores, key=lambda pk: (pk not in has_every_word, -scores[pk], pk))[:limit]
    return Found(_in_order(best), legs)


def similar_products(*, product: Product, limit: int) -> list[Product]:
    """Return the products nearest to this one; raises VectorsUnavailable."""
    hits = searching.similar(collection=COLLECTION, entity_id=str(product.pk), limit=limit)
    return _in_order([hit.id for hit in hits])


def listings_with_origin(*, product: Product) -> list[tuple[SupplierListing, list[RawRecord]]]:
    """Return each listing of the product with the raw records it was last read from; three queries."""
    listings = list(
        SupplierListing.objects.filter(merge_key__in=keys_of(product))
        .select_related("run")
        .order_by("source", "external_id", "language")
    )
    records: dict[tuple[object, str | None], list[RawRecord]] = {}
    runs = {listing.run_id for listing in listings}
    bundles = {listing.bundle for listing in listings if listing.bundle}
    for record in RawRecord.objects.filter(run__in=runs, bundle__in=bundles).order_by("role"):
        records.setdefault((record.run_id, record.bundle), []).append(record)
    return [(listing, records.get((listing.run_id, listing.bundle), [])) for listing in listings]


def keys_of(product: Product) -> list[str]:
    """Return the merge keys whose listings belong to the product: its own, and those merged into it."""
    merged = ProductAlias.objects.filter(product_key=product.merge_key).values_list("merge_key", flat=True)
    return [product.merge_key, *merged]


def duplicates_with_products(decisions: Sequence[MatchDecision]) -> dict[str, Product]:
    """Return the products that decisions are about, by merge key; one query."""
    keys = {key for decision in decisions for key in (decision.left_key, decision.right_key)}
    rows = Product.objects.select_related("merged_into").defer("search_document").filter(merge_key__in=keys)
    return {row.merge_key: row for row in rows}


def access_to(code: str) -> Access:
    """Return how staff have said that a source is to be reached; raises TokenRefused when its secret cannot be read."""
    row = CatalogSource.objects.filter(pk=code).first()
    if row is None:
        return Access()
    return Access(
        base_url=row.base_url,
        file=row.file.name or "",
        headers=_proof(row),
        requests_per_second=float(row.requests_per_second),
    )


def _proof(row: CatalogSource) -> dict[str, str]:
    match row.authentication:
        case CatalogSource.Authentication.BASIC:
            pair = f"{row.authentication_name}:{row.secret}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        case CatalogSource.Authentication.BEARER:
            return {"Authorization": f"Bearer {row.secret}"}
        case CatalogSource.Authentication.HEADER:
            return {row.authentication_name: row.secret}
    return {}


def _by_words(query: str, within: QuerySet[Product]) -> QuerySet[Product, tuple[object, bool]]:
    """Return keys of products with any of the words, and whether they carry all; these first, then by rank."""
    words = plain_words(query)
    # Letters and digits only: nothing a person types is read as an operator.
    any_word, every_word = (SearchQuery(sign.join(words) or "''", search_type="raw", config="simple") for sign in "|&")
    ranked = within.filter(search_document=any_word).annotate(
        is_complete=ExpressionWrapper(Q(search_document=every_word), output_field=BooleanField()),
        rank=SearchRank(F("search_document"), any_word, weights=PART_WEIGHTS),
    )
    return ranked.order_by("-is_complete", "-rank", "pk").values_list("pk", "is_complete")


def _in_order(ids: list[str]) -> list[Product]:
    rows = {str(row.pk): row for row in Product.objects.current().defer("search_document").filter(pk__in=ids)}
    return [rows[pk] for pk in ids if pk in rows]
