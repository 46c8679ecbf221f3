"""Raw becomes rows: survey, then batch by batch through the stages; what was saved is never done twice."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pglock
import structlog
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from mlops.audit.operations import operation_of
from mlops.models import LineageEntry, RawRecord, Run
from mlops.pipelines.definitions import Pipeline, Saved, Source
from mlops.pipelines.errors import FeedSuspicious, RecordRejected
from mlops.pipelines.landing import reread

log = structlog.get_logger(__name__)
# Records that are saved together: enough to make a statement worth its while, few enough for memory and for a checkpoint.
BATCH = 2_000


@dataclass(slots=True)
class Refined:
    """What the stages made of a batch."""

    accepted: list[Any] = field(default_factory=list)
    rejected: list[tuple[Any, RecordRejected]] = field(default_factory=list)


def refine_run(
    pipeline: Pipeline,
    run: Run,
    *,
    afresh: bool = False,
    call_helpers: Callable[[Run], object] | None = None,
) -> None:
    """Survey what landed in the run, refine it, and note what came of it. Raises FeedSuspicious, SourceBroken."""
    source = pipeline.source(run.source)
    survey = pipeline.survey(
        source=run.source, records=_landed_records(source, run), is_partial=run.is_partial
    )
    if survey.objection and not run.is_accepted:
        raise FeedSuspicious(f"{survey.objection} Nothing was changed.")
    run.is_surveyed, run.newest_event_at = True, survey.newest_event_at
    run.save()
    if call_helpers:
        call_helpers(run)
    refine_bundles(pipeline, run, afresh=afresh)
    refine_bundles(pipeline, run, afresh=afresh, wait=True)  # for those that a helper still holds
    run.refresh_from_db()
    run.gone = pipeline.conclude(source=run.source, survey=survey, run=run)
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
    log.info(
        "run finished",
        source=run.source,
        new=run.new,
        changed=run.changed,
        rejected=run.rejected,
        gone=run.gone,
    )


def refine_bundles(
    pipeline: Pipeline, run: Run, *, afresh: bool = False, wait: bool = False
) -> int:
    """Refine the bundles of a run that nobody else is at, or wait for those too; return how many were done here."""
    version = pipeline.version(run.source)
    last = None if afresh else _run_before(run)
    due = (
        run.raw_records.filter(refined_at=None)
        .values_list("bundle", flat=True)
        .distinct()
        .order_by("bundle")
    )
    done = 0
    for bundle in list(due):
        # An advisory lock, so that every batch can be a transaction of its own and a killed process holds nothing up.
        with pglock.advisory(f"bundle:{run.pk}:{bundle}", timeout=None if wait else 0) as is_ours:
            records = (
                list(run.raw_records.filter(bundle=bundle, refined_at=None).order_by("role"))
                if is_ours
                else []
            )
            if records:
                _refine_bundle(pipeline, run, records, version=version, last=last)
                done += 1
    return done


def save_batch(pipeline: Pipeline, run: Run, refined: Refined, *, bundle: str) -> None:
    """Save what was accepted, quarantine what was not, count both in the run."""
    with operation_of(run):
        saved = pipeline.save(listings=refined.accepted, run=run, bundle=bundle)
    _quarantine(run, refined.rejected)
    _count(
        run,
        saved,
        rejected=len(refined.rejected),
        read=len(refined.accepted) + len(refined.rejected),
    )


def batches_of(pipeline: Pipeline, records: Iterator[Any]) -> Iterator[Refined]:
    """Send records through the stages, batch by batch."""
    while batch := list(islice(records, BATCH)):
        refined = Refined()
        for record in batch:
            try:
                value: Any = record
                for stage in pipeline.stages:
                    value = stage(value)
                refined.accepted.append(value)
            except RecordRejected as rejection:
                refined.rejected.append((record, rejection))
        yield refined


def _run_before(run: Run) -> Run | None:
    """Return the last run that wrote anything, if the rows are all and only what it left: whole, and to its end."""
    before = Run.objects.filter(source=run.source, is_surveyed=True, is_rehearsal=False).exclude(
        pk=run.pk
    )
    last = before.order_by("-started_at").first()
    return last if last and last.status == Run.Status.SUCCEEDED and not last.is_partial else None


def _refine_bundle(
    pipeline: Pipeline, run: Run, records: Sequence[RawRecord], *, version: str, last: Run | None
) -> None:
    lead = records[0]
    if last and (same := _same_last_time(last, records, version)):
        with transaction.atomic():
            unchanged = same.refined_records - same.rejected_records
            _count(
                run,
                Saved(unchanged=unchanged),
                rejected=same.rejected_records,
                read=same.refined_records,
            )
            _note_progress(lead, same.refined_records, same.rejected_records, version)
            _note_done(records, version)
        return
    is_begun = lead.refined_with == version
    done, rejected = (lead.refined_records, lead.rejected_records) if is_begun else (0, 0)
    parsed = pipeline.source(run.source).parse(reread(records))
    for refined in batches_of(pipeline, islice(parsed, done, None)):
        done += len(refined.accepted) + len(refined.rejected)
        rejected += len(refined.rejected)
        with transaction.atomic():
            save_batch(pipeline, run, refined, bundle=lead.bundle)
            _note_progress(lead, done, rejected, version)
    _note_done(records, version)


def _same_last_time(last: Run, records: Sequence[RawRecord], version: str) -> RawRecord | None:
    """Return the first record of the bundle in the last good run, if the same bytes were refined the same way there."""
    before = list(
        last.raw_records.filter(bundle=records[0].bundle, refined_with=version).order_by("role")
    )
    is_same = [(r.role, r.content_hash) for r in before] == [
        (r.role, r.content_hash) for r in records
    ]
    return before[0] if is_same and before else None


def _note_progress(lead: RawRecord, done: int, rejected: int, version: str) -> None:
    RawRecord.objects.filter(pk=lead.pk).update(
        refined_records=done, rejected_records=rejected, refined_with=version
    )


def _note_done(records: Sequence[RawRecord], version: str) -> None:
    pks = [record.pk for record in records]
    RawRecord.objects.filter(pk__in=pks).update(refined_at=timezone.now(), refined_with=version)


def _landed_records(source: Source, run: Run) -> Iterator[Any]:
    """Yield every record of the run, bundle by bundle, so that no more than one lies in memory."""
    records = run.raw_records.order_by("bundle", "role")
    for bundle in list(records.values_list("bundle", flat=True).order_by("bundle").distinct()):
        yield from source.parse(reread(list(records.filter(bundle=bundle))))


def _count(run: Run, saved: Saved, *, rejected: int, read: int) -> None:
    Run.objects.filter(pk=run.pk).update(
        read=F("read") + read,
        new=F("new") + saved.new,
        changed=F("changed") + saved.changed,
        unchanged=F("unchanged") + saved.unchanged,
        rejected=F("rejected") + rejected,
    )


def _quarantine(run: Run, rejected: Sequence[tuple[Any, RecordRejected]]) -> None:
    """Keep the rejected, each once; a record that comes again is counted."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for record, rejection in rejected:
        payload = json.dumps(dict(record.payload), sort_keys=True, default=str)
        key = hashlib.sha256(payload.encode()).hexdigest(), rejection.reason
        row = rows.setdefault(
            key, [record.external_id[:200], rejection.field, rejection.reason, payload, key[0], 0]
        )
        row[-1] += 1
    if rows:
        with connection.cursor() as cursor:
            columns = [
                list(column) for column in zip(*(rows[key] for key in sorted(rows)), strict=True)
            ]
            cursor.execute(_QUARANTINE, [run.source, run.pk, *columns])


_QUARANTINE = """
INSERT INTO quarantined_records AS q
  (source, run_id, external_id, field, reason, payload, payload_hash, times_seen)
SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[], %s::text[], %s::int[])
ON CONFLICT (source, payload_hash, reason) DO UPDATE SET times_seen = q.times_seen + EXCLUDED.times_seen
"""
