"""Celery tasks of the catalogue; each calls one service and returns its counts."""

from uuid import UUID

from django.utils import timezone

from catalog.pipelines import PIPELINES, pipeline_for
from catalog.selectors.runs import get_run
from catalog.selectors.sources import get_source, sources_of_daily_sync
from catalog.services import (
    bulk_edits,
    duplicates,
    pending_uploads,
    product_imports,
    search_vocabulary,
)
from config.errors import CultivarError
from mlops.models import Run
from mlops.pipelines.dry_run import dry_run_source, record_failed_dry_run, save_dry_run
from mlops.pipelines.runner import process_landed_runs, process_remaining_bundles, run_source
from mlops.pipelines.tasks import pipeline_task


@pipeline_task()
def sync_catalog() -> dict[str, int]:
    """Start a task for each enabled source without its own schedule."""
    sources = sources_of_daily_sync()
    for source in sources:
        sync_source.delay(code=source.code)
    return {"started": len(sources)}


@pipeline_task(soft_time_limit=1800)
def sync_source(*, code: str, accept: bool = False) -> dict[str, int]:
    """Fetch and process one source. accept: proceed despite an objection of the feed guard."""
    run = run_source(
        pipeline_for(get_source(code)),
        code=code,
        accept=accept,
        start_helpers=lambda run: process_run_bundles.delay(run_id=str(run.pk)),
    )
    return _run_counts(run)


@pipeline_task(soft_time_limit=1800)
def process_run_bundles(*, run_id: str) -> dict[str, int]:
    """Process bundles of a run concurrently with the worker that started it."""
    run = get_run(run_id)
    pipeline = pipeline_for(get_source(run.source))
    return {"bundles": process_remaining_bundles(pipeline, run)}


@pipeline_task(soft_time_limit=1800)
def dry_run_catalog_source(*, code: str, run_id: str | None = None) -> dict[str, int]:
    """
    Run a source without writing; the report is stored as a run with `is_dry_run`.

    run_id: row that `start_catalog_dry_run` has created; None: a new one.
    """
    pipeline = pipeline_for(get_source(code))
    row_id = UUID(run_id) if run_id else None
    try:
        dry_run = dry_run_source(pipeline, code=code)
    except CultivarError as error:
        if row_id:
            record_failed_dry_run(run_id=row_id, reason=str(error))
        raise
    return _run_counts(save_dry_run(dry_run, run_id=row_id))


@pipeline_task(soft_time_limit=1800)
def match_products() -> dict[str, int]:
    """Match new and changed products: merge the same ones, put uncertain pairs up for review."""
    result = duplicates.match_products()
    search_vocabulary.refresh_search_words()
    return {
        "compared": result.compared,
        "merged": result.merged,
        "for_review": result.for_review,
    }


@pipeline_task(soft_time_limit=600)
def read_product_import(*, import_id: str) -> dict[str, int]:
    """Read an uploaded product sheet and store the preview of its import."""
    return product_imports.read_import(import_id=UUID(import_id))


@pipeline_task(soft_time_limit=600)
def run_product_import(*, import_id: str) -> dict[str, int]:
    """Write a confirmed import of a product sheet."""
    return product_imports.run_import(import_id=UUID(import_id))


@pipeline_task(soft_time_limit=1800)
def run_bulk_edit(*, edit_id: str) -> dict[str, int]:
    """Write a confirmed bulk edit of products."""
    return bulk_edits.run_bulk_edit(edit_id=UUID(edit_id))


@pipeline_task()
def expire_product_imports() -> dict[str, int]:
    """Delete product sheets, previews and kept uploads that have expired."""
    return {
        "expired": product_imports.expire_imports(),
        "uploads": pending_uploads.delete_expired_uploads(timezone.now()),
    }


@pipeline_task()
def refresh_search_words() -> dict[str, int]:
    """Recount the products that contain each search word."""
    return {"words": search_vocabulary.refresh_search_words()}


@pipeline_task()
def process_raw_records(*, limit: int = 500) -> dict[str, int]:
    """Process the raw records of interrupted runs."""
    finished = (process_landed_runs(pipeline, limit=limit) for pipeline in PIPELINES.values())
    return {"finished": sum(finished)}


def _run_counts(run: Run) -> dict[str, int]:
    return {
        "new": run.new,
        "changed": run.changed,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
    }
