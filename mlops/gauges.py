"""Gauges of pipelines, streams, sources, models and alerts."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from config.telemetry.gauges import Gauge, Sample, register
from mlops.operational_figures import (
    due_webhook_deliveries,
    newest_gate_outcomes,
    open_alerts_by_code,
    unfinished_runs,
    unpublished_events,
)
from mlops.quality.freshness import monitored_sources
from mlops.streams import selectors
from mlops.waiting_work import open_quarantine

_RECENT = timedelta(minutes=5)


@register(
    Gauge(
        name="cultivar_pipeline_unfinished_runs",
        help="Runs that are landed, running or interrupted",
        labels=("pipeline",),
    ),
    Gauge(
        name="cultivar_pipeline_lag_seconds",
        help="Seconds since the oldest unfinished run began",
        labels=("pipeline",),
    ),
    Gauge(
        name="cultivar_pipeline_unprocessed_records",
        help="Raw records of unfinished runs that are not processed",
        labels=("pipeline",),
    ),
)
def pipelines() -> Iterator[Sample]:
    """Yield the lag of each pipeline with unfinished runs."""
    now = timezone.now()
    for lag in unfinished_runs():
        labels = (lag.pipeline,)
        age = (now - lag.oldest_at).total_seconds()
        yield Sample("cultivar_pipeline_unfinished_runs", lag.runs, labels)
        yield Sample("cultivar_pipeline_lag_seconds", age, labels)
        yield Sample("cultivar_pipeline_unprocessed_records", lag.unprocessed_records, labels)


@register(
    Gauge(
        name="cultivar_stream_lag_events",
        help="Events of a topic that no consumer has applied; of the last five minutes",
        labels=("topic",),
    ),
)
def streams() -> Iterator[Sample]:
    """Yield the lag of each topic, the sum of its partitions."""
    lag: Counter[str] = Counter()
    newest: dict[str, tuple[object, float]] = {}
    for metric in selectors.newest_partition_metrics(since=timezone.now() - _RECENT):
        partition, measured_at = metric["partition"], metric["measured_at"]
        # After a rebalance, two consumers have measured one partition: the newer value counts.
        if "lag" in metric and (partition not in newest or newest[partition][0] < measured_at):
            newest[partition] = (measured_at, metric["lag"])
    for partition, (_, waiting) in newest.items():
        lag[partition.rpartition("/")[0]] += int(waiting)
    for topic, waiting in lag.items():
        yield Sample("cultivar_stream_lag_events", waiting, (topic,))


@register(
    Gauge(name="cultivar_outbox_events", help="Events of the outbox that are not published"),
    Gauge(name="cultivar_outbox_lag_seconds", help="Seconds since the oldest of them was written"),
    Gauge(name="cultivar_webhook_deliveries_due", help="Deliveries to webhooks that are due"),
)
def outbox() -> Iterator[Sample]:
    """Yield what is to be published and delivered."""
    unpublished = unpublished_events()
    age = timezone.now() - unpublished.oldest_at if unpublished.oldest_at else timedelta()
    yield Sample("cultivar_outbox_events", unpublished.count)
    yield Sample("cultivar_outbox_lag_seconds", age.total_seconds())
    yield Sample("cultivar_webhook_deliveries_due", due_webhook_deliveries(timezone.now()))


@register(
    Gauge(
        name="cultivar_source_age_seconds",
        help="Seconds since a source last delivered",
        labels=("source",),
    ),
    Gauge(
        name="cultivar_source_stale",
        help="1: the newest data of a source are too old, or it never delivered",
        labels=("source",),
    ),
)
def sources() -> Iterator[Sample]:
    """Yield the freshness of each source that must deliver."""
    now = timezone.now()
    for source in monitored_sources():
        labels = (source.subject,)
        if source.newest_at is not None:
            age = (now - source.newest_at).total_seconds()
            yield Sample("cultivar_source_age_seconds", age, labels)
        yield Sample("cultivar_source_stale", float(not source.is_fresh(now)), labels)


@register(
    Gauge(
        name="cultivar_gates",
        help="Gates of the newest version of a model by outcome",
        labels=("model", "outcome"),
    )
)
def gates() -> Iterator[Sample]:
    """Yield the numbers of gates by model and outcome."""
    for model, outcome, count in newest_gate_outcomes():
        yield Sample("cultivar_gates", count, (model, outcome))


@register(
    Gauge(
        name="cultivar_open_alerts",
        help="Open alerts by code and severity",
        labels=("code", "severity"),
    ),
    Gauge(name="cultivar_quarantined_records", help="Undecided records in quarantine"),
)
def alerts() -> Iterator[Sample]:
    """Yield the open alerts and the records in quarantine."""
    for code, severity, count in open_alerts_by_code():
        yield Sample("cultivar_open_alerts", count, (code, severity))
    yield Sample("cultivar_quarantined_records", open_quarantine().count)
