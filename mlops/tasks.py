"""Celery tasks: each calls one service and returns its counts."""

from typing import Any

from django.utils import timezone

from config import figures
from config.clients.kafka import Producer, is_configured
from mlops import experiments
from mlops.models import TrainingRun
from mlops.pipelines.tasks import pipeline_task
from mlops.privacy import erasure, partitions, retention
from mlops.quality import alert_emails, alerts, freshness, integrity_check, rules
from mlops.registry import (
    TRAINERS,
    close_outdated_load_alerts,
    find_trainer,
    update_outcomes,
)
from mlops.registry import monitor_models as measure_models
from mlops.registry import retrain as train_model
from mlops.streams import webhooks
from mlops.streams.publisher import publish_due_events


@pipeline_task(soft_time_limit=1800)
def check_quality() -> dict[str, int]:
    """Check all rows against the quality rules."""
    return rules.check_quality()


@pipeline_task()
def check_freshness() -> dict[str, int]:
    """Alert about sources without recent data."""
    return freshness.check_freshness()


@pipeline_task(soft_time_limit=1800)
def check_integrity() -> dict[str, int]:
    """Compare all sealed rows with their seals."""
    return {"breaches": len(integrity_check.check_integrity())}


@pipeline_task(soft_time_limit=1800)
def deliver_webhooks() -> dict[str, int]:
    """Post the events that are due to their webhooks."""
    return webhooks.deliver_due()


@pipeline_task()
def notify_alerts() -> dict[str, int]:
    """Send new alerts by e-mail and webhook."""
    return {"sent": alerts.notify_alerts()}


@pipeline_task()
def send_alert_emails() -> dict[str, int]:
    """Send new alerts to the staff who have subscribed to them."""
    return alert_emails.send_alert_emails()


@pipeline_task()
def make_partitions() -> dict[str, int]:
    """Create the partitions of this month and the next three."""
    return {"created": partitions.make_partitions()}


@pipeline_task(soft_time_limit=1800)
def sweep_retention() -> dict[str, int]:
    """Delete rows whose retention period is over."""
    return {sweep.rule: sweep.deleted for sweep in retention.sweep()}


@pipeline_task(soft_time_limit=1800)
def finish_erasures() -> dict[str, int]:
    """Repeat unfinished erasures."""
    return erasure.finish_erasures()


@pipeline_task(soft_time_limit=55)
def publish_events() -> dict[str, int]:
    """Publish the events of the outbox; without Kafka only report that it is not configured."""
    if not is_configured():
        return {"published": 0, "without_kafka": 1}
    with Producer() as producer:
        return {"published": publish_due_events(producer)}


@pipeline_task(soft_time_limit=6600)
def retrain(
    *, name: str, seed: int = 0, trigger: str = TrainingRun.Trigger.MANUAL
) -> dict[str, str]:
    """Train a model; wait up to half an hour for another training run."""
    run = train_model(
        find_trainer(name),
        seed=seed,
        trigger=TrainingRun.Trigger(trigger),
        wait_seconds=1800,
    )
    return {"model": name, "verdict": run.version.verdict}


@pipeline_task()
def retrain_models() -> dict[str, int]:
    """Enqueue the training of every model."""
    for name in TRAINERS.by_name():
        retrain.delay(name=name, trigger=TrainingRun.Trigger.SCHEDULE)
    return {"enqueued": len(TRAINERS.by_name())}


@pipeline_task(soft_time_limit=3600)
def monitor_models() -> dict[str, int]:
    """Measure the drift of every model, and enqueue the training that it or new data ask for."""
    counts, requests = measure_models()
    for request in requests:
        retrain.delay(name=request.model, trigger=request.trigger)
    return {**counts, "enqueued": len(requests)}


@pipeline_task(soft_time_limit=1800)
def count_outcomes() -> dict[str, int]:
    """Count the outcomes of what models served, and alert about those that are worse."""
    return update_outcomes()


@pipeline_task(soft_time_limit=1800)
def check_experiments() -> dict[str, int]:
    """Stop experiments that are over or break a guard; alert about unbalanced ones."""
    return experiments.check_experiments()


@pipeline_task()
def check_deployments() -> dict[str, int]:
    """Close the alerts about versions that are no longer deployed."""
    return {"closed": close_outdated_load_alerts(now=timezone.now())}


@pipeline_task(soft_time_limit=600)
def refresh_figure(*, name: str, parameters: dict[str, Any]) -> dict[str, int]:
    """Compute a figure of many rows that a console page shows."""
    figures.refresh_figure(name, parameters)
    return {"refreshed": 1}


@pipeline_task(soft_time_limit=1800)
def refresh_figures() -> dict[str, int]:
    """Compute the figures of many rows that console pages usually show."""
    return {"refreshed": figures.refresh_usual_figures()}
