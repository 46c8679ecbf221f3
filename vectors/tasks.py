"""Celery tasks of the vector engine."""

from collections import Counter

import structlog

from config.errors import CultivarError
from mlops.pipelines.tasks import pipeline_task
from vectors.entities import dependent_collections, entities
from vectors.errors import IndexBusy, IndexRefused, ModelMissing
from vectors.index import build, reconcile
from vectors.index.write import index_due_rows
from vectors.selectors import index_by_id

log = structlog.get_logger(__name__)


@pipeline_task(soft_time_limit=900)
def index_due_vectors() -> dict[str, int]:
    """Index the due rows of every collection; one that cannot be built does not stop the others."""
    counts: Counter[str] = Counter(claimed=0, encoded=0, deleted=0)
    for name in entities():
        try:
            counts.update(index_due_rows(collection=name))
        except (IndexBusy, IndexRefused, ModelMissing) as error:
            log.warning("vector_index.not_updated", collection=name, reason=str(error))
    return dict(counts)


@pipeline_task(soft_time_limit=1800)
def reconcile_vectors(*, collection: str = "") -> dict[str, int]:
    """
    Compare vectors with rows and Milvus and repair the differences.

    collection: all when empty. Returns the number of differences found by collection. Raises the
    first error after all collections have been processed.
    """
    differences: dict[str, int] = {}
    errors: list[CultivarError] = []
    for name in [collection] if collection else list(entities()):
        try:
            differences[name] = reconcile.reconcile(collection=name)["before"].total
        except CultivarError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return differences


@pipeline_task(soft_time_limit=3600)
def rebuild_vectors(*, collection: str, index_type: str = "") -> dict[str, int]:
    """Build a new index and let it serve; do nothing while another process builds one."""
    try:
        counts = build.rebuild(collection=collection, index_type=index_type)
    except IndexBusy:
        return {"encoded": 0}
    _schedule_rebuilds(dependent_collections(collection))
    return counts


@pipeline_task(soft_time_limit=3600)
def rebuild_outdated_indexes() -> dict[str, int]:
    """Schedule a rebuild of every index whose fingerprint is not the current one."""
    return {"scheduled": _schedule_rebuilds(list(entities()))}


@pipeline_task(soft_time_limit=1800)
def roll_back_index(*, index_id: str) -> dict[str, int]:
    """Let a retired index serve again; do nothing while another process builds one."""
    index = index_by_id(index_id)
    try:
        build.roll_back(index=index)
    except IndexBusy:
        return {"rolled_back": 0}
    _schedule_rebuilds(dependent_collections(index.collection))
    return {"rolled_back": 1}


def _schedule_rebuilds(collections: list[str]) -> int:
    """
    Queue a rebuild of each outdated collection; return how many.

    One that cannot be built now does not stop the others.
    """
    outdated = []
    for name in collections:
        try:
            if build.needs_rebuild(name):
                outdated.append(name)
        except (IndexRefused, ModelMissing) as error:
            log.warning("vector_index.not_rebuilt", collection=name, reason=str(error))
    for name in outdated:
        rebuild_vectors.delay(collection=name)
    return len(outdated)
