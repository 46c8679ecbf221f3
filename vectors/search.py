"""
Vector search: by text, by vector, by stored row, and by liked and disliked rows.

Small indexes are searched exactly in this process, large ones in Milvus (`VECTORS_EXACT_BELOW`).
When Milvus is unavailable, indexes up to `VECTORS_FALLBACK_BELOW` rows are searched exactly too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import structlog
from django.conf import settings
from django.db import connection

from vectors.encoders.base import Vectors, combine, normalize_rows
from vectors.encoders.registry import encoder_by_id
from vectors.entities import EmbeddedEntity, entities
from vectors.errors import ModelMissing, VectorRefused, VectorsUnavailable
from vectors.exact import ExactIndex, exact_index
from vectors.filters import VectorFilters
from vectors.index.encode import FEATURE_DIMENSION
from vectors.models import IndexedVector, VectorIndex
from vectors.store import Hit, store

__all__ = [
    "Hit",
    "VectorSearchResult",
    "blend_vectors",
    "cosine_scores",
    "encode_query",
    "explain_similarity",
    "nearest",
    "score_by_text",
    "search",
    "serving_index",
    "similar",
    "stored_vector",
    "stored_vectors",
]

log = structlog.get_logger(__name__)
_DISLIKED_WEIGHT = 0.5
# Returns the serving index of a collection. Raw SQL, as it runs with every search and building the
# query with the ORM costs more than the query.
_SERVING_INDEX_SQL = """
SELECT id, collection, physical_name, fingerprint, encoder, dimension, layout, text_weight,
  nprobe, version, status
FROM vector_indexes
WHERE collection = %(collection)s AND status = 'serving'
"""
# Returns the fingerprint of the serving index and a row's vector in it (NULL without vector).
_STORED_VECTOR_SQL = """
SELECT i.fingerprint, v.vector
FROM vector_indexes i
LEFT JOIN indexed_vectors v ON v.index_id = i.id AND v.entity_id = %(row_id)s
WHERE i.collection = %(collection)s AND i.status = 'serving'
"""


@dataclass(frozen=True, slots=True)
class VectorSearchResult:
    """
    Hits of a vector search, best first, ties by id.

    max_score: maximum score over the whole collection, regardless of filters. fingerprint: of the
    index that was searched. path: how it was searched.
    """

    hits: list[Hit]
    max_score: float
    fingerprint: str
    path: Literal["exact", "milvus"]


def search(
    *,
    collection: str,
    text: str,
    limit: int,
    filters: VectorFilters = (),
    features: Vectors | None = None,
) -> VectorSearchResult:
    """
    Return the rows nearest to a text that pass all filters, best first.

    features: (384,) of the query, for collections with features. The text is encoded by the
    encoder of the index that is searched, so that vectors of two fingerprints are never compared.
    Raises VectorsUnavailable.
    """
    index = serving_index(collection)
    return _nearest(index, encode_query(index, text, features), limit, filters)


def score_by_text(
    *, collection: str, text: str, ids: Sequence[str], features: Vectors | None = None
) -> dict[str, float]:
    """
    Return the cosine of each row with a text, by id; rows without a vector are left out.

    Raises VectorsUnavailable.
    """
    index = serving_index(collection)
    return _scores(index, encode_query(index, text, features), ids)


def nearest(
    *,
    collection: str,
    vector: Vectors,
    limit: int,
    filters: VectorFilters = (),
    fingerprint: str = "",
) -> VectorSearchResult:
    """
    Return the rows nearest to a vector (d,) that pass all filters, best first.

    fingerprint: of the index that the vector comes from. Raises VectorRefused for another dimension
    or fingerprint than that of the serving index.
    """
    index = serving_index(collection)
    if vector.shape != (index.dimension,) or not np.isfinite(vector).all():
        raise VectorRefused(
            f"Vector has shape {vector.shape}; expected {index.dimension} finite numbers."
        )
    if fingerprint and fingerprint != index.fingerprint:
        raise VectorRefused(
            f"Vector has the fingerprint {fingerprint}; {collection} now has {index.fingerprint}."
        )
    unit_vector = normalize_rows(vector[None, :].astype(np.float32))[0]
    return _nearest(index, unit_vector, limit, filters)


def similar(
    *, collection: str, entity_id: str, limit: int, filters: VectorFilters = ()
) -> VectorSearchResult:
    """Return the rows nearest to a stored row, without itself; no hits when it has no vector."""
    index = serving_index(collection)
    vector = _stored_vectors(index, [entity_id]).get(entity_id)
    if vector is None:
        return VectorSearchResult([], 0.0, index.fingerprint, "exact")
    result = _nearest(index, vector, limit + 1, filters)
    hits = [hit for hit in result.hits if hit.id != entity_id][:limit]
    return VectorSearchResult(hits, result.max_score, result.fingerprint, result.path)


def blend_vectors(
    *, collection: str, liked: Sequence[str], disliked: Sequence[str] = ()
) -> Vectors | None:
    """
    Return unit(mean of liked rows − 0.5 · mean of disliked rows) (d,).

    None when no liked row has a vector.
    """
    index = serving_index(collection)
    vectors = _stored_vectors(index, [*liked, *disliked])
    liked_vectors = [vectors[pk] for pk in liked if pk in vectors]
    disliked_vectors = [vectors[pk] for pk in disliked if pk in vectors]
    if not liked_vectors:
        return None
    disliked_mean = np.mean(disliked_vectors, axis=0) if disliked_vectors else 0.0
    difference = np.mean(liked_vectors, axis=0) - _DISLIKED_WEIGHT * disliked_mean
    blended: Vectors = normalize_rows(difference[None, :])[0]
    return blended


def stored_vectors(*, collection: str, ids: Sequence[str]) -> dict[str, Vectors]:
    """Return the vectors (d,) of rows by id; rows without a vector are left out."""
    return _stored_vectors(serving_index(collection), ids)


def stored_vector(*, collection: str, entity_id: str) -> tuple[Vectors, str] | None:
    """
    Return a row's vector (d,) and its fingerprint; None when it has none.

    Reads one row from the database, for collections that should not be loaded into memory for it.
    Raises VectorsUnavailable.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STORED_VECTOR_SQL, {"row_id": entity_id, "collection": collection})
        row = cursor.fetchone()
    if row is None:
        raise _not_indexed(collection)
    fingerprint, vector = row
    return None if vector is None else (np.frombuffer(vector, np.float32), fingerprint)


def cosine_scores(*, collection: str, vector: Vectors, ids: Sequence[str]) -> dict[str, float]:
    """Return the cosine of each row with a unit vector (d,), by id."""
    return _scores(serving_index(collection), vector, ids)


def explain_similarity(*, collection: str, a: str, b: str) -> dict[str, float]:
    """
    Return the contribution of the text and of each feature group to the cosine of two rows.

    The contributions sum to the cosine. Empty when a row has no vector or the collection has no
    features.
    """
    vectors = stored_vectors(collection=collection, ids=[a, b])
    entity = entities()[collection]
    if len(vectors) < 2 or not isinstance(entity, EmbeddedEntity) or entity.layout is None:
        return {}
    product = vectors[a] * vectors[b]
    text_product = product[:-FEATURE_DIMENSION]
    feature_product = product[-FEATURE_DIMENSION:]
    return {"text": float(text_product.sum()), **entity.layout.split(feature_product)}


def serving_index(collection: str) -> VectorIndex:
    """Return the index that serves a collection; raises VectorsUnavailable when there is none."""
    for index in VectorIndex.objects.raw(_SERVING_INDEX_SQL, {"collection": collection}):
        return index
    raise _not_indexed(collection)


def encode_query(index: VectorIndex, text: str, features: Vectors | None = None) -> Vectors:
    """
    Return the vector (d,) of a query, computed like the vectors of an index.

    Raises VectorsUnavailable when the encoder of the index is not installed.
    """
    try:
        text_rows = encoder_by_id(index.encoder).encode([text])
    except ModelMissing as error:
        raise VectorsUnavailable(str(error)) from error
    if not index.layout:
        text_vector: Vectors = text_rows[0]
        return text_vector
    query_features = np.zeros(FEATURE_DIMENSION, np.float32) if features is None else features
    combined: Vectors = combine(text_rows, query_features[None, :], text_weight=index.text_weight)[
        0
    ]
    return combined


def _not_indexed(collection: str) -> VectorsUnavailable:
    return VectorsUnavailable(f"the collection {collection} has not been indexed yet")


def _nearest(
    index: VectorIndex, vector: Vectors, limit: int, filters: VectorFilters
) -> VectorSearchResult:
    exact = exact_index(index)
    if exact is None:
        try:
            hits, max_score = _search_milvus(index, vector, limit, filters)
            return VectorSearchResult(hits, max_score, index.fingerprint, "milvus")
        except VectorsUnavailable:
            exact = _fallback_index(index)
    hits, max_score = exact.search(vector, limit=limit, filters=filters)
    return VectorSearchResult(hits, max_score, index.fingerprint, "exact")


def _search_milvus(
    index: VectorIndex, vector: Vectors, limit: int, filters: VectorFilters
) -> tuple[list[Hit], float]:
    """Return hits and the maximum score, for which a filtered search needs a second query."""
    hits = store().search(
        index.physical_name, vector, limit=limit, filters=filters, nprobe=index.nprobe
    )
    max_score = hits[0].score if hits else 0.0
    if filters:
        unfiltered = store().search(index.physical_name, vector, limit=1, nprobe=index.nprobe)
        max_score = max((hit.score for hit in unfiltered), default=0)
    return hits, max_score


def _fallback_index(index: VectorIndex) -> ExactIndex:
    """
    Return the matrix of a large index while Milvus is unavailable.

    Raises VectorsUnavailable above VECTORS_FALLBACK_BELOW rows.
    """
    if index.vectors.count() > settings.VECTORS_FALLBACK_BELOW:
        raise VectorsUnavailable(
            f"Milvus does not respond, and {index.collection} is too large for exact search"
        )
    log.warning("vector_search.exact_fallback", collection=index.collection)
    exact = exact_index(index, ignore_size_limit=True)
    if exact is None:
        raise VectorsUnavailable("Milvus does not respond")
    return exact


def _stored_vectors(index: VectorIndex, ids: Sequence[str]) -> dict[str, Vectors]:
    exact = exact_index(index)
    if exact is not None:
        return {pk: vector for pk in ids if (vector := exact.vector(pk)) is not None}
    rows = IndexedVector.objects.filter(index=index, entity_id__in=ids).values_list(
        "entity_id", "vector"
    )
    return {str(pk): np.frombuffer(vector, np.float32) for pk, vector in rows}


def _scores(index: VectorIndex, vector: Vectors, ids: Sequence[str]) -> dict[str, float]:
    exact = exact_index(index)
    if exact is not None:
        return exact.scores(vector, list(ids))
    stored = _stored_vectors(index, ids)
    return {pk: float(row_vector @ vector) for pk, row_vector in stored.items()}
