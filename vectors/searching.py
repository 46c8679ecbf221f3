"""Questions to the vectors."""

import numpy as np

from vectors.encoders.base import combine
from vectors.encoders.features import DIMENSION as FEATURE_DIMENSION
from vectors.encoders.text import text_encoder
from vectors.errors import ModelMissing, VectorsUnavailable
from vectors.store import Hit, store

__all__ = ["Hit", "search", "similar"]


def search(*, collection: str, text: str, limit: int) -> list[Hit]:
    """Return rows whose text half means what the text says, best first; raises VectorsUnavailable."""
    try:
        half = text_encoder().encode([text])
    except ModelMissing as error:
        raise VectorsUnavailable(str(error)) from error
    vector = combine(half, np.zeros((1, FEATURE_DIMENSION), np.float32))[0]
    return store().search(collection=collection, vector=vector, limit=limit)


def similar(*, collection: str, entity_id: str, limit: int) -> list[Hit]:
    """Return the rows nearest to a stored one, itself left out; none when it has no vector yet."""
    vector = store().get(collection=collection, entity_id=entity_id)
    if vector is None:
        return []
    hits = store().search(collection=collection, vector=vector, limit=limit + 1)
    return [hit for hit in hits if hit.id != entity_id][:limit]
