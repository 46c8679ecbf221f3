"""Queries on streams, for the console: consumers, events by topic, lag and rate."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, Max, QuerySet, Sum
from django.db.models.functions import TruncMinute

from mlops.models import InboxEvent, OutboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams.event_types import event_topics
from mlops.streams.intake import PIPELINE
from mlops.streams.lag import DEAD_LETTERS, ERRORS, LAG, RATE


def newest_partition_metrics(*, since: datetime) -> Sequence[Mapping[str, Any]]:
    """
    Return the newest metrics of each consumer and partition since a time, ordered by both.

    Keys: consumer, partition, measured_at, and each metric by its name without `stream.`.
    """
    newest = (
        _metrics(since)
        .filter(name__in=(LAG, RATE, DEAD_LETTERS))
        .order_by("source", "name", "-measured_at")
        .distinct("source", "name")
    )
    by_source: dict[str, dict[str, Any]] = {}
    for metric in newest:
        consumer, _, partition = metric.source.rpartition(" ")
        row = by_source.setdefault(
            metric.source,
            {"consumer": consumer, "partition": partition, "measured_at": metric.measured_at},
        )
        row[metric.name.removeprefix("stream.")] = metric.value
    return [by_source[source] for source in sorted(by_source)]


def event_counts_by_topic(*, since: datetime) -> Sequence[Mapping[str, Any]]:
    """Return the numbers of events accepted since a time and of quarantined ones, by topic."""
    inbox = InboxEvent.objects.filter(received_at__gt=since)
    accepted = dict(inbox.values("topic").annotate(count=Count("*")).values_list("topic", "count"))
    quarantine = QuarantinedRecord.objects.filter(run__pipeline=PIPELINE, closed_at=None)
    rejected = dict(
        quarantine.values("source").annotate(count=Count("*")).values_list("source", "count")
    )
    return [
        {"topic": topic, "accepted": accepted.get(topic, 0), "rejected": rejected.get(topic, 0)}
        for topic in event_topics()
    ]


def unpublished_event_count() -> int:
    """Return the number of events in the outbox that are not published."""
    return OutboxEvent.objects.filter(published_at=None).count()


def consumer_error_count(*, since: datetime) -> int:
    """Return the number of failures of consumers since a time."""
    return int(_metrics(since).filter(name=ERRORS).aggregate(sum=Sum("value"))["sum"] or 0)


def lag_and_rate_by_minute(
    *, since: datetime
) -> tuple[Mapping[datetime, float], Mapping[datetime, float]]:
    """Return the lag and the rate of all partitions together by minute."""
    # A partition has several measurements a minute: take its highest lag and its mean rate, then
    # the sum of all partitions.
    by_partition = (
        _metrics(since).annotate(minute=TruncMinute("measured_at")).values("minute", "source")
    )
    lag = _sum_by_minute(by_partition.filter(name=LAG).annotate(of_partition=Max("value")))
    rate = _sum_by_minute(by_partition.filter(name=RATE).annotate(of_partition=Avg("value")))
    return lag, rate


def _metrics(since: datetime) -> QuerySet[SystemMetric]:
    return SystemMetric.objects.filter(measured_at__gt=since)


def _sum_by_minute(by_partition: Any) -> dict[datetime, float]:
    """Return the sum of all partitions for each minute."""
    sums: dict[datetime, float] = defaultdict(float)
    for minute, value in by_partition.values_list("minute", "of_partition"):
        sums[minute] += value
    return sums
