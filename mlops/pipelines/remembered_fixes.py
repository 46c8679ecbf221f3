"""
Remembered fixes: what staff changed in a quarantined record is changed again in later runs.

A fix belongs to a record's id at its source and is applied while the values that were replaced are
the same; other values of the record are taken as they come. A record without an id, or whose id the
fix changes, must be received exactly as it was, because nothing else identifies it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from mlops.models import QuarantinedRecord, Run
from mlops.pipelines.definitions import Pipeline, PipelineSource
from mlops.pipelines.errors import SourceBroken

REPLAYED = "replayed"
MAX_ID_LENGTH = 200
"""Length of an id in quarantine; a longer one is cut."""
ABSENT = object()
"""Stands for a value that a payload does not have."""
_VERSION_LENGTH = 20
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Replacement:
    """A value that staff replaced; path: keys and positions down to it. ABSENT: no value."""

    path: _Path
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """Path as text, for people."""
        return ".".join(str(step) for step in self.path)


@dataclass(frozen=True, slots=True)
class _Fix:
    record_id: UUID
    received: Any
    replacements: tuple[Replacement, ...]


class RememberedFixes:
    """Fixes of one source, by the id of the record."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        remembered: Sequence[QuarantinedRecord] = (),
        forgotten: Sequence[QuarantinedRecord] = (),
    ) -> None:
        """remembered, forgotten: fixed and replayed records, oldest first."""
        self._pipeline = pipeline
        self._by_key: dict[str, list[_Fix]] = {}
        for record in remembered:
            fix = _Fix(record.pk, record.payload, tuple(replacements(record)))
            key = record.external_id or record.payload_hash
            self._by_key.setdefault(key, []).append(fix)
        ids = [[str(record.pk) for record in records] for records in (remembered, forgotten)]
        self._digest = json.dumps(ids) if any(ids) else ""

    def add_to_version(self, version: str) -> str:
        """Return a version of the pipeline that changes when a fix is remembered or forgotten."""
        if not self._digest:
            return version
        return hashlib.sha256(f"{version} {self._digest}".encode()).hexdigest()[:_VERSION_LENGTH]

    def apply(
        self, source: PipelineSource, records: Iterable[Any], *, applied: list[UUID] | None = None
    ) -> Iterator[Any]:
        """
        Return the records in order, fixed where a fix is remembered.

        applied: receives the ids of the quarantined records whose fix was used.
        """
        if not self._by_key:
            return iter(records)
        return self._apply(source, records, [] if applied is None else applied)

    def _apply(
        self, source: PipelineSource, records: Iterable[Any], applied: list[UUID]
    ) -> Iterator[Any]:
        for record in records:
            fixed, ids = self.fix(source, record)
            applied += ids
            yield fixed

    def fix(self, source: PipelineSource, record: Any) -> tuple[Any, list[UUID]]:
        """Return a record after its remembered fixes, and the ids of those that applied."""
        key = record.external_id[:MAX_ID_LENGTH]
        fixes = self._by_key.get(key or hash_payload(encode_payload(record)), ())
        applied: list[UUID] = []
        for fix in fixes:
            fixed = self._fixed(source, record, fix)
            if fixed is not None:
                record = fixed
                applied.append(fix.record_id)
        return record, applied

    def _fixed(self, source: PipelineSource, record: Any, fix: _Fix) -> Any:
        """Return the fixed record; None where the fix does not apply."""
        payload = json.loads(encode_payload(record))
        corrected = _replace_values(payload, fix.replacements)
        if corrected is None:
            return None
        try:
            parsed = list(source.parse_payload(corrected))
        except (KeyError, TypeError, ValueError, AttributeError, SourceBroken):
            return None  # the record has changed its form since
        if len(parsed) != 1:
            return None
        (fixed,) = parsed
        is_identified = record.external_id and fixed.external_id == record.external_id
        if not is_identified and payload != fix.received:
            return None
        return mark_fixed(self._pipeline, fixed)


def load_fixes(pipeline: Pipeline, run: Run) -> RememberedFixes:
    """
    Return the fixes that were remembered when a run began, in one query.

    The same for each process and for each resumption of the run.
    """
    if pipeline.mark_fixed is None:
        return RememberedFixes(pipeline)
    records = fixed_records().filter(
        source=run.source, run__pipeline=pipeline.name, closed_at__lte=run.started_at
    )
    remembered: list[QuarantinedRecord] = []
    forgotten: list[QuarantinedRecord] = []
    for record in records.order_by("closed_at", "pk"):
        is_forgotten = record.forgotten_at and record.forgotten_at <= run.started_at
        (forgotten if is_forgotten else remembered).append(record)
    return RememberedFixes(pipeline, remembered=remembered, forgotten=forgotten)


def fixed_records() -> QuerySet[QuarantinedRecord]:
    """Return the quarantined records that were replayed with other values than received."""
    return QuarantinedRecord.objects.filter(outcome=REPLAYED, fixed_payload__isnull=False)


def has_remembered_fix(record: QuarantinedRecord) -> bool:
    """Return whether later runs fix the record as staff did."""
    is_fixed = record.outcome == REPLAYED and record.fixed_payload is not None
    return is_fixed and record.forgotten_at is None


def record_applied_fixes(run: Run, applied: Sequence[UUID]) -> None:
    """Count the records of a run that were fixed as remembered."""
    counts = Counter(applied)
    for times in set(counts.values()):
        ids = [pk for pk, count in counts.items() if count == times]
        QuarantinedRecord.objects.filter(pk__in=ids).update(
            last_run=run, times_seen=F("times_seen") + times
        )


def replacements(record: QuarantinedRecord) -> list[Replacement]:
    """Return the values that staff replaced in a fixed record, in the order of the payload."""
    return list(_differences(record.payload, record.fixed_payload, ()))


def mark_fixed(pipeline: Pipeline, record: Any) -> Any:
    """Return a record marked as fixed by staff, where the pipeline can."""
    return pipeline.mark_fixed(record) if pipeline.mark_fixed else record


def encode_payload(record: Any) -> str:
    """Return the payload of a record as JSON, as it is stored in quarantine."""
    return json.dumps(dict(record.payload), sort_keys=True, default=str)


def hash_payload(encoded: str) -> str:
    """Return the hash under which an encoded payload is stored in quarantine."""
    return hashlib.sha256(encoded.encode()).hexdigest()


def _differences(old: Any, new: Any, path: _Path) -> Iterator[Replacement]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*old, *(key for key in new if key not in old)):
            yield from _differences(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _differences(left, right, (*path, index))
    elif old != new:
        yield Replacement(path, old, new)


def _replace_values(payload: Any, changes: Sequence[Replacement]) -> Any:
    """Return the payload with new values; None where a value is no longer the replaced one."""
    result = deepcopy(payload)
    for change in changes:
        *parents, last = change.path
        container = result
        for step in parents:
            container = _get(container, step)
        if container is ABSENT or _get(container, last) != change.old:
            return None
        if change.new is ABSENT:
            del container[last]
        else:
            container[last] = change.new
    return result


def _get(container: Any, step: str | int) -> Any:
    try:
        return container[step]
    except (KeyError, IndexError, TypeError):
        return ABSENT
