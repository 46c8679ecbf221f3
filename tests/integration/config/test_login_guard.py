"""Console logins: guessing is stopped by name and by address, and reported; sessions end."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from config.clients.redis import quick_redis
from config.settings import security
from mlops.models import Alert

pytestmark = pytest.mark.django_db
LOGIN = "/console/login/"


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.FAILED_LOGINS_BY_NAME = 3
    settings.FAILED_LOGINS_BY_ADDRESS = 6
    cache.clear()
    quick_redis().call(lambda client: client.delete(*(client.keys("login:*") or ["login:none"])))


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("kim", password="correct horse battery")


def _log_in(name: str, password: str, *, address: str = "198.51.100.7") -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.post(LOGIN, {"username": name, "password": password, "next": "/console/"})


def _is_logged_in(response: Any) -> bool:
    return bool(response.status_code == 302)


def test_h4_a_name_is_blocked_after_failed_logins(user: User) -> None:
    for number in range(3):
        _log_in("kim", "wrong", address=f"198.51.100.{number}")

    blocked = _log_in("kim", "correct horse battery", address="198.51.100.9")

    assert not _is_logged_in(blocked)
    assert "Too many failed logins" in blocked.content.decode()


def test_h4_an_address_is_blocked_after_failed_logins(user: User) -> None:
    for number in range(6):
        _log_in(f"name-{number}", "wrong")

    same_address = _log_in("kim", "correct horse battery")
    other_address = _log_in("kim", "correct horse battery", address="198.51.100.8")

    assert not _is_logged_in(same_address)
    assert _is_logged_in(other_address)


def test_fewer_failed_logins_do_not_block(user: User) -> None:
    for _ in range(2):
        _log_in("kim", "wrong")

    assert _is_logged_in(_log_in("kim", "correct horse battery"))


def test_h4_a_blocked_login_opens_an_alert_without_the_name(user: User) -> None:
    for _ in range(4):
        _log_in("kim", "wrong")

    alert = Alert.objects.get(code="login_blocked")
    assert "kim" not in f"{alert.subject} {alert.message}"


def test_h4_a_login_guessed_40_times_is_locked_and_alerted_by_the_shipped_limits(
    user: User, settings: Any
) -> None:
    settings.FAILED_LOGINS_BY_NAME = security.FAILED_LOGINS_BY_NAME
    settings.FAILED_LOGINS_BY_ADDRESS = security.FAILED_LOGINS_BY_ADDRESS

    # The fortieth guess is right, and each comes from another address.
    for number in range(39):
        _log_in("kim", f"guess {number}", address=f"198.51.100.{number}")
    fortieth = _log_in("kim", "correct horse battery", address="198.51.100.200")

    assert not _is_logged_in(fortieth)
    assert Alert.objects.filter(code="login_blocked", closed_at=None).count() == 1


def test_h4_a_failed_login_is_logged_without_the_name(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    _log_in("kim", "wrong")

    records = [str(record.msg) for record in caplog.records if "login.failed" in str(record.msg)]
    assert records
    assert "kim" not in "".join(records)


def test_l1_a_login_with_a_foreign_next_leads_to_the_console(user: User) -> None:
    values = {"username": "kim", "password": "correct horse battery"}

    response = Client().post(LOGIN, {**values, "next": "https://evil.example/"})

    assert response["Location"] == reverse("admin:index")


def test_m15_pages_and_data_have_policies(user: User) -> None:
    page = Client().get(LOGIN)
    data = Client().get("/api/v1/products/")

    assert "object-src 'none'" in page["Content-Security-Policy"]
    assert "base-uri 'none'" in page["Content-Security-Policy"]
    assert data["Content-Security-Policy"].startswith("default-src 'none'")
    assert all("camera=()" in response["Permissions-Policy"] for response in (page, data))


def test_m15_a_session_ends_two_hours_after_the_last_request(user: User, settings: Any) -> None:
    client = Client()
    client.force_login(user)
    client.get(reverse("admin:index"))

    assert settings.SESSION_SAVE_EVERY_REQUEST
    assert client.session.get_expiry_age() <= 7200
