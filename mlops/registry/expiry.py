"""
Expiry of frozen training sets and artifacts.

What may serve again stays: the versions of running deployments, and those that a rollback would
return to. A row that refers to a deleted file says when it was deleted.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from config.clients.objects import delete_object, list_versions
from mlops.models import Deployment, ModelVersion, TrainingRun
from mlops.registry.deployments import lock_model
from mlops.registry.selectors import previous_champion
from mlops.registry.subject_rows import PREFIX, has_rows_of

# Age from which a file is deleted that no row refers to; a run that has just stored it is younger.
_MIN_UNREFERENCED_AGE = timedelta(days=1)
_ARTIFACT_PREFIX = "models/"
_ARTIFACT_KEY = re.compile(r"models/[^/]+/[0-9a-f]{64}\.\w+")


@dataclass(slots=True)
class ExpiryCounts:
    """Number of files that were deleted, and of those that a legal hold protects."""

    deleted: int = 0
    skipped_by_hold: int = 0


def expire_training_sets(
    *, cutoff: datetime, subjects: Sequence[UUID], dry_run: bool = False
) -> ExpiryCounts:
    """
    Delete the sets of runs that started before a time, and files that no run refers to.

    subjects: persons whose data must not be deleted: sets with their rows stay. dry_run: only
    count. Safe to repeat and to kill.
    """
    counts = ExpiryCounts()
    protected = protected_versions(now=timezone.now())
    runs = TrainingRun.objects.filter(data_deleted_at=None).exclude(data_key="")
    needed = Q(started_at__gte=cutoff) | Q(finished_at=None) | Q(version__in=protected)
    needed_keys = set(runs.filter(needed).values_list("data_key", flat=True))
    known = dict(runs.values_list("data_key", "model"))
    for key in sorted(known.keys() - needed_keys):
        if has_rows_of(key, subjects):
            counts.skipped_by_hold += 1
            continue
        counts.deleted += 1
        if not dry_run:
            with transaction.atomic():
                runs.filter(data_key=key).update(data_deleted_at=timezone.now())
                _delete_on_commit(key)
    for key in _unreferenced(PREFIX, known):
        if has_rows_of(key, subjects):
            counts.skipped_by_hold += 1
            continue
        counts.deleted += 1
        if not dry_run:
            delete_object(key)
    return counts


def expire_artifacts(*, cutoff: datetime, dry_run: bool = False) -> ExpiryCounts:
    """
    Delete the artifacts of versions created before a time, and files that no version refers to.

    Artifacts contain no rows of persons. dry_run: only count. Safe to repeat and to kill.
    """
    counts = ExpiryCounts()
    versions = ModelVersion.objects.filter(artifact_deleted_at=None)
    for model in sorted(set(versions.order_by().values_list("model", flat=True))):
        with transaction.atomic():
            # No deployment may begin between the choice of the versions and its end.
            lock_model(model)
            protected = protected_versions(now=timezone.now())
            of_model = versions.filter(model=model)
            needed = of_model.filter(Q(created_at__gte=cutoff) | Q(pk__in=protected))
            needed_keys = set(needed.values_list("artifact_key", flat=True))
            expired = set(of_model.values_list("artifact_key", flat=True)) - needed_keys
            counts.deleted += len(expired)
            if dry_run:
                continue
            of_model.filter(artifact_key__in=expired).update(artifact_deleted_at=timezone.now())
            for key in expired:
                _delete_on_commit(key)
    referenced = set(
        ModelVersion.objects.filter(artifact_deleted_at=None).values_list("artifact_key", flat=True)
    )
    for key in _unreferenced(_ARTIFACT_PREFIX, referenced):
        if _ARTIFACT_KEY.fullmatch(key):
            counts.deleted += 1
            if not dry_run:
                delete_object(key)
    return counts


def protected_versions(*, now: datetime) -> set[UUID]:
    """Return the versions of running deployments, and those that a rollback would return to."""
    running = Deployment.objects.filter(Q(ended_at=None) | Q(ended_at__gt=now))
    protected = set()
    for deployment in running.select_related("version"):
        protected.add(deployment.version_id)
        if deployment.role == Deployment.Role.CHAMPION:
            previous = previous_champion(deployment)
            if previous:
                protected.add(previous.version_id)
    return protected


def _unreferenced(prefix: str, referenced: Iterable[str]) -> list[str]:
    limit = timezone.now() - _MIN_UNREFERENCED_AGE
    keys = {version.key for version in list_versions(prefix)}
    return sorted(
        key
        for key in keys - set(referenced)
        if default_storage.exists(key) and default_storage.get_modified_time(key) < limit
    )


def _delete_on_commit(key: str) -> None:
    transaction.on_commit(lambda: delete_object(key))
