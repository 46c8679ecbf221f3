"""
Index builds: create, verify and activate a new index of a collection, or roll back to an old one.

A build leaves the serving index untouched until the new one has passed its checks:

1. create a `VectorIndex` row and a Milvus collection, or resume a build that was interrupted
2. compute the vectors of all rows. Where the serving index has the same fingerprint, the text part
   of a row's vector is copied from it if the row's text hash is equal; a new fingerprint encodes
   everything. Composed vectors are always computed from the source index
3. measure recall against exact search and tune the search parameters; then check that sample rows
   ("canaries") are found by their own vectors
4. compute the vectors of rows that were skipped or added meanwhile
5. activate: the new index serves, the previous one is retired and retained for a rollback
6. drop older indexes

From step 1 on, incremental indexing writes changed rows to the new index as well, and removes
deleted rows from every index. The checks compare Milvus with the vectors stored so far; whether
every row has a vector is left to reconciliation.

Locks (all advisory): the build lock of the collection, against other builds and rollbacks, fails
at once; the table lock, shared, waits for reconciliation, which takes it exclusively; the row
locks are against workers that encode the same row, and such rows are skipped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pglock
import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from mlops.quality.alerts import close_alerts, open_alert
from vectors.encoders.base import Vectors, normalize_rows
from vectors.entities import Entity, dependent_collections, entities
from vectors.errors import IndexBusy, IndexRefused
from vectors.exact import ExactIndex
from vectors.index.vectorize import (
    EmbeddingFingerprint,
    can_compute,
    current_fingerprint,
    embedding_inputs,
)
from vectors.index.write import (
    BATCH_SIZE,
    MilvusWriter,
    lock_table_shared,
    store_vectors,
    try_lock_rows,
)
from vectors.models import VectorIndex
from vectors.store import CollectionSchema, Hit, store

log = structlog.get_logger(__name__)
Status = VectorIndex.Status
ALERT_CODE = "vector_index_refused"

# Acceptance checks.
MIN_RECALL = 0.99
_RECALL_QUERIES = 500
_NEIGHBORS = 10
_QUERY_NOISE = 0.2
_QUERY_SEED = 20260101
_SCORE_TOLERANCE = 1e-5
_CANARY_COUNT = 20
_MIN_CANARY_SCORE = 0.999

# Initial IVF parameters: number of clusters, and clusters searched per query.
_NLIST = 128
_NPROBE = 10
# With fewer rows, IVF finds little more than half of the neighbors in the time FLAT finds all.
_MIN_IVF_ROWS = 20_000


def _ignore_progress(_count: int) -> None:
    """Discard the progress of a batch."""


def rebuild(
    *, collection: str, index_type: str = "", on_batch: Callable[[int], None] = _ignore_progress
) -> dict[str, int]:
    """
    Build a new index with the current settings and code, and let it serve.

    index_type: FLAT or IVF_FLAT; chosen by the number of rows when empty. on_batch: called with
    the number of rows of each batch. Returns {"encoded": number of vectors stored, those with
    reused text included}.

    Safe to kill: the next call resumes the build if its fingerprint and index type are still those
    asked for; otherwise that build is marked FAILED and the vectors are computed again, also when
    tuning had made it FLAT. Failed checks mark the index FAILED and open an alert; the old index
    goes on serving. After any other error before the activation the index stays BUILDING, and the
    next call resumes it. The schedule calls again only while no serving index has the wanted
    fingerprint. An error after the activation leaves the new index serving.

    Raises IndexBusy when another process builds; IndexRefused when the new index fails its checks,
    or when the source collection of composed vectors has no serving index or changes meanwhile;
    VectorRefused when the stored schema does not match; VectorsUnavailable when Milvus does not
    respond; ModelMissing when the encoder is not installed.
    """
    entity = entities()[collection]
    with _build_lock(collection):
        fingerprint = current_fingerprint(entity)
        index = _resume_or_create(entity, fingerprint, index_type or _default_index_type(entity))
        encoded = _compute_missing_vectors(index, entity, on_batch)
        store().flush(index.physical_name)
        try:
            _tune_recall(index)
            _check_canaries(index)
        except IndexRefused as error:
            VectorIndex.objects.filter(pk=index.pk).update(status=Status.FAILED, details=str(error))
            open_alert(code=ALERT_CODE, subject=collection, message=str(error))
            raise
        encoded += _compute_missing_vectors(index, entity, on_batch)
        _activate(index)
        close_alerts(codes=(ALERT_CODE,), subject=collection)
        _drop_obsolete_indexes(collection)
    return {"encoded": encoded}


def roll_back(*, index: VectorIndex) -> None:
    """
    Update a retired index from the rows and let it serve again.

    Serving indexes that are composed of its vectors are updated as well. Recall and canaries are
    not checked. While the settings ask for another fingerprint, the schedule builds that one
    again: change the settings first. Raises IndexRefused when its vectors cannot be computed now,
    IndexBusy when another process builds.
    """
    from vectors.index.reconcile import reconcile_index

    entity = entities()[index.collection]
    if not can_compute(index, entity):
        raise IndexRefused(
            f"{index.physical_name} needs a feature layout, an encoder or a serving source index"
            " that is not available."
        )
    with _build_lock(index.collection):
        store().create_collection(
            index.physical_name,
            collection_schema(entity, index.dimension),
            index_type=index.index_type,
            nlist=index.nlist,
        )
        reconcile_index(index=index, repair=True)
        _activate(index)
        # Again, for rows that changed between the first comparison and the activation.
        reconcile_index(index=index, repair=True)
    # Indexes composed of this one could not be updated while another fingerprint served.
    dependent_indexes = VectorIndex.objects.filter(
        collection__in=dependent_collections(index.collection),
        status=Status.SERVING,
        fingerprint=index.fingerprint,
    )
    for dependent_index in dependent_indexes:
        reconcile_index(index=dependent_index, repair=True)


def needs_rebuild(collection: str) -> bool:
    """
    Return whether no serving index has the fingerprint that settings and code ask for.

    Raises ModelMissing, IndexRefused.
    """
    fingerprint = current_fingerprint(entities()[collection])
    return not VectorIndex.objects.filter(
        collection=collection, status=Status.SERVING, fingerprint=fingerprint.digest
    ).exists()


def collection_schema(entity: Entity, dimension: int) -> CollectionSchema:
    """Return the Milvus schema of an entity's collection."""
    return CollectionSchema(dimension, entity.scalar_fields)


def measure_recall(index: VectorIndex, *, queries: int = _RECALL_QUERIES) -> float:
    """
    Return recall@10 of Milvus against exact search, from 0 to 1; 1.0 for an empty index.

    The queries are stored vectors with noise, the same in every call.
    """
    exact = ExactIndex(index)
    exact.refresh(index)
    if not len(exact):
        return 1.0
    random = np.random.default_rng(_QUERY_SEED)
    sample = random.choice(len(exact), size=min(queries, len(exact)), replace=False)
    noise = normalize_rows(
        random.standard_normal((len(sample), index.dimension)).astype(np.float32)
    )
    query_vectors: Vectors = normalize_rows(exact.matrix[sample] + _QUERY_NOISE * noise)
    limit = min(_NEIGHBORS, len(exact))
    found = 0
    for vector in query_vectors:
        exact_scores = exact.matrix @ vector
        # Rows that tie with the last neighbor are equally good.
        min_score = np.partition(exact_scores, len(exact) - limit)[len(exact) - limit]
        hits = _search_milvus(index, vector, limit=limit)
        found += sum(hit.score >= min_score - _SCORE_TOLERANCE for hit in hits)
    return found / (len(query_vectors) * limit)


@contextmanager
def _build_lock(collection: str) -> Iterator[None]:
    """Hold the build lock of a collection; raises IndexBusy when another process holds it."""
    with pglock.advisory(f"vectors:{collection}", timeout=0) as is_acquired:
        if not is_acquired:
            raise IndexBusy(collection)
        yield


def _default_index_type(entity: Entity) -> str:
    return "IVF_FLAT" if entity.queryset().count() >= _MIN_IVF_ROWS else "FLAT"


def _resume_or_create(
    entity: Entity, fingerprint: EmbeddingFingerprint, index_type: str
) -> VectorIndex:
    """Return the interrupted build of a collection if it matches, else a new one."""
    index = VectorIndex.objects.filter(collection=entity.collection, status=Status.BUILDING).first()
    if index and (index.fingerprint, index.index_type) != (fingerprint.digest, index_type):
        VectorIndex.objects.filter(pk=index.pk).update(
            status=Status.FAILED, details="replaced by another build"
        )
        index = None
    if index is None:
        index = _create(entity, fingerprint, index_type)
    store().create_collection(
        index.physical_name,
        collection_schema(entity, fingerprint.dimension),
        index_type=index.index_type,
        nlist=index.nlist,
    )
    return index


def _create(entity: Entity, fingerprint: EmbeddingFingerprint, index_type: str) -> VectorIndex:
    is_ivf = index_type == "IVF_FLAT"
    index = VectorIndex.objects.create(
        collection=entity.collection,
        physical_name=f"{entity.collection}_{fingerprint.digest}_{uuid4().hex[:6]}",
        fingerprint=fingerprint.digest,
        encoder=fingerprint.encoder,
        revision=fingerprint.revision,
        dimension=fingerprint.dimension,
        layout=fingerprint.layout,
        text_weight=fingerprint.text_weight,
        index_type=index_type,
        nlist=_NLIST if is_ivf else None,
        nprobe=_NPROBE if is_ivf else None,
    )
    index.refresh_from_db()
    return index


def _compute_missing_vectors(
    index: VectorIndex, entity: Entity, on_batch: Callable[[int], None]
) -> int:
    """
    Compute and store the vectors that an index lacks, in batches by id; return how many.

    One transaction for each batch.
    """
    donor = VectorIndex.objects.filter(
        collection=index.collection, status=Status.SERVING, fingerprint=index.fingerprint
    ).first()
    encoded = 0
    last_id: UUID | None = None
    while True:
        with transaction.atomic():
            lock_table_shared(entity.table)  # reconciliation takes it exclusively
            ids = _missing_ids(index, entity, after=last_id)
            if not ids:
                return encoded
            # Rows locked by an incremental worker, or by the build of another collection of this
            # table, are skipped. The second pass computes them; what is locked even then is written
            # by that worker or by the nightly reconciliation.
            rows = list(entity.queryset().filter(pk__in=try_lock_rows(ids)))
            inputs = embedding_inputs(index, entity, rows)
            with MilvusWriter() as writer:
                encoded += store_vectors(index, entity, inputs, writer=writer, donor=donor)
            last_id = ids[-1]
        on_batch(len(ids))


def _missing_ids(index: VectorIndex, entity: Entity, *, after: UUID | None) -> list[UUID]:
    """Return the next batch of ids of rows without a vector, in ascending order."""
    has_vector = Exists(index.vectors.filter(entity_id=OuterRef("pk")))
    rows: QuerySet[Any] = entity.queryset().filter(~has_vector).order_by("pk")
    if after:
        rows = rows.filter(pk__gt=after)
    return list(rows.values_list("pk", flat=True)[:BATCH_SIZE])


def _tune_recall(index: VectorIndex) -> None:
    """
    Measure recall; raise nprobe until it suffices, and fall back to a FLAT index.

    Raises IndexRefused when recall stays below MIN_RECALL.
    """
    recall = measure_recall(index)
    attempts = []
    while recall < MIN_RECALL and index.nprobe and index.nlist and index.nprobe < index.nlist:
        attempts.append(f"recall {recall:.3f} at nprobe {index.nprobe}")
        index.nprobe = min(2 * index.nprobe, index.nlist)
        recall = measure_recall(index)
    if recall < MIN_RECALL and index.index_type != "FLAT":
        attempts.append(f"recall {recall:.3f} at nprobe {index.nprobe}")
        index.index_type = "FLAT"
        index.nlist = None
        index.nprobe = None
        store().replace_index(index.physical_name, index_type="FLAT")
        recall = measure_recall(index)
    index.recall = recall
    index.details = "; ".join(attempts)
    VectorIndex.objects.filter(pk=index.pk).update(
        recall=index.recall,
        details=index.details,
        nprobe=index.nprobe,
        nlist=index.nlist,
        index_type=index.index_type,
    )
    if recall < MIN_RECALL:
        raise IndexRefused(
            f"{index.physical_name}: recall@{_NEIGHBORS} is {recall:.3f}; at least {MIN_RECALL} is"
            " required."
        )


def _check_canaries(index: VectorIndex) -> None:
    """
    Search for the vectors of sample rows; raise IndexRefused when one is not found.

    A row is found when the first hit has a score of at least 0.999, whatever its id: rows with
    equal vectors cannot be distinguished.
    """
    sample = index.vectors.order_by("content_hash").values_list("entity_id", "vector")
    canaries: list[dict[str, Any]] = []
    for pk, stored_vector in sample[:_CANARY_COUNT]:
        vector = np.frombuffer(stored_vector, np.float32)
        hits = _search_milvus(index, vector, limit=1)
        canaries.append(
            {
                "row_id": str(pk),
                "hit_id": hits[0].id if hits else None,
                "score": round(hits[0].score, 4) if hits else 0.0,
            }
        )
    VectorIndex.objects.filter(pk=index.pk).update(canaries=canaries)
    failed = [canary for canary in canaries if canary["score"] < _MIN_CANARY_SCORE]
    if failed:
        raise IndexRefused(
            f"{index.physical_name}: {len(failed)} of {len(canaries)} canary rows do not find"
            " themselves."
        )


def _search_milvus(index: VectorIndex, vector: Vectors, *, limit: int) -> list[Hit]:
    return store().search(
        index.physical_name, vector, limit=limit, nprobe=index.nprobe, consistency="Strong"
    )


def _activate(index: VectorIndex) -> None:
    """
    Let an index serve its collection and retire the previous one.

    Cultivar's searches read which index serves from `vector_indexes`. The Milvus alias is for other
    clients; reconciliation repairs one that was moved before a failed commit.
    """
    with transaction.atomic():
        VectorIndex.objects.filter(collection=index.collection, status=Status.SERVING).update(
            status=Status.RETIRED
        )
        VectorIndex.objects.filter(pk=index.pk).update(
            status=Status.SERVING, serving_since=timezone.now()
        )
        store().set_alias(index.collection, index.physical_name)
    log.info(
        "vector_index.activated", collection=index.collection, physical_name=index.physical_name
    )


def _drop_obsolete_indexes(collection: str) -> None:
    """
    Drop all indexes of a collection except the serving, the newest retired and one being built.

    Milvus collections without a row in `vector_indexes` are dropped as well.
    """
    indexes = VectorIndex.objects.filter(collection=collection)
    newest_retired = indexes.filter(status=Status.RETIRED).order_by("-serving_since")[:1]
    live = indexes.filter(status__in=(Status.SERVING, Status.BUILDING))
    retained = [*newest_retired, *live]
    retained_names = {index.physical_name for index in retained}
    indexes.exclude(pk__in=[index.pk for index in retained]).delete()
    for name in store().collections():
        if name.startswith(f"{collection}_") and name not in retained_names:
            store().drop(name)
