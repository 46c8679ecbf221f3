"""Doors: one call through, counts back."""

from config.clients.kafka import Producer, is_configured
from mlops.pipelines.tasks import pipeline_task
from mlops.privacy import erasure, partitions, retention
from mlops.quality import alerts, freshness, integrity, rules
from mlops.streams.publisher import publish_due


@pipeline_task(queue="default", soft_time_limit=1800)
def check_quality() -> dict[str, int]:
    """Hold every row against the rules of quality."""
    return rules.check_quality()


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
    return {"told": alerts.notify_alerts()}


@pipeline_task(queue="default")
def make_partitions() -> dict[str, int]:
    """Make the partitions of this and the next three months."""
    return {"made": partitions.make_partitions()}


@pipeline_task(queue="default", soft_time_limit=1800)
def sweep_retention() -> dict[str, int]:
    """Remove what has been kept for long enough."""
    return {sweep.rule: sweep.removed for sweep in retention.sweep()}


@pipeline_task(queue="default", soft_time_limit=1800)
def finish_erasures() -> dict[str, int]:
    """Begin anew what of people's erasures is not complete."""
    return erasure.finish_erasures()


@pipeline_task(queue="default", soft_time_limit=55)
def publish_events() -> dict[str, int]:
    """Publish what our own rows have to tell; without Kafka nothing, and it says so."""
    if not is_configured():
        return {"published": 0, "without_kafka": 1}
    with Producer() as producer:
        return {"published": publish_due(producer)}
