"""Embedding inputs with their content hashes, and the embedding fingerprint of a collection."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from vectors.encoders.base import Vectors


@dataclass(frozen=True, slots=True)
class EmbeddingInput:
    """Input of a row's vector: a text with features, or the weights of component vectors."""

    id: UUID
    scalars: dict[str, str | float]
    # Hash of everything that the vector and its scalar fields are computed from.
    content_hash: str
    # Hash of the text alone; empty without text.
    text_hash: str = ""
    text: str = ""
    features: Vectors | None = None
    # Weights by the id of a row of the source collection.
    component_weights: Mapping[UUID, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmbeddingFingerprint:
    """
    Everything that determines how the vectors of a collection are computed.

    digest: 12 hex digits over all other fields. Two vectors may be compared only when the digests
    of their indexes are equal.
    """

    encoder: str
    revision: str
    dimension: int
    layout: str
    text_weight: float
    digest: str


def hash_content(content: bytes) -> str:
    """Return the BLAKE2b hash of bytes as 32 hex digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
