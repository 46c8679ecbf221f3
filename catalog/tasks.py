"""Doors: one call through, counts back."""

from catalog.models import CatalogSource
from catalog.pipelines import PIPELINES, pipeline_of
from catalog.services import duplicates, search_vocabulary
from mlops.models import Run
from mlops.pipelines.dry_run import note_rehearsal, rehearse_source
from mlops.pipelines.runner import help_refine, run_due, run_source
from mlops.pipelines.tasks import pipeline_task


@pipeline_task(queue="ingest")
def sync_catalog() -> dict[str, int]:
    """Start the sync of every enabled source that has no schedule of its own, each as its own task."""
    sources = CatalogSource.objects.filter(is_enabled=True, schedule=None)
    for source in sources:
        sync_source.delay(code=source.code)
    return {"started": len(sources)}


@pipeline_task(queue="ingest", soft_time_limit=1800)
def sync_source(*, code: str, accept: bool = False) -> dict[str, int]:
    """Fetch and refine one source; accept: a person knows that much has changed."""
    run = run_source(
        pipeline_of(CatalogSource.objects.get(pk=code)),
        code=code,
        accept=accept,
        call_helpers=lambda run: help_refine_run.delay(run_id=str(run.pk)),
    )
    return {
        "new": run.new,
        "changed": run.changed,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
    }


@pipeline_task(queue="ingest", soft_time_limit=1800)
def help_refine_run(*, run_id: str) -> dict[str, int]:
    """Take bundles of a run that another worker is refining, so that one large feed has two processes."""
    run = Run.objects.get(pk=run_id)
    return {"bundles": help_refine(pipeline_of(CatalogSource.objects.get(pk=run.source)), run)}


@pipeline_task(queue="ingest", soft_time_limit=1800)
def rehearse(*, code: str) -> dict[str, int]:
    """Find out what a run of a source would change; the report is a run of its own."""
    run = note_rehearsal(
        rehearse_source(pipeline_of(CatalogSource.objects.get(pk=code)), code=code)
    )
    return {
        "new": run.new,
        "changed": run.changed,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
    }


@pipeline_task(queue="ingest", soft_time_limit=1800)
def match_products() -> dict[str, int]:
    """Compare products that are new or have changed; merge what is one, ask about what may be."""
    matched = duplicates.match_products()
    search_vocabulary.refresh_search_words()
    return {"compared": matched.compared, "merged": matched.merged, "asked": matched.asked}


@pipeline_task(queue="default")
def refresh_search_words() -> dict[str, int]:
    """Count anew by how many products each word is borne."""
    return {"words": search_vocabulary.refresh_search_words()}


@pipeline_task(queue="ingest")
def refine_raw_records(*, limit: int = 500) -> dict[str, int]:
    """Refine what landed in runs that died before refining it."""
    return {"finished": sum(run_due(pipeline, limit=limit) for pipeline in PIPELINES.values())}
