"""Encoded vectors; text whose hash has not changed is not encoded again."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from vectors.encoders.base import Vectors, combine, normalize_rows
from vectors.encoders.registry import encoder, encoder_by_id
from vectors.entities import EmbeddedEntity
from vectors.errors import ModelMissing
from vectors.fingerprint import EmbeddingFingerprint, EmbeddingInput, hash_content
from vectors.models import IndexedVector, VectorIndex

FEATURE_DIMENSION = 384
_DIGEST_LENGTH = 12


def current_fingerprint(entity: EmbeddedEntity) -> EmbeddingFingerprint:
    """Return the fingerprint of the configured encoder and layout; raises ModelMissing."""
    text_encoder = encoder(entity.role)
    feature_dimension = 0 if entity.layout is None else FEATURE_DIMENSION
    values = (
        text_encoder.id,
        text_encoder.revision,
        text_encoder.dimension + feature_dimension,
        entity.layout_version,
        entity.text_weight,
    )
    digest = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:_DIGEST_LENGTH]
    return EmbeddingFingerprint(*values, digest=digest)


def can_compute(index: VectorIndex, entity: EmbeddedEntity) -> bool:
    """Return whether code and models still match an index: feature layout, weight and encoder."""
    if (index.layout, index.text_weight) != (entity.layout_version, entity.text_weight):
        return False
    try:
        return encoder_by_id(index.encoder).revision == index.revision
    except ModelMissing:
        return False


def embedding_inputs(entity: EmbeddedEntity, rows: Sequence[Any]) -> list[EmbeddingInput]:
    """Return texts, features and hashes of rows, in order; encodes nothing."""
    texts = entity.texts(rows)
    features = entity.features(rows) if entity.layout and rows else None
    inputs = []
    for position, (row, text) in enumerate(zip(rows, texts, strict=True)):
        row_features = features[position] if features is not None else None
        scalars = entity.scalars(row)
        text_hash = hash_content(text.encode())
        content_hash = hash_content(
            text_hash.encode()
            + json.dumps(scalars, sort_keys=True).encode()
            + (row_features.tobytes() if row_features is not None else b"")
        )
        inputs.append(
            EmbeddingInput(
                row.pk,
                scalars,
                content_hash,
                text_hash=text_hash,
                text=text,
                features=row_features,
            )
        )
    return inputs


def compute_vectors(
    index: VectorIndex, inputs: Sequence[EmbeddingInput], *, donor: VectorIndex | None = None
) -> Vectors:
    """
    Return the vectors (n, d) of inputs, in order.

    The text part of a vector stored in this index or in the donor, an index with the same
    fingerprint, is reused where the text is the same.
    """
    text_encoder = encoder_by_id(index.encoder)
    text_rows = np.zeros((len(inputs), text_encoder.dimension), np.float32)
    reusable = _reusable_vectors(inputs, index, donor)
    to_encode = []
    for position, embedding_input in enumerate(inputs):
        stored = reusable.get(embedding_input.id)
        if stored is not None and stored.text_hash == embedding_input.text_hash:
            vector = np.frombuffer(stored.vector, np.float32)
            text_rows[position] = vector[: text_encoder.dimension]
        else:
            to_encode.append(position)
    if to_encode:
        text_rows[to_encode] = text_encoder.encode([inputs[i].text for i in to_encode])
    text_rows = normalize_rows(text_rows)
    if not index.layout:
        return text_rows
    features = np.stack([i.features for i in inputs if i.features is not None])
    return combine(text_rows, features, text_weight=index.text_weight)


def _reusable_vectors(
    inputs: Sequence[EmbeddingInput], *indexes: VectorIndex | None
) -> dict[Any, IndexedVector]:
    """Return stored vectors of the inputs' rows by row id; those of later indexes win."""
    ids = [embedding_input.id for embedding_input in inputs]
    hashes = {embedding_input.text_hash for embedding_input in inputs}
    return {
        stored.entity_id: stored
        for index in indexes
        if index is not None
        # Filtered by hash, so that only vectors that save encoding are read.
        for stored in IndexedVector.objects.filter(
            index=index, entity_id__in=ids, text_hash__in=hashes
        )
    }
