"""A new index beside the one that serves: filled, measured against exact search, tried, and only then put in its place."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numpy as np
import pglock
import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from mlops.quality.alerts import close_alerts, open_alert
from vectors.encoders.base import Vectors, unit
from vectors.entities import Entity, entities, made_of
from vectors.errors import IndexBusy, IndexRefused
from vectors.exact import ExactIndex
from vectors.index.vectorize import Recipe, can_make, contents_of, recipe_of
from vectors.index.write import BATCH, lock_entities, put, share_table
from vectors.models import VectorIndex
from vectors.store import Shape, store

log = structlog.get_logger(__name__)
LEAST_RECALL = 0.99
_QUERIES, _CANARIES, _NEIGHBORS = 500, 20, 10
_NOISE, _SEED = 0.2, 20260101
_NLIST, _NPROBE = 128, 10
# Below this many rows IVF finds little more than half of what is near in the time that FLAT finds all.
_FLAT_BELOW = 20_000
Status = VectorIndex.Status


def rebuild(
    *, collection: str, index_type: str = "", on_batch: Callable[[int], None] = lambda _count: None
) -> dict[str, int]:
    """
    Build an index as settings and code ask for now, and let it serve; the one before stays for rolling back.

    index_type: FLAT or IVF_FLAT; by size unless told. Goes on with a build that was killed. Returns counts. Raises
    IndexBusy when another process builds, IndexRefused when what was built is not good enough (the old one goes on
    serving) or the vectors it is to be made of do not serve, VectorsUnavailable, ModelMissing.
    """
    entity = entities()[collection]
    with pglock.advisory(f"vectors:{collection}", timeout=0) as is_ours:
        if not is_ours:
            raise IndexBusy(collection)
        recipe = recipe_of(entity)
        index = _begun(entity, recipe, index_type or _type_for(entity))
        counts = {"encoded": _fill(index, entity, on_batch)}
        store().flush(index.physical)
        try:
            _measure(index)
            _try_canaries(index)
        except IndexRefused as error:
            VectorIndex.objects.filter(pk=index.pk).update(status=Status.FAILED, note=str(error))
            open_alert(code="vector-index-refused", subject=collection, message=str(error))
            raise
        counts["encoded"] += _fill(index, entity, on_batch)  # what came meanwhile
        _serve(index)
        close_alerts(codes=("vector-index-refused",), subject=collection)
        _drop_older(collection)
    return counts


def roll_back(*, index: VectorIndex) -> None:
    """
    Bring a retired index up to the rows and let it serve again, and with it what is made of its vectors.

    Raises IndexRefused when it cannot be kept up, IndexBusy.
    """
    from vectors.index.reconcile import reconcile_index

    entity = entities()[index.collection]
    if not can_make(index, entity):
        raise IndexRefused(
            f"{index.physical} is of features, an encoder or parts that are not here any more."
        )
    with pglock.advisory(f"vectors:{index.collection}", timeout=0) as is_ours:
        if not is_ours:
            raise IndexBusy(index.collection)
        store().make(
            index.physical,
            shape_of(entity, index.dimension),
            index_type=index.index_type,
            nlist=index.nlist,
        )
        reconcile_index(index=index, repair=True)
        _serve(index)
        reconcile_index(index=index, repair=True)
    # While another served, nothing could be made of this one's vectors.
    for other in VectorIndex.objects.filter(
        collection__in=made_of(index.collection), status=Status.SERVING, stamp=index.stamp
    ):
        reconcile_index(index=other, repair=True)


def is_due(collection: str) -> bool:
    """Tell whether what serves was made otherwise than is asked for now; raises ModelMissing, IndexRefused."""
    asked = recipe_of(entities()[collection]).stamp
    return not VectorIndex.objects.filter(
        collection=collection, status=Status.SERVING, stamp=asked
    ).exists()


def shape_of(entity: Entity, dimension: int) -> Shape:
    """Return what a collection of the entity holds."""
    return Shape(dimension, entity.scalar_fields)


def recall(index: VectorIndex, *, queries: int = _QUERIES) -> float:
    """Return which share of the ten nearest Milvus finds, for stored vectors with noise; 1.0 where there is nothing."""
    held = ExactIndex(index)
    held.refresh(index)
    if not len(held):
        return 1.0
    chance = np.random.default_rng(_SEED)
    chosen = chance.choice(len(held), size=min(queries, len(held)), replace=False)
    noise = unit(chance.standard_normal((len(chosen), index.dimension)).astype(np.float32))
    asked: Vectors = unit(held.matrix[chosen] + _NOISE * noise)
    limit = min(_NEIGHBORS, len(held))
    found = 0
    for vector in asked:
        # What scores as high as the tenth is as good as the tenth.
        least = np.partition(held.matrix @ vector, len(held) - limit)[len(held) - limit]
        hits = store().search(
            index.physical, vector, limit=limit, nprobe=index.nprobe, consistency="Strong"
        )
        found += sum(hit.score >= least - 1e-5 for hit in hits)
    return found / (len(asked) * limit)


def _type_for(entity: Entity) -> str:
    return "IVF_FLAT" if entity.queryset().count() >= _FLAT_BELOW else "FLAT"


def _begun(entity: Entity, recipe: Recipe, index_type: str) -> VectorIndex:
    """Return the build to go on with, or a new one; a build of another stamp or kind is given up."""
    begun = VectorIndex.objects.filter(collection=entity.collection, status=Status.BUILDING).first()
    if begun and (begun.stamp, begun.index_type) != (recipe.stamp, index_type):
        VectorIndex.objects.filter(pk=begun.pk).update(
            status=Status.FAILED, note="given up for another build"
        )
        begun = None
    if begun is None:
        is_ivf = index_type == "IVF_FLAT"
        begun = VectorIndex.objects.create(
            collection=entity.collection,
            physical=f"{entity.collection}_{recipe.stamp}_{uuid4().hex[:6]}",
            stamp=recipe.stamp,
            encoder=recipe.encoder,
            revision=recipe.revision,
            dimension=recipe.dimension,
            layout=recipe.layout,
            text_weight=recipe.text_weight,
            index_type=index_type,
            nlist=_NLIST if is_ivf else None,
            nprobe=_NPROBE if is_ivf else None,
        )
        begun.refresh_from_db()
    shape = shape_of(entity, recipe.dimension)
    store().make(begun.physical, shape, index_type=begun.index_type, nlist=begun.nlist)
    return begun


def _fill(index: VectorIndex, entity: Entity, on_batch: Callable[[int], None]) -> int:
    """Make the vector of every row that the index has none of; return how many."""
    donor = VectorIndex.objects.filter(
        collection=index.collection, status=Status.SERVING, stamp=index.stamp
    ).first()
    encoded, after = 0, None
    while True:
        with transaction.atomic():
            share_table(entity.table)
            lacking = (
                entity.queryset()
                .filter(~Exists(index.vectors.filter(entity_id=OuterRef("pk"))))
                .order_by("pk")
            )
            ids = list(
                (lacking.filter(pk__gt=after) if after else lacking).values_list("pk", flat=True)[
                    :BATCH
                ]
            )
            if not ids:
                return encoded
            # What another runner encodes at this moment, it writes to this index as well.
            rows = list(entity.queryset().filter(pk__in=lock_entities(ids)))
            encoded += put(index, entity, contents_of(index, entity, rows), donor=donor)
            after = ids[-1]
        on_batch(len(ids))


def _measure(index: VectorIndex) -> None:
    """Hold Milvus against exact search; look into more lists until it finds enough, and do without them if need be."""
    measured = recall(index)
    note = []
    while measured < LEAST_RECALL and index.nprobe and index.nlist and index.nprobe < index.nlist:
        note.append(f"recall {measured:.3f} at nprobe {index.nprobe}")
        index.nprobe = min(2 * index.nprobe, index.nlist)
        measured = recall(index)
    if measured < LEAST_RECALL and index.index_type != "FLAT":
        note.append(f"recall {measured:.3f} at nprobe {index.nprobe}")
        index.index_type, index.nlist, index.nprobe = "FLAT", None, None
        store().reindex(index.physical, index_type="FLAT")
        measured = recall(index)
    index.recall, index.note = measured, "; ".join(note)
    VectorIndex.objects.filter(pk=index.pk).update(
        recall=measured,
        note=index.note,
        nprobe=index.nprobe,
        nlist=index.nlist,
        index_type=index.index_type,
    )
    if measured < LEAST_RECALL:
        raise IndexRefused(
            f"{index.physical} finds {measured:.3f} of what is near; {LEAST_RECALL} is due."
        )


def _try_canaries(index: VectorIndex) -> None:
    """A sample of rows must find themselves."""
    sample = index.vectors.order_by("content_hash").values_list("entity_id", "vector")[:_CANARIES]
    told: list[dict[str, Any]] = []
    for pk, stored in sample:
        vector = np.frombuffer(stored, np.float32)
        hits = store().search(
            index.physical, vector, limit=1, nprobe=index.nprobe, consistency="Strong"
        )
        score = hits[0].score if hits else 0.0
        told.append(
            {"asked": str(pk), "found": hits[0].id if hits else None, "score": round(score, 4)}
        )
    VectorIndex.objects.filter(pk=index.pk).update(canaries=told)
    lost = [canary for canary in told if canary["score"] < 0.999]
    if lost:
        raise IndexRefused(
            f"{index.physical}: {len(lost)} of {len(told)} rows do not find themselves."
        )


def _serve(index: VectorIndex) -> None:
    """Let queries go to this index from now on; the table tells them, the alias tells everybody else."""
    with transaction.atomic():
        VectorIndex.objects.filter(collection=index.collection, status=Status.SERVING).update(
            status=Status.RETIRED
        )
        VectorIndex.objects.filter(pk=index.pk).update(
            status=Status.SERVING, serving_since=timezone.now()
        )
        store().point(index.collection, index.physical)
    log.info("vector index serves", collection=index.collection, physical=index.physical)


def _drop_older(collection: str) -> None:
    """Keep the last retired index; drop what else is there, failed builds and collections that no row tells of too."""
    kept = VectorIndex.objects.filter(collection=collection, status=Status.RETIRED).order_by(
        "-serving_since"
    )[:1]
    stays = [
        *kept,
        *VectorIndex.objects.filter(
            collection=collection, status__in=(Status.SERVING, Status.BUILDING)
        ),
    ]
    VectorIndex.objects.filter(collection=collection).exclude(pk__in=[i.pk for i in stays]).delete()
    for physical in store().collections():
        if physical.startswith(f"{collection}_") and physical not in {i.physical for i in stays}:
            store().drop(physical)
