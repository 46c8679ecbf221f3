"""What of a row goes into a vector, and the vector: nothing is encoded twice that did not change."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from vectors.declaring import EmbeddedEntity
from vectors.encoders.base import Encoder, Vectors, combine, unit
from vectors.encoders.choosing import encoder, encoder_named
from vectors.errors import ModelMissing
from vectors.models import IndexedVector, VectorIndex


@dataclass(frozen=True, slots=True)
class Content:
    """What is encoded of a row, and the hashes by which a change is told."""

    id: UUID
    text: str
    features: Vectors | None
    scalars: dict[str, str | float]
    text_hash: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes the vectors of a collection now: encoder, layout, weight."""

    encoder: Encoder
    layout: str
    text_weight: float
    dimension: int

    @property
    def stamp(self) -> str:
        """Return 12 hex digits that name all of it: two vectors may be compared only when theirs are the same."""
        told = (self.encoder.id, self.encoder.revision, self.dimension, self.layout, self.text_weight)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def recipe_of(entity: EmbeddedEntity) -> Recipe:
    """Return what the settings and the code ask for; raises ModelMissing."""
    chosen = encoder(entity.role)
    features = 0 if entity.layout is None else FEATURES
    return Recipe(chosen, entity.layout_version, entity.text_weight, chosen.dimension + features)


FEATURES = 384


def can_encode(index: VectorIndex, entity: EmbeddedEntity) -> bool:
    """Tell whether an index's vectors can still be made: its features are this code's, its encoder is here."""
    if (index.layout, index.text_weight) != (entity.layout_version, entity.text_weight):
        return False
    try:
        return encoder_named(index.encoder).revision == index.revision
    except ModelMissing:
        return False


def contents_of(entity: EmbeddedEntity, rows: Sequence[Any]) -> list[Content]:
    """Return what is encoded of each row; no encoder is asked."""
    texts = entity.texts(rows)
    features = entity.features(rows) if entity.layout and rows else None
    contents = []
    for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
        own, scalars = features[place] if features is not None else None, entity.scalars(row)
        told = json.dumps(scalars, sort_keys=True).encode() + (own.tobytes() if own is not None else b"")
        text_hash = _hash(text.encode())
        contents.append(Content(row.pk, text, own, scalars, text_hash, _hash(text_hash.encode() + told)))
    return contents


def vectors_for(index: VectorIndex, contents: Sequence[Content], known: Mapping[UUID, IndexedVector]) -> Vectors:
    """
    Return the vectors (n, d) of contents, in order.

    known: stored vectors of the same stamp. Where a text is the same as then, its half is taken from there.
    """
    asked = encoder_named(index.encoder)
    half = np.zeros((len(contents), asked.dimension), np.float32)
    new = []
    for place, content in enumerate(contents):
        before = known.get(content.id)
        if before is not None and before.text_hash == content.text_hash:
            half[place] = np.frombuffer(before.vector, np.float32)[: asked.dimension]
        else:
            new.append(place)
    if new:
        half[new] = asked.encode([contents[place].text for place in new])
    half = unit(half)
    if not index.layout:
        return half
    features = np.stack([c.features for c in contents if c.features is not None])
    return combine(half, features, text_weight=index.text_weight)


def _hash(told: bytes) -> str:
    return hashlib.blake2b(told, digest_size=16).hexdigest()
