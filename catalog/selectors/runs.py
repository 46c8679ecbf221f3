"""Runs of sources."""

from mlops.models import Run


def get_run(run_id: str) -> Run:
    """Return a run. Raises Run.DoesNotExist."""
    return Run.objects.get(pk=run_id)


def latest_run(source: str) -> Run | None:
    """Return the latest run of a source, without dry runs; None: it has never run."""
    return Run.objects.filter(source=source, is_dry_run=False).first()
