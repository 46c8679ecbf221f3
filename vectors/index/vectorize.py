"""Vector computation by kind of entity: encoded or composed."""

from collections.abc import Sequence
from typing import Any

from vectors.encoders.base import Vectors
from vectors.entities import ComposedEntity, Entity
from vectors.fingerprint import EmbeddingFingerprint, EmbeddingInput
from vectors.index import compose, encode
from vectors.models import VectorIndex

__all__ = [
    "EmbeddingFingerprint",
    "EmbeddingInput",
    "can_compute",
    "compute_vectors",
    "current_fingerprint",
    "embedding_inputs",
]


def current_fingerprint(entity: Entity) -> EmbeddingFingerprint:
    """
    Return the fingerprint that settings and code ask for.

    Raises ModelMissing; IndexRefused when no index of the source collection serves.
    """
    if isinstance(entity, ComposedEntity):
        return compose.current_fingerprint(entity)
    return encode.current_fingerprint(entity)


def can_compute(index: VectorIndex, entity: Entity) -> bool:
    """Return whether new vectors can be computed with the fingerprint of an index."""
    if isinstance(entity, ComposedEntity):
        return compose.can_compute(index, entity)
    return encode.can_compute(index, entity)


def embedding_inputs(
    index: VectorIndex, entity: Entity, rows: Sequence[Any]
) -> list[EmbeddingInput]:
    """
    Return the embedding inputs of rows, without the rows that have no vector; encodes nothing.

    Requires `can_compute`.
    """
    if isinstance(entity, ComposedEntity):
        return compose.embedding_inputs(index, entity, rows)
    return encode.embedding_inputs(entity, rows)


def compute_vectors(
    index: VectorIndex,
    entity: Entity,
    inputs: Sequence[EmbeddingInput],
    *,
    donor: VectorIndex | None = None,
) -> Vectors:
    """
    Return the vectors (n, d) of inputs, in order.

    donor: an index with the same fingerprint, whose vectors are reused where the text is the same.
    """
    if isinstance(entity, ComposedEntity):
        return compose.compute_vectors(index, entity, inputs)
    return encode.compute_vectors(index, inputs, donor=donor)
