"""System metrics: storage, queries, thresholds, and the console page."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mlops.metrics import metric_names, metric_series, newest_log_lines, newest_values
from mlops.models import Alert, InboxEvent, MetricThreshold, SystemMetric
from mlops.streams.decoding import decode_event
from mlops.streams.intake import IntakeResult, apply_events

pytestmark = pytest.mark.django_db
PAGE = "/console/mlops/metricthreshold/metrics/"


def _send(*events: tuple[str, dict[str, Any]], at: datetime | None = None) -> IntakeResult:
    decoded = [
        decode_event(
            {
                "id": str(uuid.uuid4()),
                "type": event_type,
                "occurred_at": (at or timezone.now()).isoformat(),
                "data": data,
            },
            topic="system_metrics",
        )
        for event_type, data in events
    ]
    return apply_events(decoded, topic="system_metrics", channel=InboxEvent.Channel.REST)


def _metric(
    value: float, *, name: str = "disk_used_percent", source: str = "db-1"
) -> tuple[str, dict[str, Any]]:
    return "metric", {"source": source, "name": name, "value": value}


def test_series_are_means_by_source_and_interval() -> None:
    now = timezone.now()
    _send(_metric(10), _metric(20), _metric(5, source="db-2"), at=now - timedelta(minutes=30))
    _send(_metric(40), at=now)

    series = metric_series(name="disk_used_percent", since=now - timedelta(hours=1))

    values = {source: [value for _, value in points] for source, points in series.items()}
    assert values == {"db-1": [15, 40], "db-2": [5]}


def test_names_newest_values_and_log_lines_are_listed() -> None:
    now = timezone.now()
    hour_ago = now - timedelta(hours=1)
    _send(_metric(10), _metric(5, source="db-2"), at=now - timedelta(minutes=30))
    _send(_metric(40), at=now)
    log_line = ("log", {"source": "db-1", "level": "error", "message": "disk is slow"})
    _send(_metric(1, name="load"), log_line)

    errors = newest_log_lines(since=hour_ago, levels=["error"], max_lines=5)
    infos = newest_log_lines(since=hour_ago, levels=["info"], max_lines=5)

    assert metric_names() == ["disk_used_percent", "load"]
    assert {(row["name"], row["source"], row["value"]) for row in newest_values()} == {
        ("disk_used_percent", "db-1", 40),
        ("disk_used_percent", "db-2", 5),
        ("load", "db-1", 1),
    }
    assert [line.message for line in errors] == ["disk is slow"]
    assert infos == []


def test_an_alert_is_open_while_the_newest_value_exceeds_its_threshold() -> None:
    MetricThreshold.objects.create(name="disk_used_percent", value=90)
    MetricThreshold.objects.create(name="free_gb", side="below", value=5, source="db-1")

    _send(_metric(95), _metric(3, name="free_gb", source="db-2"))
    assert list(Alert.objects.filter(closed_at=None).values_list("subject", flat=True)) == [
        "db-1 disk_used_percent above"
    ]

    _send(_metric(99), _metric(80))  # the last value of a batch counts
    assert not Alert.objects.filter(closed_at=None).exists()

    _send(_metric(3, name="free_gb"))
    assert "3, below 5" in Alert.objects.get(closed_at=None).message


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("metric", {"source": "a", "name": "b", "value": "much"}),
        ("metric", {"source": "", "name": "b", "value": 1}),
        ("log", {"source": "a", "level": "loud", "message": "x"}),
        ("log", {"source": "a", "level": "info", "message": ""}),
        ("metric", {"source": "a", "name": "b", "value": 1, "unit": "%"}),
    ],
)
def test_invalid_metrics_and_log_lines_are_rejected(event_type: str, data: dict[str, Any]) -> None:
    result = _send((event_type, data))

    assert len(result.rejected) == 1
    assert result.rejected[0].field.startswith("data.")
    assert not SystemMetric.objects.exists()


def test_page_shows_that_there_are_no_measurements(admin_client: Client) -> None:
    assert "No measurements yet" in admin_client.get(PAGE).content.decode()


def test_page_shows_a_chart_and_log_lines(admin_client: Client) -> None:
    log_line = ("log", {"source": "web-1", "level": "warning", "message": "slow <answer>"})
    _send(_metric(42), log_line)

    response = admin_client.get(
        PAGE, {"name": "disk_used_percent", "span": "1h", "level": "warning"}
    )

    chart = json.loads(response.context["chart"])
    assert [(line["label"], line["data"]) for line in chart["datasets"]] == [("db-1", [42.0])]
    assert "slow &lt;answer&gt;" in response.content.decode()
    assert "slow" not in admin_client.get(PAGE, {"level": "error"}).content.decode()
    assert admin_client.get(PAGE, {"span": "century"}).status_code == 200


def test_page_requires_permission(client: Client) -> None:
    client.force_login(User.objects.create_user("reader", password="x", is_staff=True))

    assert client.get(PAGE).status_code == 403
