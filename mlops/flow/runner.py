"""Runs a pipeline: fetch all of a source, then refine what landed; every step may die and be done again."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pglock
import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from config.clients.http import HttpClient, HttpFailed
from config.errors import CultivarError
from mlops.flow.errors import RecordRejected, SourceBusy, SourceUnavailable
from mlops.flow.landing import land, reread
from mlops.flow.sources import Fetched, Pipeline, Saved, Source
from mlops.models import Alert, LineageEntry, QuarantinedRecord, RawRecord, Run

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Refined:
    """What the stages made of a bundle."""

    accepted: list[Any] = field(default_factory=list)
    rejected: list[tuple[Any, RecordRejected]] = field(default_factory=list)

    @property
    def read(self) -> int:
        return len(self.accepted) + len(self.rejected)


class _Rehearsed(Exception):
    """Carries the run of a rehearsal out of the transaction that forgets it."""

    def __init__(self, run: Run) -> None:
        self.run = run


def run_source(
    pipeline: Pipeline, *, code: str, base_url: str = "", limit: int | None = None, accept: bool = False
) -> Run:
    """
    Fetch everything of one source, then refine it; return the finished run.

    A run that ends in error leaves a failed Run and one open Alert, and has touched no product: refining
    begins only when every page has landed and the whole has been surveyed. accept: a person knows that the source
    has changed much, and says that it is right. Raises SourceBusy when another run of the source is under way,
    and the error of a failed run after it has been noted. Safe to repeat.
    """
    source = pipeline.source(code)
    with _only_run_of(source):
        _finish_interrupted(pipeline, code)
        run = Run.objects.create(pipeline=pipeline.name, source=code, is_partial=limit is not None, is_accepted=accept)
        run.refresh_from_db()
        try:
            with HttpClient(base_url=base_url or source.base_url) as client:
                hashes = [land(run=run, fetched=f).content_hash for f in _fetch(source, client, limit)]
            run.checksum_in = hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
            run.status = Run.Status.LANDED
            run.save()
            _refine_run(pipeline, run)
        except CultivarError as error:
            _note_failure(run, error)
            raise
        Alert.objects.filter(subject=code, closed_at=None).update(closed_at=timezone.now())
        return run


def rehearse_source(pipeline: Pipeline, *, code: str, base_url: str = "", limit: int | None = None) -> Run:
    """Do all that run_source does in a transaction that is undone; return the counts, keep nothing."""
    source = pipeline.source(code)
    with _only_run_of(source), HttpClient(base_url=base_url or source.base_url) as client:
        bundles = _by_bundle(_fetch(source, client, limit))
        try:
            with transaction.atomic():
                run = Run.objects.create(pipeline=pipeline.name, source=code)
                run.refresh_from_db()
                for responses in bundles:
                    _save_bundle(pipeline, run, source, responses)
                run.refresh_from_db()
                raise _Rehearsed(run)
        except _Rehearsed as rehearsed:
            return rehearsed.run


def run_due(pipeline: Pipeline, *, limit: int = 500) -> int:
    """Refine what landed in runs that died before refining it; return how many runs were finished."""
    landed = Run.objects.filter(pipeline=pipeline.name, status=Run.Status.LANDED).order_by("started_at")[:limit]
    finished = 0
    for run in landed:
        try:
            with _only_run_of(pipeline.source(run.source)):
                run.refresh_from_db()
                if run.status == Run.Status.LANDED:
                    finished += _refine_or_note(pipeline, run)
        except SourceBusy:
            continue  # its own run is at work on it
    return finished


@contextmanager
def _only_run_of(source: Source) -> Iterator[None]:
    # An advisory lock is gone with its connection, so a killed worker holds nothing up.
    with pglock.advisory(f"source:{source.code}", timeout=0) as is_ours:
        if not is_ours:
            raise SourceBusy(f"Another run of {source.code} is under way.")
        yield


def _fetch(source: Source, client: HttpClient, limit: int | None) -> Iterable[Fetched]:
    try:
        yield from source.fetch(client, limit=limit)
    except HttpFailed as error:
        raise SourceUnavailable(f"{source.label}: {error}") from error


def _finish_interrupted(pipeline: Pipeline, code: str) -> None:
    """With the lock held no other run can be alive: refine what had landed whole, give up what had not."""
    for run in Run.objects.filter(pipeline=pipeline.name, source=code, status=Run.Status.LANDED).order_by("started_at"):
        _refine_or_note(pipeline, run)
    Run.objects.filter(pipeline=pipeline.name, source=code, status=Run.Status.RUNNING).update(
        status=Run.Status.INTERRUPTED, error="The process ended in the middle of fetching.", finished_at=timezone.now()
    )


def _refine_or_note(pipeline: Pipeline, run: Run) -> bool:
    """Refine a run of the past; tell whether it succeeded. Its failure is noted on it and stops nothing else."""
    try:
        _refine_run(pipeline, run)
    except CultivarError as error:
        _note_failure(run, error)
        return False
    return True


def _refine_run(pipeline: Pipeline, run: Run) -> None:
    source = pipeline.source(run.source)
    survey = pipeline.survey(
        source=run.source, records=_landed_records(source, run), is_partial=run.is_partial, is_accepted=run.is_accepted
    )
    bundles = run.raw_records.filter(refined_at=None).values_list("bundle", flat=True).distinct().order_by("bundle")
    for bundle in list(bundles):
        with transaction.atomic():
            records = list(
                run.raw_records.select_for_update(skip_locked=True)
                .filter(bundle=bundle, refined_at=None)
                .order_by("role")
            )
            if records:
                _save_bundle(pipeline, run, source, reread(records))
                RawRecord.objects.filter(pk__in=[r.pk for r in records]).update(refined_at=timezone.now())
    run.refresh_from_db()
    run.gone = 0 if run.is_partial else pipeline.retire(source=run.source, survey=survey)
    run.checksum_out = pipeline.checksum(run.source)
    run.status, run.finished_at = Run.Status.SUCCEEDED, timezone.now()
    with transaction.atomic():
        run.save()
        LineageEntry.objects.create(
            run=run,
            source=run.source,
            operation=pipeline.name,
            output_table=pipeline.output_table,
            record_count=run.new + run.changed,
            checksum=run.checksum_out,
        )
    log.info("run finished", source=run.source, new=run.new, changed=run.changed, rejected=run.rejected, gone=run.gone)


def _landed_records(source: Source, run: Run) -> Iterator[Any]:
    """Yield every record of the run, bundle by bundle, so that no more than one lies in memory."""
    records = run.raw_records.order_by("bundle", "role")
    for bundle in list(records.values_list("bundle", flat=True).order_by("bundle").distinct()):
        yield from source.parse(reread(list(records.filter(bundle=bundle))))


def _save_bundle(pipeline: Pipeline, run: Run, source: Source, responses: list[Fetched]) -> None:
    refined = _Refined()
    for record in source.parse(responses):
        try:
            value: Any = record
            for stage in pipeline.stages:
                value = stage(value)
            refined.accepted.append(value)
        except RecordRejected as rejection:
            refined.rejected.append((record, rejection))
    saved: Saved = pipeline.save(listings=refined.accepted, run=run, bundle=responses[0].bundle)
    for record, reason in refined.rejected:
        _quarantine(run, record, reason)
    Run.objects.filter(pk=run.pk).update(
        read=F("read") + refined.read,
        new=F("new") + saved.new,
        changed=F("changed") + saved.changed,
        unchanged=F("unchanged") + saved.unchanged,
        rejected=F("rejected") + len(refined.rejected),
    )


def _quarantine(run: Run, record: Any, rejection: RecordRejected) -> None:
    payload = json.loads(json.dumps(dict(record.payload), default=str))
    digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
    row, is_new = QuarantinedRecord.objects.get_or_create(
        source=run.source,
        payload_hash=digest,
        reason=rejection.reason,
        defaults={"external_id": record.external_id, "field": rejection.field, "payload": payload, "run": run},
    )
    if not is_new:
        QuarantinedRecord.objects.filter(pk=row.pk).update(times_seen=F("times_seen") + 1)


def _note_failure(run: Run, error: CultivarError) -> None:
    run.status, run.error, run.finished_at = Run.Status.FAILED, str(error), timezone.now()
    run.save()
    Alert.objects.get_or_create(
        code=error.code, subject=run.source, closed_at=None, defaults={"message": str(error), "run": run}
    )
    log.warning("run failed", source=run.source, reason=str(error))


def _by_bundle(fetched: Iterable[Fetched]) -> list[list[Fetched]]:
    return [list(group) for _, group in groupby(sorted(fetched, key=lambda f: f.bundle), key=lambda f: f.bundle)]
