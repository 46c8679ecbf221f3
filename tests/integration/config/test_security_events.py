"""Security events: counted for Prometheus, logged with the address, and alerted on when many."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from config import second_factor
from config.clients.redis import quick_redis
from config.telemetry.metrics import REGISTRY
from mlops.models import Alert
from tests.factories.config import create_api_client

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/v1/products/"


@pytest.fixture(autouse=True)
def _no_earlier_counts() -> None:
    cache.clear()


def _count(event: str) -> float:
    return REGISTRY.get_sample_value("cultivar_security_events_total", {"event": event}) or 0


def test_failed_and_blocked_logins_are_counted(settings: Settings) -> None:
    settings.FAILED_LOGINS_BY_NAME = 3
    User.objects.create_superuser("kim", password="correct horse battery")
    before = (_count("login_failed"), _count("login_blocked"))

    for _ in range(4):
        Client().post("/console/login/", {"username": "kim", "password": "wrong"})

    assert (_count("login_failed"), _count("login_blocked")) == (before[0] + 3, before[1] + 1)


def test_refused_second_factor_is_counted() -> None:
    user = User.objects.create_superuser("kim", password="correct horse battery")
    second_factor.begin_setup(user)
    before = _count("second_factor_refused")

    assert second_factor.confirm_setup(user, "not a code") is None

    assert _count("second_factor_refused") == before + 1


def test_refused_key_is_counted_and_logged_with_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = _count("key_refused")

    APIClient(REMOTE_ADDR="198.51.100.20").get(
        PRODUCTS, HTTP_AUTHORIZATION="Api-Key unknown.secret-of-a-client"
    )

    assert _count("key_refused") == before + 1
    log = "".join(str(record.msg) for record in caplog.records)
    assert "api.key_refused" in log
    assert "198.51.100.20" in log
    assert "secret-of-a-client" not in log


def test_request_beyond_the_scopes_of_its_key_is_counted() -> None:
    before = _count("permission_refused")

    assert create_api_client("public", ("events:write",)).get(PRODUCTS).status_code == 403

    assert _count("permission_refused") == before + 1


def test_guessed_keys_open_one_alert_without_the_address(settings: Settings) -> None:
    settings.FAILED_AUTHENTICATION_RATE = "2/hour"
    address = f"2001:db8::{uuid4().hex[:4]}"
    quick_redis().call(lambda client: client.delete(f"keys:refused:{address}"))
    client = APIClient(REMOTE_ADDR=address)

    statuses = [client.get(PRODUCTS).status_code for _ in range(2)]
    before = Alert.objects.filter(code="keys_refused").count()
    statuses += [client.get(PRODUCTS).status_code for _ in range(3)]

    alert: Any = Alert.objects.get(code="keys_refused")
    assert statuses == [401, 401, 429, 429, 429]
    assert before == 0
    assert address not in f"{alert.subject} {alert.message}"


def test_alert_of_guessed_keys_is_opened_again_only_after_an_hour(settings: Settings) -> None:
    settings.FAILED_AUTHENTICATION_RATE = "1/hour"
    client = APIClient(REMOTE_ADDR=f"2001:db8:1::{uuid4().hex[:4]}")
    for _ in range(2):
        client.get(PRODUCTS)
    Alert.objects.filter(code="keys_refused").delete()

    client.get(PRODUCTS)

    assert not Alert.objects.filter(code="keys_refused").exists()
