"""Composed vectors: weighted sums of the vectors in the serving index of a source collection."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from vectors.encoders.base import Vectors, normalize_rows
from vectors.entities import ComposedEntity
from vectors.errors import IndexRefused
from vectors.fingerprint import EmbeddingFingerprint, EmbeddingInput, hash_content
from vectors.models import VectorIndex

# Share of the sum of absolute weights: a shorter sum has no meaningful direction.
_MIN_RELATIVE_LENGTH = 0.01


def current_fingerprint(entity: ComposedEntity) -> EmbeddingFingerprint:
    """Return the fingerprint of the serving source index; raises IndexRefused without one."""
    source = _serving_source(entity)
    if source is None:
        raise IndexRefused(
            f"{entity.collection} depends on {entity.source_collection}, which has no serving"
            " index yet."
        )
    return EmbeddingFingerprint(
        encoder=source.encoder,
        revision=source.revision,
        dimension=source.dimension,
        layout=source.layout,
        text_weight=source.text_weight,
        digest=source.fingerprint,
    )


def can_compute(index: VectorIndex, entity: ComposedEntity) -> bool:
    """Return whether the serving source index has the fingerprint of an index."""
    source = _serving_source(entity)
    return source is not None and source.fingerprint == index.fingerprint


def embedding_inputs(
    index: VectorIndex, entity: ComposedEntity, rows: Sequence[Any]
) -> list[EmbeddingInput]:
    """
    Return the weights and hashes of rows, without the rows that have no vector.

    Raises IndexRefused when the source index has another fingerprint.
    """
    source = _matching_source(index, entity)
    weights_by_row = entity.component_weights(rows)
    component_ids = {pk for weights in weights_by_row for pk in weights}
    hashes = dict(
        source.vectors.filter(entity_id__in=component_ids).values_list("entity_id", "content_hash")
    )
    inputs = []
    for row, all_weights in zip(rows, weights_by_row, strict=True):
        weights = {pk: weight for pk, weight in all_weights.items() if pk in hashes}
        if not any(weight > 0 for weight in weights.values()):
            continue
        scalars = entity.scalars(row)
        # With the components' own hashes, a changed component is detected as a changed row.
        components = sorted((str(pk), weight, hashes[pk]) for pk, weight in weights.items())
        content_hash = hash_content(json.dumps([components, scalars], sort_keys=True).encode())
        inputs.append(EmbeddingInput(row.pk, scalars, content_hash, component_weights=weights))
    return inputs


def compute_vectors(
    index: VectorIndex, entity: ComposedEntity, inputs: Sequence[EmbeddingInput]
) -> Vectors:
    """
    Return the vectors (n, d) of inputs, in order.

    Components deleted since the inputs were read are left out; the next reconciliation detects the
    difference by the hash. Raises IndexRefused when the source index has another fingerprint.
    """
    source = _matching_source(index, entity)
    component_ids = {pk for embedding_input in inputs for pk in embedding_input.component_weights}
    stored = source.vectors.filter(entity_id__in=component_ids).values_list("entity_id", "vector")
    vectors = {pk: np.frombuffer(vector, np.float32) for pk, vector in stored}
    sums = np.zeros((len(inputs), index.dimension), np.float32)
    for position, embedding_input in enumerate(inputs):
        ids = [pk for pk in embedding_input.component_weights if pk in vectors]
        if ids:
            weights = np.array([embedding_input.component_weights[pk] for pk in ids], np.float32)
            sums[position] = _weighted_sum(weights, np.stack([vectors[pk] for pk in ids]))
    return normalize_rows(sums)


def _weighted_sum(weights: Vectors, vectors: Vectors) -> Vectors:
    """
    Return weights (n,) times unit vectors (n, d).

    Negative weights are ignored when they cancel the positive ones.
    """
    total: Vectors = weights @ vectors
    if np.linalg.norm(total) < _MIN_RELATIVE_LENGTH * np.abs(weights).sum():
        total = np.maximum(weights, 0) @ vectors
    return total


def _matching_source(index: VectorIndex, entity: ComposedEntity) -> VectorIndex:
    """Return the serving source index; raises IndexRefused for another fingerprint."""
    source = _serving_source(entity)
    if source is None or source.fingerprint != index.fingerprint:
        raise IndexRefused(
            f"{index.physical_name} has the fingerprint {index.fingerprint}; no serving index of"
            f" {entity.source_collection} has the same."
        )
    return source


def _serving_source(entity: ComposedEntity) -> VectorIndex | None:
    return VectorIndex.objects.filter(
        collection=entity.source_collection, status=VectorIndex.Status.SERVING
    ).first()
