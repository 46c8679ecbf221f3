"""Questions to the vectors: exact in this process where an index is small, by Milvus where it is large."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import structlog
from django.conf import settings
from django.db import connection

from vectors.encoders.base import Vectors, combine, unit
from vectors.encoders.registry import encoder_named
from vectors.entities import EmbeddedEntity, entities
from vectors.errors import ModelMissing, VectorRefused, VectorsUnavailable
from vectors.exact import ExactIndex, exact_index
from vectors.filters import Conditions
from vectors.index.encode import FEATURES
from vectors.models import IndexedVector, VectorIndex
from vectors.store import Hit, store

__all__ = [
    "Answer",
    "Hit",
    "blend",
    "explain",
    "nearest",
    "score",
    "scores_of",
    "search",
    "serving",
    "similar",
    "stored",
    "vectors_of",
]

log = structlog.get_logger(__name__)
_UNLIKE = 0.5
# As written: it is asked with every question, and putting it together costs more than the answer.
_SERVING = """
SELECT id, collection, physical, stamp, encoder, dimension, layout, text_weight, nprobe, version, status
FROM vector_indexes WHERE collection = %s AND status = 'serving'
"""
_STORED = """
SELECT i.stamp, v.vector FROM vector_indexes i LEFT JOIN indexed_vectors v ON v.index_id = i.id AND v.entity_id = %s
WHERE i.collection = %s AND i.status = 'serving'
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows found, best first, ties by id; `best` is the highest score there is, whether or not its row fits."""

    hits: list[Hit]
    best: float
    stamp: str
    path: Literal["exact", "milvus"]


def search(
    *,
    collection: str,
    text: str,
    limit: int,
    where: Conditions = (),
    features: Vectors | None = None,
) -> Answer:
    """
    Return the rows nearest to a text, best first, among those that meet the conditions.

    features: (384,) of the question, where the collection has any. The text is encoded by what made the index that is
    searched, so that vectors of two stamps never meet. Raises VectorsUnavailable.
    """
    index = serving(collection)
    return _nearest(index, encoded(index, text, features), limit, where)


def score(
    *, collection: str, text: str, ids: Sequence[str], features: Vectors | None = None
) -> dict[str, float]:
    """Return how near to a text these rows are; rows without a vector are left out. Raises VectorsUnavailable."""
    index = serving(collection)
    return _scores(index, encoded(index, text, features), ids)


def nearest(
    *, collection: str, vector: Vectors, limit: int, where: Conditions = (), stamp: str = ""
) -> Answer:
    """Return the rows nearest to a vector (d,). Raises VectorRefused for another dimension or stamp."""
    index = serving(collection)
    if vector.shape != (index.dimension,) or not np.isfinite(vector).all():
        raise VectorRefused(
            f"Vector of shape {vector.shape}: {index.dimension} finite numbers are due."
        )
    if stamp and stamp != index.stamp:
        raise VectorRefused(
            f"The vector bears the stamp {stamp}; {collection} is searched by {index.stamp} now."
        )
    return _nearest(index, unit(vector[None, :].astype(np.float32))[0], limit, where)


def similar(*, collection: str, entity_id: str, limit: int, where: Conditions = ()) -> Answer:
    """Return the rows nearest to a stored one, itself left out; none when it has no vector yet."""
    index = serving(collection)
    vector = _vectors(index, [entity_id]).get(entity_id)
    if vector is None:
        return Answer([], 0.0, index.stamp, "exact")
    found = _nearest(index, vector, limit + 1, where)
    hits = [hit for hit in found.hits if hit.id != entity_id][:limit]
    return Answer(hits, found.best, found.stamp, found.path)


def blend(*, collection: str, like: Sequence[str], unlike: Sequence[str] = ()) -> Vectors | None:
    """Return unit(mean of what is liked − half the mean of what is not) (d,); None when none liked has a vector."""
    index = serving(collection)
    vectors = _vectors(index, [*like, *unlike])
    wanted, unwanted = ([vectors[pk] for pk in ids if pk in vectors] for ids in (like, unlike))
    if not wanted:
        return None
    away = np.mean(unwanted, axis=0) if unwanted else 0.0
    blended: Vectors = unit((np.mean(wanted, axis=0) - _UNLIKE * away)[None, :])[0]
    return blended


def vectors_of(*, collection: str, ids: Sequence[str]) -> dict[str, Vectors]:
    """Return the vectors (d,) of those rows that have one."""
    return _vectors(serving(collection), ids)


def stored(*, collection: str, entity_id: str) -> tuple[Vectors, str] | None:
    """
    Return a row's vector (d,) and the stamp it bears; None when it has none. Raises VectorsUnavailable.

    Read from the rows beside Milvus, for collections that no process should hold whole for the sake of one row.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [entity_id, collection])
        found = cursor.fetchone()
    if found is None:
        raise _nothing_yet(collection)
    stamp, vector = found
    return None if vector is None else (np.frombuffer(vector, np.float32), stamp)


def scores_of(*, collection: str, vector: Vectors, ids: Sequence[str]) -> dict[str, float]:
    """Return the cosine of each of the rows with a unit vector (d,)."""
    return _scores(serving(collection), vector, ids)


def explain(*, collection: str, a: str, b: str) -> dict[str, float]:
    """Return what text and each group of features contribute to the cosine of two rows; they sum to it."""
    vectors = vectors_of(collection=collection, ids=[a, b])
    entity = entities()[collection]
    if len(vectors) < 2 or not isinstance(entity, EmbeddedEntity) or entity.layout is None:
        return {}
    product = vectors[a] * vectors[b]
    return {"text": float(product[:-FEATURES].sum()), **entity.layout.split(product[-FEATURES:])}


def serving(collection: str) -> VectorIndex:
    """Return the index that serves a collection; raises VectorsUnavailable when none does yet."""
    found = VectorIndex.objects.raw(_SERVING, [collection])
    for index in found:
        return index
    raise _nothing_yet(collection)


def encoded(index: VectorIndex, text: str, features: Vectors | None = None) -> Vectors:
    """Return the vector (d,) of a question, as the index's own vectors are made; raises VectorsUnavailable."""
    try:
        half = encoder_named(index.encoder).encode([text])
    except ModelMissing as error:
        raise VectorsUnavailable(str(error)) from error
    if not index.layout:
        alone: Vectors = half[0]
        return alone
    told = np.zeros(FEATURES, np.float32) if features is None else features
    joined: Vectors = combine(half, told[None, :], text_weight=index.text_weight)[0]
    return joined


def _nothing_yet(collection: str) -> VectorsUnavailable:
    return VectorsUnavailable(f"nothing is indexed in {collection} yet")


def _nearest(index: VectorIndex, vector: Vectors, limit: int, where: Conditions) -> Answer:
    held = exact_index(index)
    if held is None:
        try:
            hits = store().search(
                index.physical, vector, limit=limit, where=where, nprobe=index.nprobe
            )
            best = hits[0].score if hits else 0.0
            if where:
                best = max(
                    (
                        h.score
                        for h in store().search(
                            index.physical, vector, limit=1, nprobe=index.nprobe
                        )
                    ),
                    default=0,
                )
            return Answer(hits, best, index.stamp, "milvus")
        except VectorsUnavailable:
            held = _fallback(index)
    hits, best = held.search(vector, limit=limit, where=where)
    return Answer(hits, best, index.stamp, "exact")


def _fallback(index: VectorIndex) -> ExactIndex:
    """Search here what Milvus does not answer, as far as a process may hold it."""
    if index.vectors.count() > settings.VECTORS_FALLBACK_BELOW:
        raise VectorsUnavailable(
            f"Milvus does not answer, and {index.collection} is too large to be searched here"
        )
    log.warning("searched here, since Milvus does not answer", collection=index.collection)
    held = exact_index(index, whatever_size=True)
    if held is None:
        raise VectorsUnavailable("Milvus does not answer")
    return held


def _vectors(index: VectorIndex, ids: Sequence[str]) -> dict[str, Vectors]:
    held = exact_index(index)
    if held is not None:
        return {pk: vector for pk in ids if (vector := held.vector(pk)) is not None}
    rows = IndexedVector.objects.filter(index=index, entity_id__in=ids).values_list(
        "entity_id", "vector"
    )
    return {str(pk): np.frombuffer(vector, np.float32) for pk, vector in rows}


def _scores(index: VectorIndex, vector: Vectors, ids: Sequence[str]) -> dict[str, float]:
    held = exact_index(index)
    if held is not None:
        return held.scores(vector, list(ids))
    return {pk: float(own @ vector) for pk, own in _vectors(index, ids).items()}
