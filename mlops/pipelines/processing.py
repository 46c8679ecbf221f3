"""Processing of landed records: survey, stages, save. Each batch is a checkpoint."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import pglock
import structlog
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from mlops.audit.operations import run_operation
from mlops.models import LineageEntry, RawRecord, Run
from mlops.pipelines.definitions import Pipeline, PipelineSource, RepeatDecision, SaveCounts
from mlops.pipelines.errors import FeedSuspicious, RecordRejected
from mlops.pipelines.landing import read_landed
from mlops.pipelines.remembered_fixes import (
    MAX_ID_LENGTH,
    RememberedFixes,
    encode_payload,
    fixed_records,
    hash_payload,
    load_fixes,
    record_applied_fixes,
)
from mlops.pipelines.repeats import (
    Decisions,
    FeedRecords,
    delete_earlier_repeats,
    repeats_of_bundle,
    save_repeats,
)

log = structlog.get_logger(__name__)
# Records that are saved together: many enough for efficient statements, few enough for memory and
# for a useful checkpoint.
BATCH_SIZE = 2_000

# Counts a record that is rejected again instead of adding a second row, and opens it again if a
# later version of the record has superseded it.
_QUARANTINE = """
INSERT INTO quarantined_records AS q
  (source, run_id, last_run_id, external_id, field, reason, payload, payload_hash, times_seen)
SELECT %(source)s, %(run)s, %(run)s, * FROM unnest(
  %(ids)s::text[], %(fields)s::text[], %(reasons)s::text[], %(payloads)s::jsonb[],
  %(hashes)s::text[], %(times)s::int[]
)
ON CONFLICT (source, payload_hash, reason) DO UPDATE SET
  times_seen = q.times_seen + EXCLUDED.times_seen,
  last_run_id = EXCLUDED.last_run_id,
  closed_at = CASE WHEN q.outcome <> 'superseded' THEN q.closed_at END,
  outcome = CASE WHEN q.outcome <> 'superseded' THEN q.outcome ELSE '' END
"""
# Closes what earlier runs rejected under ids that this run rejects too: only the record as it is
# now can be fixed.
_SUPERSEDE = """
UPDATE quarantined_records q SET closed_at = now(), outcome = 'superseded'
WHERE q.source = %(source)s AND q.closed_at IS NULL AND q.external_id <> ''
  AND q.last_run_id IS DISTINCT FROM %(run)s
  AND EXISTS (
    SELECT FROM quarantined_records n
    WHERE n.source = %(source)s AND n.closed_at IS NULL AND n.external_id = q.external_id
      AND n.last_run_id = %(run)s
  )
"""


@dataclass(slots=True)
class ProcessedBatch:
    """
    Records of one batch after the stages: accepted values, and rejected records with reasons.

    repeated: number of records that repeat another record of the feed.
    """

    accepted: list[Any] = field(default_factory=list)
    rejected: list[tuple[Any, RecordRejected]] = field(default_factory=list)
    repeated: int = 0

    @property
    def read(self) -> int:
        """Number of records read."""
        return len(self.accepted) + len(self.rejected) + self.repeated


def process_run(
    pipeline: Pipeline,
    run: Run,
    *,
    full_refresh: bool = False,
    start_helpers: Callable[[Run], object] | None = None,
) -> None:
    """
    Survey the landed records of a run, process them, and record counts, checksum and lineage.

    Raises FeedSuspicious, SourceBroken.
    """
    source = pipeline.source(run.source)
    fixes = load_fixes(pipeline, run)
    records = _landed_records(source, run, fixes)
    survey = pipeline.survey(source=run.source, records=records, is_partial=run.is_partial)
    if survey.objection and not run.is_accepted:
        raise FeedSuspicious(f"{survey.objection} Nothing was changed.")
    save_repeats(pipeline, run, records)
    run.is_surveyed = True
    run.newest_event_at = survey.newest_event_at
    run.save()
    if start_helpers:
        start_helpers(run)
    process_bundles(pipeline, run, full_refresh=full_refresh)
    # Wait for the bundles that helpers are processing.
    process_bundles(pipeline, run, full_refresh=full_refresh, wait=True)
    run.refresh_from_db()
    run.gone = pipeline.conclude(source=run.source, survey=survey, run=run)
    run.checksum_out = pipeline.checksum(run.source)
    run.status = Run.Status.SUCCEEDED
    run.finished_at = timezone.now()
    with transaction.atomic():
        run.save()
        delete_earlier_repeats(run)
        LineageEntry.objects.create(
            run=run,
            source=run.source,
            operation=pipeline.name,
            output_table=pipeline.output_table,
            record_count=run.new + run.changed,
            checksum=run.checksum_out,
        )
        _record_lineage_of_fixes(pipeline, run)
        _supersede_quarantined(run)
    log.info(
        "run.succeeded",
        source=run.source,
        new=run.new,
        changed=run.changed,
        rejected=run.rejected,
        repeated=run.repeated,
        gone=run.gone,
    )


def process_bundles(
    pipeline: Pipeline, run: Run, *, full_refresh: bool = False, wait: bool = False
) -> int:
    """
    Process the bundles of a run that are due; return how many were processed here.

    Bundles that another process has locked are skipped, or with `wait` waited for.
    """
    fixes = load_fixes(pipeline, run)
    version = fixes.add_to_version(pipeline.version(run.source))
    previous_run = None if full_refresh else _previous_complete_run(run)
    unprocessed = run.raw_records.filter(processed_at=None)
    bundles = unprocessed.values_list("bundle", flat=True).distinct().order_by("bundle")
    processed = 0
    for bundle in list(bundles):
        # An advisory lock: every batch has its own transaction, and a killed process blocks
        # nothing.
        timeout = None if wait else 0
        with pglock.advisory(f"bundle:{run.pk}:{bundle}", timeout=timeout) as is_acquired:
            if not is_acquired:
                continue
            records = list(unprocessed.filter(bundle=bundle).order_by("role"))
            if records:
                _process_bundle(
                    pipeline,
                    run,
                    records,
                    fixes=fixes,
                    version=version,
                    previous_run=previous_run,
                )
                processed += 1
    return processed


def save_batch(pipeline: Pipeline, run: Run, batch: ProcessedBatch, *, bundle: str) -> None:
    """Save the accepted records, quarantine the rejected ones, add both to the run's counts."""
    with run_operation(run):
        saved = pipeline.save(listings=batch.accepted, run=run, bundle=bundle)
    _quarantine(run, batch.rejected)
    _add_counts(
        run,
        saved,
        rejected=len(batch.rejected),
        repeated=batch.repeated,
        read=batch.read,
    )


def process_batches(
    pipeline: Pipeline,
    records: Iterator[Any],
    *,
    source: PipelineSource | None = None,
    repeats: Decisions | None = None,
    first_position: int = 0,
) -> Iterator[ProcessedBatch]:
    """
    Apply the stages to the records, batch by batch.

    repeats: decisions on repeated records by position, which starts at `first_position`; they need
    the `source` that parses their payloads.
    """
    numbered = enumerate(records, start=first_position)
    while raw_batch := list(islice(numbered, BATCH_SIZE)):
        batch = ProcessedBatch()
        for position, record in raw_batch:
            decision = repeats.get(position) if repeats else None
            try:
                _process_record(pipeline, batch, record, decision, source)
            except RecordRejected as rejection:
                batch.rejected.append((record, rejection))
        yield batch


def _process_record(
    pipeline: Pipeline,
    batch: ProcessedBatch,
    record: Any,
    decision: RepeatDecision | None,
    source: PipelineSource | None,
) -> None:
    """Add a record to the batch. Raises RecordRejected."""
    if decision is None:
        batch.accepted.append(_apply_stages(pipeline, record))
        return
    if decision.action == "repeated":
        batch.repeated += 1
        return
    if decision.action == "rejected" or source is None or pipeline.combine is None:
        raise RecordRejected(decision.reason)
    others = [r for payload in decision.payloads for r in source.parse_payload(payload)]
    values = [_apply_stages(pipeline, each) for each in (record, *others)]
    batch.accepted.append(pipeline.combine(values=values, flags=decision.flags))


def _apply_stages(pipeline: Pipeline, record: Any) -> Any:
    value = record
    for stage in pipeline.stages:
        value = stage(value)
    return value


def _previous_complete_run(run: Run) -> Run | None:
    """
    Return the last run that wrote rows, if it was complete and successful, else None.

    After any other run the rows may differ from what the raw records of the last run gave.
    """
    earlier_runs = Run.objects.filter(
        source=run.source, is_surveyed=True, is_dry_run=False
    ).exclude(pk=run.pk)
    last = earlier_runs.order_by("-started_at").first()
    return last if last and last.status == Run.Status.SUCCEEDED and not last.is_partial else None


def _process_bundle(  # noqa: PLR0913  # values of the run, loaded once for all its bundles
    pipeline: Pipeline,
    run: Run,
    records: Sequence[RawRecord],
    *,
    fixes: RememberedFixes,
    version: str,
    previous_run: Run | None,
) -> None:
    first = records[0]
    repeats = repeats_of_bundle(run, first.bundle)
    has_repeats = repeats or (previous_run and repeats_of_bundle(previous_run, first.bundle))
    if (
        previous_run
        and not has_repeats
        and (same := _same_in_previous_run(previous_run, records, version))
    ):
        _count_as_unchanged(run, records, same, version=version)
        return
    has_checkpoint = first.pipeline_version == version
    processed = first.processed_records if has_checkpoint else 0
    rejected = first.rejected_records if has_checkpoint else 0
    source = pipeline.source(run.source)
    due = islice(source.parse(read_landed(records)), processed, None)
    applied_fixes: list[UUID] = []
    batches = process_batches(
        pipeline,
        fixes.apply(source, due, applied=applied_fixes),
        source=source,
        repeats=repeats,
        first_position=processed,
    )
    for batch in batches:
        processed += batch.read
        rejected += len(batch.rejected)
        with transaction.atomic():
            save_batch(pipeline, run, batch, bundle=first.bundle)
            record_applied_fixes(run, applied_fixes)
            _save_checkpoint(first, processed, rejected, version)
        applied_fixes.clear()
    _mark_processed(records, version)


@transaction.atomic
def _count_as_unchanged(
    run: Run, records: Sequence[RawRecord], same: RawRecord, *, version: str
) -> None:
    """Copy the counts of the same bundle of the previous run instead of processing it."""
    _add_counts(
        run,
        SaveCounts(unchanged=same.processed_records - same.rejected_records),
        rejected=same.rejected_records,
        read=same.processed_records,
    )
    _save_checkpoint(records[0], same.processed_records, same.rejected_records, version)
    _mark_processed(records, version)


def _same_in_previous_run(
    previous_run: Run, records: Sequence[RawRecord], version: str
) -> RawRecord | None:
    """Return the bundle's first record in the previous run, if bytes and version are the same."""
    previous = list(
        previous_run.raw_records.filter(
            bundle=records[0].bundle, pipeline_version=version
        ).order_by("role")
    )
    previous_contents = [(record.role, record.content_hash) for record in previous]
    contents = [(record.role, record.content_hash) for record in records]
    return previous[0] if previous and previous_contents == contents else None


def _save_checkpoint(first: RawRecord, processed: int, rejected: int, version: str) -> None:
    RawRecord.objects.filter(pk=first.pk).update(
        processed_records=processed, rejected_records=rejected, pipeline_version=version
    )


def _mark_processed(records: Sequence[RawRecord], version: str) -> None:
    ids = [record.pk for record in records]
    RawRecord.objects.filter(pk__in=ids).update(
        processed_at=timezone.now(), pipeline_version=version
    )


def _landed_records(source: PipelineSource, run: Run, fixes: RememberedFixes) -> FeedRecords:
    """Return the records of the run, one bundle in memory at a time, fixed as remembered."""
    raw_records = run.raw_records.order_by("bundle", "role")
    bundles = raw_records.values_list("bundle", flat=True).order_by("bundle").distinct()

    def parse(bundle: str) -> Iterator[Any]:
        landed = read_landed(list(raw_records.filter(bundle=bundle)))
        return fixes.apply(source, source.parse(landed))

    return FeedRecords({bundle: partial(parse, bundle) for bundle in bundles})


def _supersede_quarantined(run: Run) -> None:
    """Close open records of earlier runs that this run rejected in another version."""
    with connection.cursor() as cursor:
        cursor.execute(_SUPERSEDE, {"source": run.source, "run": run.pk})


def _record_lineage_of_fixes(pipeline: Pipeline, run: Run) -> None:
    """Record how many records the run fixed as remembered, if any."""
    applied = fixed_records().filter(source=run.source, last_run=run)
    if count := applied.count():
        LineageEntry.objects.create(
            run=run,
            source=run.source,
            operation="mlops.remembered_fixes",
            output_table=pipeline.output_table,
            record_count=count,
            checksum=run.checksum_out,
        )


def _add_counts(
    run: Run, saved: SaveCounts, *, rejected: int, read: int, repeated: int = 0
) -> None:
    Run.objects.filter(pk=run.pk).update(
        read=F("read") + read,
        new=F("new") + saved.new,
        changed=F("changed") + saved.changed,
        unchanged=F("unchanged") + saved.unchanged,
        rejected=F("rejected") + rejected,
        repeated=F("repeated") + repeated,
    )


def _quarantine(run: Run, rejected: Sequence[tuple[Any, RecordRejected]]) -> None:
    """Write rejected records to quarantine, identical ones as one row with a count."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for record, rejection in rejected:
        payload = encode_payload(record)
        payload_hash = hash_payload(payload)
        row = rows.setdefault(
            (payload_hash, rejection.reason),
            [
                record.external_id[:MAX_ID_LENGTH],
                rejection.field,
                rejection.reason,
                payload,
                payload_hash,
                0,
            ],
        )
        row[-1] += 1
    if not rows:
        return
    # Sorted, so that concurrent processes lock rows in one order and do not deadlock.
    columns = [list(column) for column in zip(*(rows[key] for key in sorted(rows)), strict=True)]
    names = ("ids", "fields", "reasons", "payloads", "hashes", "times")
    parameters: dict[str, Any] = {
        "source": run.source,
        "run": run.pk,
        **dict(zip(names, columns, strict=True)),
    }
    with connection.cursor() as cursor:
        cursor.execute(_QUARANTINE, parameters)
