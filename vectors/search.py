"""
Vector search: by text, by vector, by stored row, and by liked and disliked rows.

Small indexes are searched exactly in this process, large ones in Milvus (`VECTORS_EXACT_BELOW`).
When Milvus is unavailable, indexes up to `VECTORS_FALLBACK_BELOW` rows are searched exactly too.
Searches by text run in threads, so that a caller can read the database meanwhile.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import structlog
from django.conf import settings
from django.db import connection

from config.telemetry.degradation import MODELS, VECTORS, mark_degraded
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
    "PendingQuery",
    "TextQuery",
    "VectorSearchResult",
    "begin_queries",
    "blend_vectors",
    "cosine_scores",
    "encode_query",
    "explain_similarities",
    "nearest",
    "search",
    "serving_index",
    "similar",
    "stored_vector",
    "stored_vectors",
]

log = structlog.get_logger(__name__)
_DISLIKED_WEIGHT = 0.5
# Threads that encode queries and search; they never use the database. The calls into onnxruntime,
# numpy and gRPC that they spend their time in let other threads run.
_MAX_THREADS = 8
# Returns the serving indexes of collections. Raw SQL, as it runs with every search and building the
# query with the ORM costs more than the query.
_SERVING_INDEXES_SQL = """
SELECT id, collection, physical_name, fingerprint, encoder, dimension, layout, text_weight,
  nprobe, version, status
FROM vector_indexes
WHERE collection = ANY(%(collections)s) AND status = 'serving'
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
    index that was searched. path: how it was searched. is_current: False while another thread was
    reading newer vectors.
    """

    hits: list[Hit]
    max_score: float
    fingerprint: str
    path: Literal["exact", "milvus"]
    is_current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TextQuery:
    """
    A text to search for in a collection.

    features: (384,) of the query, for collections with features. limit: number of hits; None: the
    text is encoded only, for `PendingQuery.scores`.
    """

    collection: str
    text: str
    features: Vectors | None = None
    limit: int | None
    filters: VectorFilters = ()


class PendingQuery:
    """
    A query that is being encoded, and searched for, in another thread.

    The text is encoded by the encoder of the index that is searched, so that vectors of two
    fingerprints are never compared. Methods wait for the thread and raise VectorsUnavailable.
    """

    def __init__(self, query: TextQuery, index: VectorIndex | None) -> None:
        """Begin; index: the one that serves the collection, None where there is none."""
        self.is_current = True
        self._query = query
        self._index = index
        self._future: Future[tuple[Vectors, VectorSearchResult | None]] | None = None
        if index is not None:
            exact = exact_index(index) if query.limit else None
            self._future = _thread_pool().submit(
                copy_context().run, _encode_and_search, query, index, exact
            )

    def result(self) -> VectorSearchResult:
        """Return the rows nearest to the text that pass all filters, best first."""
        index, vector, result = self._wait()
        if result is None:
            return _search_fallback(index, vector, self._query.limit or 0, self._query.filters)
        return result

    def scores(self, ids: Sequence[str]) -> dict[str, float]:
        """
        Return the cosine of each row with the text, by id; rows without a vector are absent.

        Afterwards `is_current` is False if another thread was reading newer vectors.
        """
        index, vector, _ = self._wait()
        exact = exact_index(index)
        self.is_current = exact is None or _is_current(exact, index)
        return _scores(index, exact, vector, ids)

    def _wait(self) -> tuple[VectorIndex, Vectors, VectorSearchResult | None]:
        if self._index is None or self._future is None:
            raise _not_indexed(self._query.collection)
        return self._index, *self._future.result()


def begin_queries(queries: Sequence[TextQuery]) -> list[PendingQuery]:
    """Begin to encode and to search for texts, all at once. One query of the database."""
    indexes = _serving_indexes([query.collection for query in queries])
    return [PendingQuery(query, indexes.get(query.collection)) for query in queries]


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

    features: (384,) of the query, for collections with features. Raises VectorsUnavailable.
    """
    query = TextQuery(
        collection=collection, text=text, features=features, limit=limit, filters=filters
    )
    (pending,) = begin_queries([query])
    return pending.result()


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
    return replace(result, hits=hits)


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
    index = serving_index(collection)
    return _scores(index, exact_index(index), vector, ids)


def explain_similarities(
    *, collection: str, entity_id: str, others: Sequence[str]
) -> dict[str, dict[str, float]]:
    """
    Return the contributions of the text and of each feature group to the cosines with a row, by id.

    The contributions sum to the cosine; other rows without a vector are left out. Empty when the
    row has no vector or the collection has no features.
    """
    entity = entities()[collection]
    if not isinstance(entity, EmbeddedEntity) or entity.layout is None:
        return {}
    vectors = stored_vectors(collection=collection, ids=[entity_id, *others])
    own_vector = vectors.get(entity_id)
    if own_vector is None:
        return {}
    contributions = {}
    for pk in others:
        if pk in vectors:
            product = own_vector * vectors[pk]
            text = float(product[:-FEATURE_DIMENSION].sum())
            contributions[pk] = {"text": text, **entity.layout.split(product[-FEATURE_DIMENSION:])}
    return contributions


def serving_index(collection: str) -> VectorIndex:
    """Return the index that serves a collection; raises VectorsUnavailable when there is none."""
    index = _serving_indexes([collection]).get(collection)
    if index is None:
        raise _not_indexed(collection)
    return index


def _serving_indexes(collections: Sequence[str]) -> dict[str, VectorIndex]:
    params = {"collections": list(collections)}
    indexes = VectorIndex.objects.raw(_SERVING_INDEXES_SQL, params)
    return {index.collection: index for index in indexes}


def encode_query(index: VectorIndex, text: str, features: Vectors | None = None) -> Vectors:
    """
    Return the vector (d,) of a query, computed like the vectors of an index.

    Raises VectorsUnavailable when the encoder of the index is not installed.
    """
    try:
        text_rows = encoder_by_id(index.encoder).encode([text])
    except ModelMissing as error:
        mark_degraded(MODELS)
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
    mark_degraded(VECTORS)
    return VectorsUnavailable(f"the collection {collection} has not been indexed yet")


def _nearest(
    index: VectorIndex, vector: Vectors, limit: int, filters: VectorFilters
) -> VectorSearchResult:
    result = _search_index(index, exact_index(index), vector, limit, filters)
    return result or _search_fallback(index, vector, limit, filters)


def _encode_and_search(
    query: TextQuery, index: VectorIndex, exact: ExactIndex | None
) -> tuple[Vectors, VectorSearchResult | None]:
    """Return the vector (d,) of a query, and the result unless Milvus is unavailable."""
    vector = encode_query(index, query.text, query.features)
    if not query.limit:
        return vector, None
    return vector, _search_index(index, exact, vector, query.limit, query.filters)


def _search_index(
    index: VectorIndex,
    exact: ExactIndex | None,
    vector: Vectors,
    limit: int,
    filters: VectorFilters,
) -> VectorSearchResult | None:
    """Search the matrix of an index or, where there is none, Milvus; None: it is unavailable."""
    if exact is not None:
        return _search_matrix(index, exact, vector, limit, filters)
    try:
        hits, max_score = _search_milvus(index, vector, limit, filters)
    except VectorsUnavailable:
        mark_degraded(VECTORS)
        return None
    return VectorSearchResult(hits, max_score, index.fingerprint, "milvus")


def _search_fallback(
    index: VectorIndex, vector: Vectors, limit: int, filters: VectorFilters
) -> VectorSearchResult:
    """Search a large index in this process; raises VectorsUnavailable."""
    return _search_matrix(index, _fallback_index(index), vector, limit, filters)


def _search_matrix(
    index: VectorIndex, exact: ExactIndex, vector: Vectors, limit: int, filters: VectorFilters
) -> VectorSearchResult:
    hits, max_score = exact.search(vector, limit=limit, filters=filters)
    return VectorSearchResult(
        hits, max_score, index.fingerprint, "exact", _is_current(exact, index)
    )


def _is_current(exact: ExactIndex, index: VectorIndex) -> bool:
    """Whether a matrix is of the version of an index; while one thread reads it, others go on."""
    return exact.index_id == index.pk and exact.version >= index.version


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


def _scores(
    index: VectorIndex, exact: ExactIndex | None, vector: Vectors, ids: Sequence[str]
) -> dict[str, float]:
    if exact is not None:
        return exact.scores(vector, list(ids))
    stored = _stored_vectors(index, ids)
    return {pk: float(row_vector @ vector) for pk, row_vector in stored.items()}


def _thread_pool() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603  # one pool per process
    if _pool is None:
        _pool = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="vector-search")
    return _pool


_pool: ThreadPoolExecutor | None = None


def _reset_after_fork() -> None:
    # Threads stay in the parent.
    global _pool  # noqa: PLW0603  # module state of the parent
    _pool = None


os.register_at_fork(after_in_child=_reset_after_fork)
