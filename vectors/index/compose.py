"""Vectors that are sums of another collection's: of its index that serves, and only while both bear one stamp."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from vectors.encoders.base import Vectors, unit
from vectors.entities import ComposedEntity
from vectors.errors import IndexRefused
from vectors.fingerprint import Content, Recipe, hashed
from vectors.models import VectorIndex

# Of the length that the parts would have in a row: a sum shorter than this points nowhere.
_LEAST_LENGTH = 0.01


def recipe_of(entity: ComposedEntity) -> Recipe:
    """Return what made the parts that serve now; raises IndexRefused when none do yet."""
    source = _serving(entity)
    if source is None:
        raise IndexRefused(
            f"{entity.collection} is made of {entity.made_of}, and no index of that serves yet."
        )
    return Recipe(
        source.encoder,
        source.revision,
        source.dimension,
        source.layout,
        source.text_weight,
        stamp=source.stamp,
    )


def can_make(index: VectorIndex, entity: ComposedEntity) -> bool:
    """Tell whether an index's vectors can be made now: the parts that serve bear its stamp."""
    source = _serving(entity)
    return source is not None and source.stamp == index.stamp


def contents_of(index: VectorIndex, entity: ComposedEntity, rows: Sequence[Any]) -> list[Content]:
    """Return what each row's vector is made of, without those that have none; raises IndexRefused for another stamp."""
    source, told = _source(index, entity), entity.parts(rows)
    wanted = {pk for parts in told for pk in parts}
    hashes = dict(
        source.vectors.filter(entity_id__in=wanted).values_list("entity_id", "content_hash")
    )
    contents = []
    for row, weights in zip(rows, told, strict=True):
        parts = {pk: weight for pk, weight in weights.items() if pk in hashes}
        if any(weight > 0 for weight in parts.values()):
            scalars = entity.scalars(row)
            made_of = sorted((str(pk), weight, hashes[pk]) for pk, weight in parts.items())
            content_hash = hashed(json.dumps([made_of, scalars], sort_keys=True).encode())
            contents.append(Content(row.pk, scalars, content_hash, parts=parts))
    return contents


def vectors_for(index: VectorIndex, entity: ComposedEntity, contents: Sequence[Content]) -> Vectors:
    """
    Return the vectors (n, d) of contents, in order; raises IndexRefused for another stamp.

    A part that is gone since the contents were told is left out: the next comparison sees it by the hash.
    """
    source = _source(index, entity)
    wanted = {pk for content in contents for pk in content.parts}
    stored = source.vectors.filter(entity_id__in=wanted).values_list("entity_id", "vector")
    known = {pk: np.frombuffer(vector, np.float32) for pk, vector in stored}
    sums = np.zeros((len(contents), index.dimension), np.float32)
    for place, content in enumerate(contents):
        held = [pk for pk in content.parts if pk in known]
        if held:
            weights = np.array([content.parts[pk] for pk in held], np.float32)
            sums[place] = _sum(weights, np.stack([known[pk] for pk in held]))
    return unit(sums)


def _sum(weights: Vectors, vectors: Vectors) -> Vectors:
    """Return weights (n,) times unit vectors (n, d); of those above 0 alone where the others take all of it away."""
    total: Vectors = weights @ vectors
    if np.linalg.norm(total) < _LEAST_LENGTH * np.abs(weights).sum():
        total = np.maximum(weights, 0) @ vectors
    return total


def _source(index: VectorIndex, entity: ComposedEntity) -> VectorIndex:
    source = _serving(entity)
    if source is None or source.stamp != index.stamp:
        raise IndexRefused(
            f"{index.physical} bears the stamp {index.stamp}, and no {entity.made_of} with it serve."
        )
    return source


def _serving(entity: ComposedEntity) -> VectorIndex | None:
    return VectorIndex.objects.filter(
        collection=entity.made_of, status=VectorIndex.Status.SERVING
    ).first()
