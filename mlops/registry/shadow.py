"""
Comparison of answers with those of a version in shadow, outside of the request.

A thread of the process computes the shadow's answers and adds up how far they agree, by hour; sums
go to the database every ten seconds, so that the last ones of a process that ends are lost. Its
queue is short: when it is full, answers are counted as skipped and not compared.
"""

from __future__ import annotations

import os
import queue
import random
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from time import monotonic, perf_counter
from typing import Any, TypeVar

import numpy as np
import structlog
from django.db import DatabaseError, connection, connections
from django.db.models import F, Max, Sum
from django.utils import timezone

from mlops.models import Deployment, ShadowResult
from mlops.registry.serving import ServedModel

log = structlog.get_logger(__name__)
_Model = TypeVar("_Model")
Scores = Mapping[Any, float]
"""Scores of an answer by key, for example of products; a higher score is a better rank."""

FIRST_KEYS = 10
_MIN_CORRELATED = 3
_MAX_QUEUED = 50
_SAVE_SECONDS = 10.0
# A deployment that is gone adds no row and raises no error.
_ADD = """
INSERT INTO shadow_results AS s (
  deployment_id, hour, compared, failed, skipped, agreement, correlated, correlation, difference,
  served_seconds, shadow_seconds, max_shadow_seconds
)
SELECT d.id, %(hour)s, %(compared)s, %(failed)s, %(skipped)s, %(agreement)s, %(correlated)s,
  %(correlation)s, %(difference)s, %(served_seconds)s, %(shadow_seconds)s, %(max_shadow_seconds)s
FROM deployments d WHERE d.id = %(deployment)s
ON CONFLICT (deployment_id, hour) DO UPDATE SET
  compared = s.compared + excluded.compared,
  failed = s.failed + excluded.failed,
  skipped = s.skipped + excluded.skipped,
  agreement = s.agreement + excluded.agreement,
  correlated = s.correlated + excluded.correlated,
  correlation = s.correlation + excluded.correlation,
  difference = s.difference + excluded.difference,
  served_seconds = s.served_seconds + excluded.served_seconds,
  shadow_seconds = s.shadow_seconds + excluded.shadow_seconds,
  max_shadow_seconds = greatest(s.max_shadow_seconds, excluded.max_shadow_seconds)
"""


@dataclass(slots=True, kw_only=True)
class ShadowTotals:
    """Sums over the comparisons of an hour; see the columns of `ShadowResult`."""

    compared: int = 0
    failed: int = 0
    skipped: int = 0
    agreement: float = 0.0
    correlated: int = 0
    correlation: float = 0.0
    difference: float = 0.0
    served_seconds: float = 0.0
    shadow_seconds: float = 0.0
    max_shadow_seconds: float = 0.0

    def add(self, served: Scores, shadow: Scores, served_seconds: float, seconds: float) -> None:
        """Add the comparison of two answers."""
        self.compared += 1
        self.agreement += agreement(served, shadow)
        if (correlation := rank_correlation(served, shadow)) is not None:
            self.correlated += 1
            self.correlation += correlation
        self.difference += mean_difference(served, shadow)
        self.served_seconds += served_seconds
        self.shadow_seconds += seconds
        self.max_shadow_seconds = max(self.max_shadow_seconds, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """
    Agreement of a deployment in shadow with what served; means per answer, None without one.

    agreement: share of the first ten keys that both give. correlation: of the ranks of common keys,
    −1 to 1. difference: mean absolute difference of their scores.
    """

    deployment: Deployment
    compared: int
    failed: int
    skipped: int
    agreement: float | None
    correlation: float | None
    difference: float | None
    served_milliseconds: float | None
    shadow_milliseconds: float | None
    max_shadow_milliseconds: float | None

    @property
    def agreement_percent(self) -> float | None:
        """The agreement in percent."""
        return None if self.agreement is None else 100 * self.agreement


def compare_with_shadow(
    served: ServedModel[_Model],
    *,
    scores: Scores,
    seconds: float,
    predict: Callable[[_Model], Scores],
) -> bool:
    """
    Have an answer compared with that of the version in shadow; return whether it will be.

    scores: those of the version that served, computed in `seconds`. predict: computes the shadow's
    scores, in another thread: it must use values, neither queries nor objects of the request that
    change. Takes microseconds, never raises, and does nothing without a shadow or outside of the
    sampled share.
    """
    try:
        deployment = served.shadow_deployment()
        # The sample is no secret.
        if deployment is None or random.random() >= deployment.share:  # noqa: S311  # a sample
            return False
        return _worker.enqueue(_Comparison(served, deployment, scores, seconds, predict))
    # An answer must not fail because of its comparison.
    except Exception as error:
        log.warning("shadow.not_compared", model=served.name, error_type=type(error).__name__)
        return False


def save_shadow_results(*, timeout_seconds: float = 10.0) -> None:
    """Wait until this process has compared what is enqueued, then save the sums."""
    _worker.wait(timeout_seconds)
    _worker.save()


def shadow_reports(deployments: Sequence[Deployment]) -> list[ShadowReport]:
    """Return the report of each deployment in shadow, in their order; one query."""
    shadows = [one for one in deployments if one.role == Deployment.Role.SHADOW]
    names = [field.name for field in fields(ShadowTotals) if not field.name.startswith("max_")]
    rows = (
        ShadowResult.objects.filter(deployment__in=shadows)
        .order_by()
        .values(pk=F("deployment"))
        .annotate(**{f"sum_{name}": Sum(name) for name in names}, longest=Max("max_shadow_seconds"))
    )
    by_deployment = {row["pk"]: row for row in rows}
    return [_report(shadow, by_deployment.get(shadow.pk)) for shadow in shadows]


def agreement(served: Scores, shadow: Scores) -> float:
    """Return the share of the first ten keys of both; of fewer, if one gives fewer. 1: of none."""
    size = min(FIRST_KEYS, max(len(served), len(shadow)))
    if not size:
        return 1.0
    return len({*_first_keys(served)} & {*_first_keys(shadow)}) / size


def rank_correlation(served: Scores, shadow: Scores) -> float | None:
    """Return Spearman's correlation of the common keys; None for fewer than three, or equal ranks.

    Equal scores have their mean rank.
    """
    common = [key for key in served if key in shadow]
    if len(common) < _MIN_CORRELATED:
        return None
    left = _ranks([served[key] for key in common])
    right = _ranks([shadow[key] for key in common])
    left, right = left - left.mean(), right - right.mean()
    norm = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / norm if norm else None


def mean_difference(served: Scores, shadow: Scores) -> float:
    """Return the mean absolute difference of the scores of common keys; 0 without one."""
    differences = [abs(served[key] - shadow[key]) for key in served if key in shadow]
    return float(np.mean(differences)) if differences else 0.0


def _first_keys(scores: Scores) -> list[Hashable]:
    return sorted(scores, key=lambda key: -scores[key])[:FIRST_KEYS]


def _ranks(scores: list[float]) -> Any:
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _report(deployment: Deployment, row: Mapping[str, Any] | None) -> ShadowReport:
    def mean(name: str, count: str = "sum_compared", factor: float = 1.0) -> float | None:
        return factor * row[name] / row[count] if row and row[count] else None

    return ShadowReport(
        deployment=deployment,
        compared=row["sum_compared"] if row else 0,
        failed=row["sum_failed"] if row else 0,
        skipped=row["sum_skipped"] if row else 0,
        agreement=mean("sum_agreement"),
        correlation=mean("sum_correlation", "sum_correlated"),
        difference=mean("sum_difference"),
        served_milliseconds=mean("sum_served_seconds", factor=1000),
        shadow_milliseconds=mean("sum_shadow_seconds", factor=1000),
        max_shadow_milliseconds=1000 * row["longest"] if row and row["sum_compared"] else None,
    )


@dataclass(frozen=True, slots=True)
class _Comparison:
    served: ServedModel[Any]
    deployment: Deployment
    scores: Scores
    seconds: float
    predict: Callable[[Any], Scores]


class _Worker:
    """The thread that compares, started with the first comparison."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, as in a new process."""
        self._queue: queue.Queue[_Comparison] = queue.Queue(_MAX_QUEUED)
        self._lock = threading.Lock()
        self._totals: dict[tuple[Any, datetime], ShadowTotals] = {}
        self._thread: threading.Thread | None = None

    def enqueue(self, comparison: _Comparison) -> bool:
        try:
            self._queue.put_nowait(comparison)
        except queue.Full:
            with self._lock:
                self._totals_of(comparison.deployment).skipped += 1
            return False
        if self._thread is None:
            self._start()
        return True

    def wait(self, timeout_seconds: float) -> None:
        deadline = monotonic() + timeout_seconds
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks and (left := deadline - monotonic()) > 0:
                self._queue.all_tasks_done.wait(left)

    def save(self) -> None:
        with self._lock:
            totals, self._totals = self._totals, {}
        if not totals:
            return
        rows = [
            {"deployment": pk, "hour": hour}
            | {field.name: getattr(total, field.name) for field in fields(total)}
            for (pk, hour), total in totals.items()
        ]
        with connection.cursor() as cursor:
            cursor.executemany(_ADD, rows)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        saved_at = monotonic()
        while True:
            try:
                comparison = self._queue.get(timeout=_SAVE_SECONDS)
            except queue.Empty:
                pass
            else:
                try:
                    self._compare(comparison)
                finally:
                    self._queue.task_done()
            if monotonic() - saved_at >= _SAVE_SECONDS:
                saved_at = monotonic()
                try:
                    self.save()
                except DatabaseError as error:
                    log.warning("shadow.not_saved", error_type=type(error).__name__)
            # Comparisons are rare: no idle connection stays.
            connections.close_all()

    def _compare(self, comparison: _Comparison) -> None:
        result: Scores | None = None
        start = perf_counter()
        try:
            model = comparison.served.loaded_model(comparison.deployment.version)
            start = perf_counter()
            result = comparison.predict(model) if model is not None else None
        # Whatever a new version raises is a figure of the report.
        except Exception as error:
            log.warning(
                "shadow.failed",
                model=comparison.served.name,
                version=comparison.deployment.version.number,
                error_type=type(error).__name__,
            )
        seconds = perf_counter() - start
        with self._lock:
            totals = self._totals_of(comparison.deployment)
            if result is None:
                totals.failed += 1
            else:
                totals.add(comparison.scores, result, comparison.seconds, seconds)

    def _totals_of(self, deployment: Deployment) -> ShadowTotals:
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        return self._totals.setdefault((deployment.pk, hour), ShadowTotals())


_worker = _Worker()


# The thread is not in the child.
os.register_at_fork(after_in_child=_worker.reset)
