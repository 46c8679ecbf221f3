"""Console pages of streams: consumer lag and rate, rejected events, outbox."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Avg, Count, Max, QuerySet, Sum
from django.db.models.functions import TruncMinute
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from config.clients.kafka import is_configured
from mlops.admin.read_only import ReadOnlyAdmin
from mlops.models import InboxEvent, OutboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams.event_types import event_topics
from mlops.streams.intake import PIPELINE
from mlops.streams.lag import DEAD_LETTERS, ERRORS, LAG, RATE

_RECENT = timedelta(hours=1)
_DAY = timedelta(days=1)


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnlyAdmin):
    """Applied events, and the page of streams."""

    list_display = ("id", "topic", "type", "channel", "occurred_at", "received_at")
    list_filter = ("topic", "type", "channel")
    ordering = ("-received_at",)
    show_full_result_count = False  # counting millions of rows takes too long

    def get_urls(self) -> list[Any]:
        """Add the page of streams."""
        return [
            path(
                "streams/",
                self.admin_site.admin_view(self.streams),
                name="mlops_inboxevent_streams",
            ),
            *super().get_urls(),
        ]

    def streams(self, request: HttpRequest) -> HttpResponse:
        """Show each topic and each partition, and a chart of the last hour."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        recent = SystemMetric.objects.filter(measured_at__gt=timezone.now() - _RECENT)
        page = {
            **self.admin_site.each_context(request),
            "title": "Streams",
            "is_configured": is_configured(),
            "partitions": _partitions(recent),
            "topics": _topics(),
            "due": OutboxEvent.objects.filter(published_at=None).count(),
            "errors": int(recent.filter(name=ERRORS).aggregate(sum=Sum("value"))["sum"] or 0),
            "chart": json.dumps(_chart(recent)),
        }
        return TemplateResponse(request, "admin/mlops/streams.html", page)


def _partitions(recent: QuerySet[SystemMetric]) -> Sequence[Mapping[str, Any]]:
    """Return the newest metrics of each consumer and partition of the last hour."""
    newest = (
        recent.filter(name__in=(LAG, RATE, DEAD_LETTERS))
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


def _topics() -> Sequence[Mapping[str, Any]]:
    """Return the numbers of accepted events of the last day and of quarantined ones by topic."""
    inbox = InboxEvent.objects.filter(received_at__gt=timezone.now() - _DAY)
    accepted = dict(inbox.values("topic").annotate(count=Count("*")).values_list("topic", "count"))
    quarantine = QuarantinedRecord.objects.filter(run__pipeline=PIPELINE, closed_at=None)
    rejected = dict(
        quarantine.values("source").annotate(count=Count("*")).values_list("source", "count")
    )
    return [
        {"topic": topic, "accepted": accepted.get(topic, 0), "rejected": rejected.get(topic, 0)}
        for topic in event_topics()
    ]


def _chart(recent: QuerySet[SystemMetric]) -> Mapping[str, Any]:
    """Return lag and rate of all partitions by minute, as data of a Chart.js line chart."""
    # A partition has several measurements a minute: take its highest lag and its mean rate, then
    # the sum of all partitions.
    by_partition = recent.annotate(minute=TruncMinute("measured_at")).values("minute", "source")
    lag = _sum_by_minute(by_partition.filter(name=LAG).annotate(of_partition=Max("value")))
    rate = _sum_by_minute(by_partition.filter(name=RATE).annotate(of_partition=Avg("value")))
    minutes = sorted({*lag, *rate})
    return {
        "labels": [timezone.localtime(minute).strftime("%H:%M") for minute in minutes],
        "datasets": [
            {
                "label": "waiting",
                "data": [lag.get(minute, 0) for minute in minutes],
                "borderColor": "var(--color-primary-600)",
            },
            {
                "label": "per second",
                "data": [round(rate.get(minute, 0), 1) for minute in minutes],
                "borderColor": "var(--color-primary-300)",
            },
        ],
    }


def _sum_by_minute(by_partition: Any) -> dict[datetime, float]:
    """Return the sum of all partitions for each minute."""
    sums: dict[datetime, float] = defaultdict(float)
    for minute, value in by_partition.values_list("minute", "of_partition"):
        sums[minute] += value
    return sums
