"""What of a row goes into a vector, the hashes that tell a change, and what makes the vectors of a collection."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from vectors.encoders.base import Vectors


@dataclass(frozen=True, slots=True)
class Content:
    """What a row's vector is made of: a text and features, or parts; and its hashes."""

    id: UUID
    scalars: dict[str, str | float]
    content_hash: str
    # Of the text alone; empty where there is none.
    text_hash: str = ""
    text: str = ""
    features: Vectors | None = None
    # Weights of another collection's rows.
    parts: Mapping[UUID, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    What makes the vectors of a collection now: encoder, layout, weight.

    stamp: 12 hex digits that name all of it; two vectors may be compared only when theirs are the same.
    """

    encoder: str
    revision: str
    dimension: int
    layout: str
    text_weight: float
    stamp: str


def hashed(told: bytes) -> str:
    """Return 32 hex digits."""
    return hashlib.blake2b(told, digest_size=16).hexdigest()
