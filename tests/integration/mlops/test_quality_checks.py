"""Quality rules, freshness, and notification of alerts."""

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
from mlops.quality.rules import check_quality, quality_rules

pytestmark = pytest.mark.django_db(transaction=True)
VIOLATIONS: dict[str, dict[str, Any]] = {
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
        "category": "dried_flower",
        "thc_mg": 5,
        "thc_percentage_high": None,
    },
    "product-flower-strength": {"category": "dried_flower", "thc_percentage_high": 92},
    "product-edible-dose": {"category": "edibles", "thc_mg": 100, "mg_basis": "mg_per_package"},
    "product-flower-weight": {"category": "dried_flower", "weight_grams": None},
}


def _create_product(**values: Any) -> Product:
    valid: dict[str, Any] = {
        "name": "Good",
        "category": "dried_flower",
        "gtin": "00628110000125",
        "price": 9,
        "weight_grams": 3.5,
        "thc_percentage_low": 20,
        "thc_percentage_high": 26,
        "thc_percentage": 23,
    }
    return Product.objects.create(merge_key=str(timezone.now()), **{**valid, **values})


def test_every_rule_has_a_violation_in_a_test() -> None:
    # The rule on merged products needs three: tests/integration/catalog/test_effective_products.py.
    assert {rule.name for rule in quality_rules()} == {*VIOLATIONS, "product-merge-chain"}


@pytest.mark.parametrize("name", list(VIOLATIONS))
def test_a_violation_opens_a_finding_that_closes_when_it_is_corrected(name: str) -> None:
    valid = _create_product()
    invalid = _create_product(**VIOLATIONS[name])

    assert check_quality()[name] == 1
    assert check_quality()[name] == 1
    finding = QualityFinding.objects.get(rule=name)
    assert finding.row_id == invalid.pk
    alerts = Alert.objects.filter(code="quality", subject=name)
    assert alerts.count() == (finding.severity == "error")

    Product.objects.filter(pk=invalid.pk).update(
        **{field: getattr(valid, field) for field in VIOLATIONS[name]}
    )

    assert check_quality()[name] == 0
    assert not alerts.filter(closed_at=None).exists()
    assert set(QualityFinding.objects.values_list("row_id", flat=True)) == {invalid.pk}


def test_a_blocking_rule_rejects_a_correction(admin_user: User) -> None:
    product = _create_product(cbd_percentage=5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE products SET price = -1 WHERE id = %s", [product.pk])
    with pytest.raises(BadInput, match="a price must be more than 0"):
        correct_products(changes={product.pk: {"brand": "Ours"}}, by=admin_user)
    product.refresh_from_db()
    assert product.brand is None


def test_a_source_is_stale_after_24_hours() -> None:
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


class _WebhookServer(HTTPServer):
    statuses: list[int]
    """Statuses of the next responses; then 200."""
    received: list[dict[str, Any]]
    """Bodies of requests that were answered with 200."""


class _WebhookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _WebhookServer)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.received.append(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Do not print requests."""


@pytest.fixture
def webhook(settings: Any) -> Iterator[_WebhookServer]:
    """Start a webhook server, and send alerts to it and by e-mail."""
    server = _WebhookServer(("127.0.0.1", 0), _WebhookHandler)
    server.statuses = []
    server.received = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/alerts"
    settings.ALERT_EMAILS = ["staff@example.com"]
    yield server
    server.shutdown()
    server.server_close()


def test_an_alert_is_sent_once_with_its_newest_message(webhook: _WebhookServer) -> None:
    for message in ("first", "second"):
        open_alert(code="stale", subject="ocs", message=message)

    assert notify_alerts() == 1
    assert notify_alerts() == 0
    assert [alert["message"] for alert in webhook.received] == ["second"]
    assert [(sent.subject, sent.to) for sent in mail.outbox] == [
        ("Cultivar: stale (ocs)", ["staff@example.com"])
    ]


def test_an_alert_that_cannot_be_sent_stays_due(webhook: _WebhookServer) -> None:
    open_alert(code="stale", subject="ocs", message="x")
    webhook.statuses = [404]
    assert notify_alerts() == 0
    assert notify_alerts() == 1
    assert len(webhook.received) == 1
    assert len(mail.outbox) == 1
