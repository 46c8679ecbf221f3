"""What makes the vectors of an entity: encoding or composing."""

from collections.abc import Sequence
from typing import Any

from vectors.encoders.base import Vectors
from vectors.entities import ComposedEntity, Entity
from vectors.fingerprint import Content, Recipe
from vectors.index import compose, encode
from vectors.models import VectorIndex

__all__ = ["Content", "Recipe", "can_make", "contents_of", "recipe_of", "vectors_for"]


def recipe_of(entity: Entity) -> Recipe:
    """Return what is asked for now. Raises ModelMissing; IndexRefused where the parts are not there."""
    if isinstance(entity, ComposedEntity):
        return compose.recipe_of(entity)
    return encode.recipe_of(entity)


def can_make(index: VectorIndex, entity: Entity) -> bool:
    """Tell whether the vectors of an index can be made now as its others were."""
    if isinstance(entity, ComposedEntity):
        return compose.can_make(index, entity)
    return encode.can_make(index, entity)


def contents_of(index: VectorIndex, entity: Entity, rows: Sequence[Any]) -> list[Content]:
    """Return what goes into the vectors of rows, without those that have none; see `can_make`. Encodes nothing."""
    if isinstance(entity, ComposedEntity):
        return compose.contents_of(index, entity, rows)
    return encode.contents_of(entity, rows)


def vectors_for(
    index: VectorIndex,
    entity: Entity,
    contents: Sequence[Content],
    *,
    donor: VectorIndex | None = None,
) -> Vectors:
    """Return the vectors (n, d) of contents, in order; donor: an index of the same stamp that may save encoding."""
    if isinstance(entity, ComposedEntity):
        return compose.vectors_for(index, entity, contents)
    return encode.vectors_for(index, contents, donor=donor)
