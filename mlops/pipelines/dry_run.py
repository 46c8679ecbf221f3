"""Dry runs: everything that a run would do, in a transaction that is rolled back."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mlops.models import Run
from mlops.pipelines.definitions import Pipeline, PipelineSource, RawResponse, RowDifference
from mlops.pipelines.landing import LandedResponses
from mlops.pipelines.processing import process_batches, save_batch
from mlops.pipelines.remembered_fixes import load_fixes
from mlops.pipelines.repeats import FeedRecords, repeats_of_bundle, save_repeats
from mlops.pipelines.runner import fetch_responses, open_client, source_access, source_lock

_MAX_DIFFERENCES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The run as it would be, the survey's objection, and up to 500 rows that would change."""

    run: Run
    objection: str
    differences: list[RowDifference]
    table: str


def start_dry_run(*, pipeline_name: str, source: str) -> Run:
    """Create the row of a dry run that is about to begin, so that it can be watched."""
    run = Run.objects.create(pipeline=pipeline_name, source=source, is_dry_run=True)
    run.refresh_from_db()
    return run


def record_failed_dry_run(*, run_id: UUID, reason: str) -> None:
    """End a dry run that failed. It opens no alert: nothing was to be written."""
    Run.objects.filter(pk=run_id, is_dry_run=True).update(
        status=Run.Status.FAILED, error=reason, finished_at=timezone.now()
    )


def dry_run_source(
    pipeline: Pipeline, *, code: str, base_url: str = "", limit: int | None = None
) -> DryRun:
    """
    Do everything that run_source does, without keeping anything.

    Raises what run_source raises, except for what a person may accept: that is in `objection`.
    """
    source = pipeline.source(code)
    access = source_access(pipeline, code, base_url)
    landed = LandedResponses(source=code, run=None)
    with source_lock(code), open_client(pipeline, access, landed=landed) as client:
        bundles = _fetch_bundles(source, client, limit)
        with transaction.atomic():
            dry_run = _run(pipeline, source, bundles, limit)
            transaction.set_rollback(True)
    return dry_run


def save_dry_run(dry_run: DryRun, *, run_id: UUID | None = None) -> Run:
    """
    Store a dry run with its report as a run, for the console. Safe to repeat.

    run_id: row that `start_dry_run` has created; None: a new one.
    """
    run = dry_run.run
    run.is_dry_run = True
    if run_id is not None:
        run.started_at = Run.objects.get(pk=run_id).started_at
        run.pk = run_id
    run.status = Run.Status.SUCCEEDED
    run.finished_at = timezone.now()
    run.report = {
        "objection": dry_run.objection,
        "table": dry_run.table,
        "differences": [
            {
                "key": difference.key,
                "name": difference.name,
                "before": dict(difference.before),
                "after": dict(difference.after),
            }
            for difference in dry_run.differences
        ],
    }
    run.save(force_insert=run_id is None, force_update=run_id is not None)
    return run


def _fetch_bundles(
    source: PipelineSource, client: Any, limit: int | None
) -> dict[str, list[RawResponse]]:
    responses = sorted(
        fetch_responses(source, client, limit),
        key=lambda response: (response.bundle, response.role),
    )
    return {
        bundle: list(group)
        for bundle, group in groupby(responses, key=lambda response: response.bundle)
    }


def _run(
    pipeline: Pipeline,
    source: PipelineSource,
    bundles: dict[str, list[RawResponse]],
    limit: int | None,
) -> DryRun:
    run = Run.objects.create(
        pipeline=pipeline.name, source=source.code, is_partial=limit is not None
    )
    run.refresh_from_db()
    fixes = load_fixes(pipeline, run)

    def parse(responses: list[RawResponse]) -> Iterator[Any]:
        return fixes.apply(source, source.parse(responses))

    records = FeedRecords(
        {bundle: partial(parse, responses) for bundle, responses in bundles.items()}
    )
    survey = pipeline.survey(source=source.code, records=records, is_partial=run.is_partial)
    save_repeats(pipeline, run, records)
    differences: list[RowDifference] = []
    for bundle, responses in bundles.items():
        repeats = repeats_of_bundle(run, bundle)
        batches = process_batches(pipeline, parse(responses), source=source, repeats=repeats)
        for batch in batches:
            if len(differences) < _MAX_DIFFERENCES:
                differences += pipeline.preview(listings=batch.accepted)
            save_batch(pipeline, run, batch, bundle=bundle)
    run.refresh_from_db()
    run.gone = pipeline.conclude(source=source.code, survey=survey, run=run)
    run.checksum_out = pipeline.checksum(source.code)
    return DryRun(
        run=run,
        objection=survey.objection,
        differences=differences[:_MAX_DIFFERENCES],
        table=pipeline.output_table,
    )
