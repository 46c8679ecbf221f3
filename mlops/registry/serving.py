"""
Serving: the model that answers for a scope key in this process.

Which versions serve is read once and again after a notice of PostgreSQL that the deployments have
changed. Loading verifies hash and signature. While a new version loads, other threads use what they
have; if it cannot be loaded, the version that served before goes on.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Generic, TypeVar

import structlog
from django.db import DatabaseError
from django.utils import timezone

from config.cache.invalidation import is_listening, on_change
from config.cache.shared_changes import ChangedRows
from config.telemetry.degradation import MODELS, mark_degraded
from mlops.models import Deployment, ModelVersion
from mlops.models.registry import EVERYWHERE
from mlops.registry.artifacts import ArtifactFormat, read_artifact
from mlops.registry.load_alerts import report_load_failure, resolve_load_failure
from mlops.registry.selectors import current_deployments, serving_deployment

log = structlog.get_logger(__name__)
_Model = TypeVar("_Model")
# The champion, a canary, a shadow, and the version before for a rollback.
_MAX_LOADED = 4
_RETRY_SECONDS = 30.0
# Without notices, deployments are read again after this time.
_MAX_AGE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ServingVersion(Generic[_Model]):
    """A loaded model with the version that it is."""

    model: _Model
    version_id: str
    number: int
    deployment_id: str


@dataclass(frozen=True, slots=True)
class _Loaded(Generic[_Model]):
    model: _Model
    number: int


class ServedModel(Generic[_Model]):
    """
    A model that processes serve, by name.

    load: returns the model of an artifact; raises ValueError, KeyError or OSError for a bad one.
    """

    def __init__(
        self, name: str, *, artifact_format: ArtifactFormat, load: Callable[[bytes], _Model]
    ) -> None:
        self.name = name
        self.artifact_format = artifact_format
        self.load = load
        self._reset()
        _served_models.append(self)

    def current(self, scope: str = EVERYWHERE) -> ServingVersion[_Model] | None:
        """
        Return the model that serves a scope key; None if none is deployed or can be loaded.

        Usually without a query. The first call after a deployment loads the new version; concurrent
        calls are answered by the version before it, if this process has it.
        """
        now = timezone.now()
        deployments = self._current_deployments(now)
        deployment = serving_deployment(deployments, scope=scope, at=now)
        if deployment is None:
            return None
        loaded = self._loaded_version(deployment.version)
        if loaded is not None:
            self._last_by_scope[deployment.scope] = (deployment, loaded)
            return _serving(deployment, loaded)
        # The version cannot be loaded, or is being loaded by another thread.
        if str(deployment.version.pk) in self._failed_at:
            mark_degraded(MODELS)
        for fallback in (deployment.scope, EVERYWHERE):
            if fallback in self._last_by_scope:
                return _serving(*self._last_by_scope[fallback])
        return self._load_previous(deployment)

    def is_deployed(self, scope: str = EVERYWHERE) -> bool:
        """Return whether a version is deployed for a scope key, also one that cannot be loaded."""
        now = timezone.now()
        return serving_deployment(self._current_deployments(now), scope=scope, at=now) is not None

    def shadow(self) -> ServingVersion[_Model] | None:
        """Return the version that computes in shadow; None without one, or while it loads."""
        deployment = self.shadow_deployment()
        loaded = self._loaded_version(deployment.version) if deployment else None
        return _serving(deployment, loaded) if deployment and loaded else None

    def shadow_deployment(self) -> Deployment | None:
        """Return the deployment in shadow, usually without a query, without loading its version."""
        now = timezone.now()
        for deployment in self._current_deployments(now):
            if deployment.role == Deployment.Role.SHADOW and (
                deployment.ended_at is None or deployment.ended_at > now
            ):
                return deployment
        return None

    def loaded_model(self, version: ModelVersion) -> _Model | None:
        """Return the model of a version, loaded if it is not; None if it cannot be loaded now."""
        loaded = self._loaded_version(version)
        return loaded.model if loaded else None

    def numbered_model(self, number: int) -> _Model | None:
        """
        Return the model of a version by its number; None without one, or if it cannot be loaded.

        The row of a version is read once: what matters of it does not change.
        """
        version = self._version_by_number.get(number)
        if version is None:
            version = ModelVersion.objects.filter(model=self.name, number=number).first()
            if version is None:
                return None
            self._version_by_number[number] = version
        return self.loaded_model(version)

    def load_version(self, version: ModelVersion) -> _Model:
        """Return the model of a version. Raises ArtifactRefused, and what `load` raises."""
        return self.load(read_artifact(version))

    def outdate(self) -> None:
        """Read the deployments again at the next call."""
        self._read_count += 1

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, _Loaded[_Model]] = OrderedDict()
        self._last_by_scope: dict[str, tuple[Deployment, _Loaded[_Model]]] = {}
        self._failed_at: dict[str, float] = {}
        self._version_by_number: dict[int, ModelVersion] = {}
        self._deployments: list[Deployment] | None = None
        self._read_at = 0.0
        # Counts notices; the snapshot is fresh if it was read after the last one.
        self._read_count = 1
        self._snapshot_count = 0

    def _current_deployments(self, now: datetime) -> list[Deployment]:
        known = self._deployments
        has_notices = is_listening()
        is_fresh = self._snapshot_count == self._read_count
        if known is not None and is_fresh and (has_notices or self._is_recent()):
            return known
        read_count = self._read_count  # before the query: a notice during it outdates the result
        try:
            deployments = current_deployments(model=self.name, at=now)
        except DatabaseError as error:
            if known is None:
                raise
            log.warning("model.deployments_unreadable", error_type=type(error).__name__)
            return known
        self._deployments, self._read_at = deployments, monotonic()
        self._snapshot_count = read_count
        return deployments

    def _is_recent(self) -> bool:
        return monotonic() - self._read_at < _MAX_AGE_SECONDS

    def _loaded_version(self, version: ModelVersion) -> _Loaded[_Model] | None:
        key = str(version.pk)
        loaded = self._loaded.get(key)
        if loaded is not None:
            return loaded
        if monotonic() - self._failed_at.get(key, -_RETRY_SECONDS) < _RETRY_SECONDS:
            return None
        # A process that serves nothing yet must wait; others go on with what they have.
        if not self._lock.acquire(blocking=not self._last_by_scope):
            return None
        try:
            return self._loaded.get(key) or self._load(version)
        finally:
            self._lock.release()

    def _load(self, version: ModelVersion) -> _Loaded[_Model] | None:
        key = str(version.pk)
        try:
            loaded = _Loaded(self.load_version(version), version.number)
        # Whatever fails in a new version, the one before it must go on.
        except Exception as error:
            self._failed_at[key] = monotonic()
            report_load_failure(version, error)
            log.error(  # noqa: TRY400  # the reason is enough
                "model.load_failed",
                model=self.name,
                version=version.number,
                error_type=type(error).__name__,
                reason=str(error),
            )
            return None
        self._failed_at.pop(key, None)
        resolve_load_failure(version)
        self._loaded[key] = loaded
        while len(self._loaded) > _MAX_LOADED:
            self._loaded.popitem(last=False)
        log.info("model.loaded", model=self.name, version=version.number)
        return loaded

    def _load_previous(self, broken: Deployment) -> ServingVersion[_Model] | None:
        """Return the last champion of the scope that can be loaded, in a process without one."""
        previous = (
            Deployment.objects.filter(
                model=self.name,
                scope__in=(broken.scope, EVERYWHERE),
                role=Deployment.Role.CHAMPION,
            )
            .exclude(version=broken.version_id)
            .select_related("version")
            .order_by("-started_at")[:_MAX_LOADED]
        )
        for deployment in previous:
            loaded = self._loaded_version(deployment.version)
            if loaded is not None:
                self._last_by_scope[deployment.scope] = (deployment, loaded)
                return _serving(deployment, loaded)
        return None


def _serving(deployment: Deployment, loaded: _Loaded[_Model]) -> ServingVersion[_Model]:
    return ServingVersion(
        model=loaded.model,
        version_id=str(deployment.version_id),
        number=loaded.number,
        deployment_id=str(deployment.pk),
    )


_served_models: list[ServedModel[Any]] = []


def _outdate_changed(changed: ChangedRows) -> None:
    for served in _served_models:
        if changed is None or f"model.{served.name}" in changed:
            served.outdate()


on_change(_outdate_changed)


def _reset_after_fork() -> None:
    # Another thread of the parent may have been loading.
    for served in _served_models:
        served._reset()


os.register_at_fork(after_in_child=_reset_after_fork)
