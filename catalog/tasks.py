"""Doors: one call through, counts back."""

from catalog.ingest.pipeline import SUPPLIER_PRODUCTS
from catalog.models import CatalogSource
from mlops.flow.runner import run_due, run_source
from mlops.flow.task_door import pipeline_task


@pipeline_task(queue="ingest")
def sync_catalog() -> dict[str, int]:
    """Start the sync of every enabled source, each as its own task."""
    sources = CatalogSource.objects.filter(is_enabled=True)
    for source in sources:
        sync_source.delay(code=source.code)
    return {"started": len(sources)}


@pipeline_task(queue="ingest", soft_time_limit=1800)
def sync_source(*, code: str, accept: bool = False) -> dict[str, int]:
    """Fetch and refine one source; accept: a person knows that much has changed."""
    source = CatalogSource.objects.get(pk=code)
    run = run_source(SUPPLIER_PRODUCTS, code=code, base_url=source.base_url, accept=accept)
    return {"new": run.new, "changed": run.changed, "unchanged": run.unchanged, "rejected": run.rejected}


@pipeline_task(queue="ingest")
def refine_raw_records(*, limit: int = 500) -> dict[str, int]:
    """Refine what landed in runs that died before refining it."""
    return {"finished": run_due(SUPPLIER_PRODUCTS, limit=limit)}
