"""
Assignment of visitors to variants: a keyed hash, the same in every process, stored nowhere.

The key is random and part of the experiment: assignments of experiments are independent of each
other, and an id alone does not reveal its variant. Processes read which experiments run once, and
again after a notice that they have changed.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError
from django.utils import timezone

from config.cache.invalidation import is_listening, on_change
from config.cache.shared_changes import ChangedRows
from mlops.models import Experiment

log = structlog.get_logger(__name__)
# Without notices, experiments are read again after this time.
_MAX_AGE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The variant of a visitor, with the settings that it changes and the end of the experiment."""

    experiment_id: UUID
    variant: str
    settings: Mapping[str, Any]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class _Running:
    id: UUID
    key: str
    started_at: datetime
    ends_at: datetime
    variants: Sequence[tuple[str, float, Mapping[str, Any]]]


def assign(scope: str, unit: str, *, now: datetime | None = None) -> Assignment | None:
    """
    Return the variant of a visitor; None without a running experiment or outside of its shares.

    unit: id of a customer or session; an empty one is never assigned. Usually without a query. A
    database that cannot be read assigns as before, or no one.
    """
    if not unit:
        return None
    at = now or timezone.now()
    running = _snapshot.read().get(scope)
    if running is None or not running.started_at <= at < running.ends_at:
        return None
    position = position_of(running.key, unit)
    end = 0.0
    for name, share, settings in running.variants:
        end += share
        # Shares that sum to 1 in decimal may do so not quite in binary.
        if position < end or end > 1 - 1e-9:
            return Assignment(
                experiment_id=running.id, variant=name, settings=settings, ends_at=running.ends_at
            )
    return None


def position_of(key: str, unit: str) -> float:
    """Return the fixed position (0 to 1, exclusive) of a visitor under the key of an experiment."""
    digest = hashlib.blake2b(unit.encode(), key=key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def outdate_assignments() -> None:
    """Read the running experiments again at the next assignment in this process."""
    _snapshot.outdate()


class _Snapshot:
    """Running experiments by scope, as this process knows them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._running: dict[str, _Running] | None = None
        self._read_at = 0.0
        # Counts notices; the snapshot is fresh if it was read after the last one.
        self._notices = 1
        self._seen_notices = 0

    def outdate(self) -> None:
        self._notices += 1

    def read(self) -> Mapping[str, _Running]:
        known = self._running
        has_notices = is_listening()
        is_fresh = self._seen_notices == self._notices
        if known is not None and is_fresh and (has_notices or self._is_recent()):
            return known
        notices = self._notices  # before the query: a notice during it outdates the result
        try:
            running = _read_running()
        except DatabaseError as error:
            log.warning("experiments.unreadable", error_type=type(error).__name__)
            return known or {}
        self._running, self._read_at, self._seen_notices = running, monotonic(), notices
        return running

    def _is_recent(self) -> bool:
        return monotonic() - self._read_at < _MAX_AGE_SECONDS


def _read_running() -> dict[str, _Running]:
    experiments = Experiment.objects.filter(status=Experiment.Status.RUNNING)
    return {
        experiment.scope: _Running(
            id=experiment.pk,
            key=experiment.assignment_key,
            started_at=experiment.started_at,
            ends_at=experiment.ends_at,
            variants=[
                (variant.name, variant.share, variant.settings)
                for variant in experiment.variants.all()
            ],
        )
        for experiment in experiments.prefetch_related("variants")
        if experiment.started_at and experiment.ends_at
    }


_snapshot = _Snapshot()


def _outdate(changed: ChangedRows) -> None:
    # Notices about experiments name all rows, as cached answers depend on them.
    if changed is None:
        _snapshot.outdate()


on_change(_outdate, is_first=True)
os.register_at_fork(after_in_child=_snapshot.reset)
