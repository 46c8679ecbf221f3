"""Vectors that are encoded: nothing is encoded twice that did not change."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from vectors.encoders.base import Vectors, combine, unit
from vectors.encoders.registry import encoder, encoder_named
from vectors.entities import EmbeddedEntity
from vectors.errors import ModelMissing
from vectors.fingerprint import Content, Recipe, hashed
from vectors.models import IndexedVector, VectorIndex

FEATURES = 384


def recipe_of(entity: EmbeddedEntity) -> Recipe:
    """Return what the settings and the code ask for; raises ModelMissing."""
    chosen = encoder(entity.role)
    dimension = chosen.dimension + (0 if entity.layout is None else FEATURES)
    told = (chosen.id, chosen.revision, dimension, entity.layout_version, entity.text_weight)
    return Recipe(*told, stamp=hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12])


def can_make(index: VectorIndex, entity: EmbeddedEntity) -> bool:
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
        told = json.dumps(scalars, sort_keys=True).encode() + (
            own.tobytes() if own is not None else b""
        )
        text_hash = hashed(text.encode())
        content_hash = hashed(text_hash.encode() + told)
        contents.append(
            Content(row.pk, scalars, content_hash, text_hash=text_hash, text=text, features=own)
        )
    return contents


def vectors_for(
    index: VectorIndex, contents: Sequence[Content], *, donor: VectorIndex | None = None
) -> Vectors:
    """
    Return the vectors (n, d) of contents, in order.

    Where a text is the same as that of a vector stored here or in the donor, an index of the same stamp, its half is
    taken from there.
    """
    asked = encoder_named(index.encoder)
    half = np.zeros((len(contents), asked.dimension), np.float32)
    ids, hashes = [c.id for c in contents], {c.text_hash for c in contents}
    # Vectors are read only where they save encoding.
    known = {
        stored.entity_id: stored
        for one in (index, donor)
        if one is not None
        for stored in IndexedVector.objects.filter(
            index=one, entity_id__in=ids, text_hash__in=hashes
        )
    }
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
