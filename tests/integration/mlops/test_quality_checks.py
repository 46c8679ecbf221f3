"""Quality, freshness, and alerts that reach people."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.utils import timezone

from catalog.models import CatalogSource, Product
from catalog.services.corrections import correct_products
from config.errors import BadInput
from mlops.models import Alert, QualityFinding, Run
from mlops.quality.alerts import notify_alerts, open_alert
from mlops.quality.freshness import check_freshness
from mlops.quality.rules import check_quality, rules

pytestmark = pytest.mark.django_db(transaction=True)
BROKEN: dict[str, dict[str, Any]] = {
    "product-name": {"name": " "},
    "product-thc-percent": {"thc_percentage": 101},
    "product-cbd-percent": {"cbd_percentage_low": -1},
    "product-ranges": {"thc_percentage_low": 9, "thc_percentage_high": 8},
    "product-price": {"price": 0},
    "product-sizes": {"weight_grams": 0},
    "product-category": {"category": "sweets"},
    "product-strain-type": {"strain_type": "purple"},
    "product-both-percent": {"thc_percentage": 60, "cbd_percentage": 60},
    "product-gtin": {"gtin": "00628110000128"},
    "product-category-missing": {"category": None},
    "product-price-odd": {"price": 5000},
    "product-flower-potency": {
        "category": "dried-flower",
        "thc_mg": 5,
        "thc_percentage_high": None,
    },
    "product-flower-strength": {"category": "dried-flower", "thc_percentage_high": 92},
    "product-edible-dose": {"category": "edibles", "thc_mg": 100, "mg_unit": "mg_per_package"},
    "product-flower-weight": {"category": "dried-flower", "weight_grams": None},
}


def _good(**facts: Any) -> Product:
    known: dict[str, Any] = {
        "name": "Good",
        "category": "dried-flower",
        "gtin": "00628110000125",
        "price": 9,
        "weight_grams": 3.5,
        "thc_percentage_low": 20,
        "thc_percentage_high": 26,
        "thc_percentage": 23,
    }
    return Product.objects.create(merge_key=str(timezone.now()), **{**known, **facts})


def test_every_rule_has_a_row_that_breaks_it() -> None:
    assert {rule.name for rule in rules()} == set(BROKEN)


@pytest.mark.parametrize("name", list(BROKEN))
def test_rule_finds_what_breaks_it_and_closes_when_mended(name: str) -> None:
    good, bad = _good(), _good(**BROKEN[name])
    assert check_quality()[name] == 1
    assert check_quality()[name] == 1
    finding = QualityFinding.objects.get(rule=name)
    assert finding.row_id == bad.pk
    alert = Alert.objects.filter(code="quality", subject=name)
    assert alert.count() == (finding.severity == "error")
    Product.objects.filter(pk=bad.pk).update(
        **{field: getattr(good, field) for field in BROKEN[name]}
    )
    assert check_quality()[name] == 0
    assert not alert.filter(closed_at=None).exists()
    assert set(QualityFinding.objects.values_list("row_id", flat=True)) == {bad.pk}


def test_blocking_rule_refuses_a_correction(admin_user: User) -> None:
    product = _good(cbd_percentage=5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE products SET price = -1 WHERE id = %s", [product.pk])
    with pytest.raises(BadInput, match="a price must be more than 0"):
        correct_products(changes={product.pk: {"brand": "Ours"}}, by=admin_user)
    product.refresh_from_db()
    assert product.brand is None


def test_source_is_stale_after_24_hours() -> None:
    CatalogSource.objects.filter(pk="ocs").update(is_enabled=True)
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    Run.objects.create(pipeline="p", source="ocs", status=Run.Status.SUCCEEDED, finished_at=start)
    for hours, count in ((23.9, 0), (24.1, 1), (30, 1)):
        with time_machine.travel(start + timedelta(hours=hours), tick=False):
            check_freshness()
        assert Alert.objects.filter(code="stale", subject="ocs", closed_at=None).count() == count
    assert Alert.objects.count() == 1
    with time_machine.travel(start + timedelta(hours=31), tick=False):
        Run.objects.create(
            pipeline="p", source="ocs", status=Run.Status.SUCCEEDED, finished_at=timezone.now()
        )
        check_freshness()
    assert not Alert.objects.filter(closed_at=None).exists()


class _Hook(HTTPServer):
    answers: list[int]
    told: list[dict[str, Any]]


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Hook)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.told.append(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook(settings: Any) -> Iterator[_Hook]:
    """Something that takes alerts."""
    server = _Hook(("127.0.0.1", 0), _Answer)
    server.answers, server.told = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/alerts"
    settings.ALERT_EMAILS = ["staff@example.com"]
    yield server
    server.shutdown()
    server.server_close()


def test_people_are_told_once_of_an_incident(hook: _Hook) -> None:
    for message in ("first", "second"):
        open_alert(code="stale", subject="ocs", message=message)
    assert notify_alerts() == 1
    assert notify_alerts() == 0
    assert [told["message"] for told in hook.told] == ["second"]
    assert [(sent.subject, sent.to) for sent in mail.outbox] == [
        ("Cultivar: stale (ocs)", ["staff@example.com"])
    ]


def test_alert_that_cannot_be_sent_stays_due(hook: _Hook) -> None:
    open_alert(code="stale", subject="ocs", message="x")
    hook.answers = [404]
    assert notify_alerts() == 0
    assert notify_alerts() == 1
    assert len(hook.told) == len(mail.outbox) == 1
