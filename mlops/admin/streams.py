"""Streams in the console: how far behind, how fast, what was rejected, what waits to be told."""

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
from mlops.streams.event_types import TOPICS
from mlops.streams.intake import PIPELINE
from mlops.streams.lag import DEAD_LETTERS, ERRORS, LAG, RATE

_RECENT = timedelta(hours=1)
_DAY = timedelta(days=1)


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnlyAdmin):
    """Events that were applied, by whichever way they came."""

    list_display = ("id", "topic", "type", "channel", "occurred_at", "received_at")
    list_filter = ("topic", "type", "channel")
    ordering = ("-received_at",)
    show_full_result_count = False  # counting millions takes longer than anybody waits

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
        """Show each partition, each topic, and the last hour."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        recent = SystemMetric.objects.filter(measured_at__gt=timezone.now() - _RECENT)
        page = {
            **self.admin_site.each_context(request),
            "title": "Streams",
            "is_configured": is_configured(),
            "places": _places(recent),
            "topics": _topics(),
            "due": OutboxEvent.objects.filter(published_at=None).count(),
            "errors": int(recent.filter(name=ERRORS).aggregate(sum=Sum("value"))["sum"] or 0),
            "chart": json.dumps(_chart(recent)),
        }
        return TemplateResponse(request, "admin/mlops/streams.html", page)


def _places(recent: QuerySet[SystemMetric]) -> Sequence[Mapping[str, Any]]:
    """Return, of each consumer and partition heard of in the last hour, what was measured last."""
    newest: dict[str, dict[str, Any]] = {}
    for row in (
        recent.filter(name__in=(LAG, RATE, DEAD_LETTERS))
        .order_by("source", "name", "-measured_at")
        .distinct("source", "name")
    ):
        consumer, _, place = row.source.rpartition(" ")
        held = newest.setdefault(
            row.source, {"consumer": consumer, "place": place, "at": row.measured_at}
        )
        held[row.name.removeprefix("stream.")] = row.value
    return [newest[source] for source in sorted(newest)]


def _topics() -> Sequence[Mapping[str, Any]]:
    """Return, of each topic, how many events were applied in the last day, and how many lie in quarantine."""
    came = (
        InboxEvent.objects.filter(received_at__gt=timezone.now() - _DAY)
        .values("topic")
        .annotate(count=Count("*"))
    )
    kept = QuarantinedRecord.objects.filter(run__pipeline=PIPELINE, closed_at=None).values("source")
    applied = dict(came.values_list("topic", "count"))
    rejected = dict(kept.annotate(count=Count("*")).values_list("source", "count"))
    return [
        {"topic": one, "applied": applied.get(one, 0), "rejected": rejected.get(one, 0)}
        for one in TOPICS
    ]


def _summed(by_place: Any) -> dict[datetime, float]:
    """Return the sum of all partitions by minute."""
    found: dict[datetime, float] = defaultdict(float)
    for minute, told in by_place.values_list("minute", "told"):
        found[minute] += told
    return found


def _chart(recent: QuerySet[SystemMetric]) -> Mapping[str, Any]:
    """Return lag and rate of all partitions by minute, as Chart.js takes them."""
    # Each partition is measured several times a minute: its worst lag and its mean rate, then the sum of all partitions.
    by_place = recent.annotate(minute=TruncMinute("measured_at")).values("minute", "source")
    lag = _summed(by_place.filter(name=LAG).annotate(told=Max("value")))
    rate = _summed(by_place.filter(name=RATE).annotate(told=Avg("value")))
    minutes = sorted({*lag, *rate})
    return {
        "labels": [timezone.localtime(minute).strftime("%H:%M") for minute in minutes],
        "datasets": [
            {
                "label": "waiting",
                "data": [lag.get(m, 0) for m in minutes],
                "borderColor": "var(--color-primary-600)",
            },
            {
                "label": "a second",
                "data": [round(rate.get(m, 0), 1) for m in minutes],
                "borderColor": "var(--color-primary-300)",
            },
        ],
    }
