"""Measurements and lines become rows of their month, a chart, and alerts where they pass what they must not."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mlops.metrics import lines, names, newest, series
from mlops.models import Alert, InboxEvent, MetricThreshold, SystemMetric
from mlops.streams.decoding import read
from mlops.streams.intake import Intake, take_in

pytestmark = pytest.mark.django_db
PAGE = "/console/mlops/metricthreshold/metrics/"


def _send(*told: tuple[str, dict[str, Any]], at: datetime | None = None) -> Intake:
    events = [
        read(
            {
                "id": str(uuid.uuid4()),
                "type": kind,
                "occurred_at": (at or timezone.now()).isoformat(),
                "data": data,
            },
            topic="system_metrics",
        )
        for kind, data in told
    ]
    return take_in(events, topic="system_metrics", way=InboxEvent.Way.REST)


def _metric(
    value: float, *, name: str = "disk_used_percent", source: str = "db-1"
) -> tuple[str, dict[str, Any]]:
    return "metric", {"source": source, "name": name, "value": value}


def test_series_are_means_by_source_and_moment() -> None:
    now = timezone.now()
    _send(_metric(10), _metric(20), _metric(5, source="db-2"), at=now - timedelta(minutes=30))
    _send(_metric(40), at=now)
    _send(
        _metric(1, name="load"),
        ("log", {"source": "db-1", "level": "error", "message": "disk is slow"}),
    )
    found = series(name="disk_used_percent", since=now - timedelta(hours=1))
    assert {source: [value for _, value in points] for source, points in found.items()} == {
        "db-1": [15, 40],
        "db-2": [5],
    }
    assert names() == ["disk_used_percent", "load"]
    assert {(one["name"], one["source"], one["value"]) for one in newest()} == {
        ("disk_used_percent", "db-1", 40),
        ("disk_used_percent", "db-2", 5),
        ("load", "db-1", 1),
    }
    assert [
        line.message for line in lines(since=now - timedelta(hours=1), levels=["error"], most=5)
    ] == ["disk is slow"]
    assert lines(since=now - timedelta(hours=1), levels=["info"], most=5) == []


def test_an_alert_is_open_while_the_newest_value_passes_its_threshold() -> None:
    MetricThreshold.objects.create(name="disk_used_percent", value=90)
    MetricThreshold.objects.create(name="free_gb", side="below", value=5, source="db-1")
    _send(_metric(95), _metric(3, name="free_gb", source="db-2"))
    assert list(Alert.objects.filter(closed_at=None).values_list("subject", flat=True)) == [
        "db-1 disk_used_percent above"
    ]
    _send(_metric(99), _metric(80))  # the last of a batch holds
    assert not Alert.objects.filter(closed_at=None).exists()
    _send(_metric(3, name="free_gb"))
    assert "3, below 5" in Alert.objects.get(closed_at=None).message


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("metric", {"source": "a", "name": "b", "value": "much"}),
        ("metric", {"source": "", "name": "b", "value": 1}),
        ("log", {"source": "a", "level": "loud", "message": "x"}),
        ("log", {"source": "a", "level": "info", "message": ""}),
        ("metric", {"source": "a", "name": "b", "value": 1, "unit": "%"}),
    ],
)
def test_what_is_no_measurement_is_rejected(kind: str, data: dict[str, Any]) -> None:
    done = _send((kind, data))
    assert len(done.rejected) == 1
    assert done.rejected[0].field.startswith("data.")
    assert not SystemMetric.objects.exists()


def test_the_page_draws_what_was_measured(admin_client: Client) -> None:
    assert "Nothing was measured yet" in admin_client.get(PAGE).content.decode()
    _send(_metric(42), ("log", {"source": "web-1", "level": "warning", "message": "slow <answer>"}))
    answer = admin_client.get(PAGE, {"name": "disk_used_percent", "span": "1h", "level": "warning"})
    drawn = json.loads(answer.context["chart"])
    assert [(one["label"], one["data"]) for one in drawn["datasets"]] == [("db-1", [42.0])]
    page = answer.content.decode()
    assert "slow &lt;answer&gt;" in page
    assert "slow" not in admin_client.get(PAGE, {"level": "error"}).content.decode()
    assert admin_client.get(PAGE, {"span": "century"}).status_code == 200


def test_the_page_is_for_those_who_may(client: Client) -> None:
    client.force_login(User.objects.create_user("reader", password="x", is_staff=True))
    assert client.get(PAGE).status_code == 403
