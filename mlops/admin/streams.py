"""Console pages of streams: consumer lag and rate, rejected events, outbox."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.clients.kafka import is_configured
from mlops.admin.read_only import ReadOnlyAdmin
from mlops.models import InboxEvent
from mlops.streams import selectors

_RECENT = timedelta(hours=1)
_DAY = timedelta(days=1)


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnlyAdmin):
    """Applied events, and the page of streams."""

    list_display = ("id", "topic", "type", "channel", "occurred_at", "received_at")
    list_filter = ("topic", "type", "channel")
    ordering = ("-received_at",)

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
        now = timezone.now()
        recently = now - _RECENT
        page = {
            **self.admin_site.each_context(request),
            "title": _("Streams"),
            "is_configured": is_configured(),
            "partitions": selectors.newest_partition_metrics(since=recently),
            "topics": selectors.event_counts_by_topic(since=now - _DAY),
            "due": selectors.unpublished_event_count(),
            "errors": selectors.consumer_error_count(since=recently),
            "chart": json.dumps(_chart(since=recently)),
        }
        return TemplateResponse(request, "admin/mlops/streams.html", page)


def _chart(*, since: datetime) -> Mapping[str, Any]:
    """Return lag and rate of all partitions by minute, as data of a Chart.js line chart."""
    lag, rate = selectors.lag_and_rate_by_minute(since=since)
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
