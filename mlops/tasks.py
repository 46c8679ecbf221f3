"""Doors: one call through, counts back."""

from mlops import alerting, checking, freshness, integrity, partitioning
from mlops.flow.task_door import pipeline_task


@pipeline_task(queue="default", soft_time_limit=1800)
def check_quality() -> dict[str, int]:
    """Hold every row against the rules of quality."""
    return checking.check_quality()


@pipeline_task(queue="default")
def check_freshness() -> dict[str, int]:
    """Look for sources that bring nothing any more."""
    return freshness.check_freshness()


@pipeline_task(queue="default", soft_time_limit=1800)
def check_integrity() -> dict[str, int]:
    """Hold every sealed row against its seal."""
    return {"breaches": len(integrity.check_integrity())}


@pipeline_task(queue="default")
def notify_alerts() -> dict[str, int]:
    """Tell people of new alerts."""
    return {"told": alerting.notify_alerts()}


@pipeline_task(queue="default")
def make_partitions() -> dict[str, int]:
    """Make the partitions of this and the next three months."""
    return {"made": partitioning.make_partitions()}
