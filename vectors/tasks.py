"""Doors to the embed road."""

from collections import Counter

import structlog

from config.errors import CultivarError
from mlops.pipelines.tasks import pipeline_task
from vectors.entities import entities, made_of
from vectors.errors import IndexBusy, IndexRefused, ModelMissing
from vectors.index import build, reconcile
from vectors.index.write import index_due
from vectors.models import VectorIndex

log = structlog.get_logger(__name__)


@pipeline_task(queue="embed", soft_time_limit=900)
def index_due_vectors() -> dict[str, int]:
    """Bring every collection up to its rows; one that cannot be built now does not keep the others waiting."""
    counts: Counter[str] = Counter(taken=0, encoded=0, deleted=0)
    for name in entities():
        try:
            counts.update(index_due(collection=name))
        except (IndexBusy, IndexRefused, ModelMissing) as error:
            log.warning("not indexed", collection=name, reason=str(error))
    return dict(counts)


@pipeline_task(queue="embed", soft_time_limit=1800)
def reconcile_vectors(*, collection: str = "") -> dict[str, int]:
    """Hold vectors against rows and Milvus, and mend what differs."""
    found: dict[str, int] = {}
    failed: list[CultivarError] = []
    for name in [collection] if collection else list(entities()):
        try:
            found[name] = reconcile.reconcile(collection=name)["before"].total
        except CultivarError as error:  # the others are not kept waiting
            failed.append(error)
    if failed:
        raise failed[0]
    return found


@pipeline_task(queue="embed", soft_time_limit=3600)
def rebuild_vectors(*, collection: str, index_type: str = "") -> dict[str, int]:
    """Build an index anew and let it serve; nothing where another process does so already."""
    try:
        counts = build.rebuild(collection=collection, index_type=index_type)
    except IndexBusy:
        return {"encoded": 0}
    _ask_for(made_of(collection))
    return counts


@pipeline_task(queue="embed", soft_time_limit=3600)
def rebuild_due() -> dict[str, int]:
    """Build anew what was made otherwise than settings and code ask for now."""
    return {"due": _ask_for(list(entities()))}


@pipeline_task(queue="embed", soft_time_limit=1800)
def roll_back_index(*, index_id: str) -> dict[str, int]:
    """Let a retired index serve again."""
    index = VectorIndex.objects.get(pk=index_id)
    try:
        build.roll_back(index=index)
    except IndexBusy:
        return {"rolled back": 0}
    _ask_for(made_of(index.collection))
    return {"rolled back": 1}


def _ask_for(collections: list[str]) -> int:
    """Have those built anew that are due; return how many. One that cannot be built now does not keep the others waiting."""
    due = []
    for name in collections:
        try:
            due += [name] if build.is_due(name) else []
        except (IndexRefused, ModelMissing) as error:
            log.warning("not rebuilt", collection=name, reason=str(error))
    for name in due:
        rebuild_vectors.delay(collection=name)
    return len(due)
