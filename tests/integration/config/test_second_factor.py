"""Second factor of staff: set-up, codes, recovery, roles that need it; sessions and their ends."""

import re
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config import second_factor, sessions
from config.clients.redis import quick_redis
from config.crypto import TokenRefused
from config.models import ConsoleSession, SecondFactor

pytestmark = pytest.mark.django_db
HOME = "/console/"
CODE, SETUP, ACCOUNT = "/console/account/code/", "/console/account/setup/", "/console/account/"
SESSIONS = "/console/account/sessions/"
NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def _no_failed_logins() -> None:
    quick_redis().call(lambda client: client.delete(*(client.keys("login:*") or ["login:none"])))


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("kim", password="correct horse battery")


@pytest.fixture
def app(user: User) -> pyotp.TOTP:
    """Return the authenticator app of the user, set up an hour ago."""
    with time_machine.travel(NOON - timedelta(hours=1), tick=False):
        generator = pyotp.TOTP(second_factor.begin_setup(user))
        assert second_factor.confirm_setup(user, generator.at(NOON - timedelta(hours=1)))
    return generator


def _logged_in(user: User) -> Client:
    client = Client(headers={"User-Agent": "Browser of Kim"})
    client.force_login(user)
    return client


def _codes(response: Any) -> list[str]:
    return re.findall(r"<li>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</li>", response.content.decode())


@pytest.mark.parametrize("role", ["Pricing", "Privacy officer", "Operator"])
def test_roles_that_need_it_set_it_up_before_anything_else(role: str, settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ("Pricing", "Privacy officer", "Operator")
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name=role))

    response = _logged_in(user).get(HOME)

    assert response.headers["Location"] == f"{SETUP}?next=%2Fconsole%2F"


def test_other_roles_need_none(settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ("Pricing",)
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name="Catalogue editor"))

    assert _logged_in(user).get(HOME).status_code == 200


def test_superusers_need_it_where_a_role_does(user: User, settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ("Pricing",)

    assert _logged_in(user).get(HOME).headers["Location"].startswith(SETUP)


def test_roles_that_need_it_exist_and_production_requires_them() -> None:
    from config.env import ENV
    from config.settings import roles

    assert ENV.requires_second_factor
    assert len(roles.SECOND_FACTOR_ROLES) == 3
    assert set(roles.SECOND_FACTOR_ROLES) <= set(roles.ROLES)


def test_setup_shows_a_qr_code_and_then_recovery_codes_once(user: User, settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ("Pricing",)
    client = _logged_in(user)
    page = client.get(SETUP).content.decode()
    secret = second_factor.begin_setup(user)

    response = client.post(SETUP, {"code": pyotp.TOTP(secret).now()})

    assert "<svg" in page
    assert secret[:4] in page
    assert len(_codes(response)) == second_factor.RECOVERY_CODES
    assert client.get(HOME).status_code == 200


def test_a_wrong_first_code_sets_nothing_up(user: User) -> None:
    client = _logged_in(user)
    client.get(SETUP)

    response = client.post(SETUP, {"code": "000000"})

    assert "This code is wrong" in response.content.decode()
    assert not second_factor.has_second_factor(user)


def test_password_alone_opens_no_page(user: User, app: pyotp.TOTP) -> None:
    client = _logged_in(user)

    response = client.get("/console/catalog/product/?q=x")

    assert response.headers["Location"] == f"{CODE}?next=%2Fconsole%2Fcatalog%2Fproduct%2F%3Fq%3Dx"


@time_machine.travel(NOON, tick=False)
def test_code_of_the_app_lets_in_and_leads_back(user: User, app: pyotp.TOTP) -> None:
    client = _logged_in(user)
    key = client.session.session_key

    response = client.post(CODE, {"code": app.at(NOON), "next": "/console/catalog/product/"})

    assert response.headers["Location"] == "/console/catalog/product/"
    assert client.get(HOME).status_code == 200
    assert client.session.session_key != key


@time_machine.travel(NOON, tick=False)
def test_address_of_another_host_is_not_followed(user: User, app: pyotp.TOTP) -> None:
    client = _logged_in(user)

    response = client.post(CODE, {"code": app.at(NOON), "next": "https://example.org/"})

    assert response.headers["Location"] == HOME


@time_machine.travel(NOON, tick=False)
def test_a_code_is_accepted_once(user: User, app: pyotp.TOTP) -> None:
    assert second_factor.accepts(user, app.at(NOON))
    assert not second_factor.accepts(user, app.at(NOON))


@pytest.mark.parametrize(
    ("seconds", "is_accepted"), [(-30, True), (30, True), (-60, False), (60, False)]
)
@time_machine.travel(NOON, tick=False)
def test_a_clock_may_be_one_step_off(
    user: User, app: pyotp.TOTP, seconds: int, is_accepted: bool
) -> None:
    assert second_factor.accepts(user, app.at(NOON + timedelta(seconds=seconds))) is is_accepted


def test_a_recovery_code_is_accepted_once(user: User, app: pyotp.TOTP) -> None:
    code = second_factor.renew_recovery_codes(user)[3]

    assert second_factor.accepts(user, code.upper())
    assert not second_factor.accepts(user, code)
    assert second_factor.recovery_codes_left(user) == second_factor.RECOVERY_CODES - 1


@time_machine.travel(NOON, tick=False)
def test_guessing_slows_down_even_for_the_right_code(user: User, app: pyotp.TOTP) -> None:
    for _ in range(3):
        second_factor.accepts(user, "000000")

    with pytest.raises(second_factor.TooManyCodes):
        second_factor.accepts(user, app.at(NOON))


@time_machine.travel(NOON, tick=False)
def test_guessing_in_the_page_names_the_wait(user: User, app: pyotp.TOTP) -> None:
    client = _logged_in(user)
    pages = [client.post(CODE, {"code": "000000"}).content.decode() for _ in range(4)]

    assert "This code is wrong" in pages[2]
    assert "try again in 3 seconds" in pages[3]


def test_forty_guesses_take_hours(user: User, app: pyotp.TOTP) -> None:
    SecondFactor.objects.filter(user=user).update(failure_count=40, failed_at=timezone.now())

    with pytest.raises(second_factor.TooManyCodes) as refusal:
        second_factor.accepts(user, "000000")

    assert refusal.value.seconds > 800


def test_the_secret_is_encrypted_for_its_user(user: User, app: pyotp.TOTP) -> None:
    other = User.objects.create_user("ann", is_staff=True)
    factor = SecondFactor.objects.get(user=user)
    assert app.secret.encode() not in bytes(factor.encrypted_secret)

    moved = SecondFactor(user=other, encrypted_secret=factor.encrypted_secret)

    with pytest.raises(TokenRefused):
        assert moved.secret


@time_machine.travel(NOON, tick=False)
def test_a_needed_second_factor_cannot_be_removed(
    user: User, app: pyotp.TOTP, settings: Any
) -> None:
    settings.SECOND_FACTOR_ROLES = ("Pricing",)
    client = _logged_in(user)
    client.post(CODE, {"code": app.at(NOON)})

    client.post("/console/account/remove/", {"code": app.at(NOON + timedelta(seconds=30))})

    assert second_factor.has_second_factor(user)


@time_machine.travel(NOON, tick=False)
def test_a_voluntary_one_is_removed_with_a_code(user: User, app: pyotp.TOTP) -> None:
    client = _logged_in(user)
    client.post(CODE, {"code": app.at(NOON)})

    client.post("/console/account/remove/", {"code": app.at(NOON + timedelta(seconds=30))})

    assert not second_factor.has_second_factor(user)
    assert client.get(HOME).status_code == 200


def test_a_superuser_resets_it_after_a_question_and_ends_the_sessions(user: User) -> None:
    boss = User.objects.create_superuser("boss")
    second_factor.begin_setup(user)
    lost = _logged_in(user)
    client, page = _logged_in(boss), reverse("admin:auth_user_changelist")
    request = {"action": "reset_second_factor", "_selected_action": [user.pk]}

    question = client.post(page, request)
    assert SecondFactor.objects.filter(user=user).exists()
    client.post(page, {**request, "confirmed": "yes"})

    assert "Make sure that it was they who asked" in question.content.decode()
    assert not SecondFactor.objects.filter(user=user).exists()
    assert lost.get(HOME).status_code == 302


def test_operators_cannot_reset_it() -> None:
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name="Operator"))
    second_factor.begin_setup(user)

    _logged_in(user).post(
        reverse("admin:auth_user_changelist"),
        {"action": "reset_second_factor", "_selected_action": [user.pk], "confirmed": "yes"},
    )

    assert SecondFactor.objects.filter(user=user).exists()


def test_account_page_lists_the_sessions_of_the_user_alone(user: User) -> None:
    _logged_in(user)
    _logged_in(User.objects.create_superuser("other"))
    client = Client(headers={"User-Agent": "Browser of Kim"})
    client.post("/console/login/", {"username": "kim", "password": "correct horse battery"})

    shown = client.get(ACCOUNT).context["sessions"]

    assert sorted((s.browser, s.is_current) for s in shown) == [
        ("", False),
        ("Browser of Kim", True),
    ]


def test_ending_the_other_sessions_keeps_this_one(user: User) -> None:
    other, client = _logged_in(user), _logged_in(user)

    client.post(SESSIONS, {"password": "correct horse battery"})

    assert other.get(HOME).status_code == 302
    assert client.get(HOME).status_code == 200


def test_ending_one_session_keeps_the_others(user: User) -> None:
    first = _logged_in(user)
    (ended,) = sessions.open_sessions(user.pk, current_key=None)
    second, client = _logged_in(user), _logged_in(user)

    client.post(SESSIONS, {"session": ended.handle, "password": "correct horse battery"})

    assert first.get(HOME).status_code == 302
    assert second.get(HOME).status_code == 200


def test_page_that_ends_a_session_asks_for_the_password(user: User) -> None:
    _logged_in(user)
    (listed,) = sessions.open_sessions(user.pk, current_key=None)

    page = _logged_in(user).get(SESSIONS, {"session": listed.handle}).content.decode()

    assert f'name="session" value="{listed.handle}"' in page
    assert 'type="password"' in page


@pytest.mark.parametrize("password", ["", "wrong"])
def test_sessions_end_after_the_right_password_alone(user: User, password: str) -> None:
    other, client = _logged_in(user), _logged_in(user)

    response = client.post(SESSIONS, {"password": password})

    assert response.context["form"].errors["password"]
    assert other.get(HOME).status_code == 200


def test_guessed_passwords_of_open_sessions_count_as_failed_logins(
    user: User, settings: Any
) -> None:
    settings.FAILED_LOGINS_BY_NAME = 2
    other, client = _logged_in(user), _logged_in(user)
    for _ in range(2):
        client.post(SESSIONS, {"password": "wrong"})

    response = client.post(SESSIONS, {"password": "correct horse battery"})

    assert "Too many failed logins" in str(response.context["form"].errors["password"])
    assert other.get(HOME).status_code == 200


def test_a_session_ends_twelve_hours_after_the_login_however_busy(user: User) -> None:
    client = _logged_in(user)
    begin = timezone.now()
    for hours in range(1, 12):
        with time_machine.travel(begin + timedelta(hours=hours), tick=False):
            assert client.get(ACCOUNT).status_code == 200

    with time_machine.travel(begin + timedelta(hours=12, seconds=1), tick=False):
        response = client.get(HOME)

    assert response.headers["Location"].startswith("/console/login/?next=")


def test_expired_sessions_are_deleted_by_the_retention_sweep(user: User) -> None:
    from mlops.privacy.retention import sweep

    _logged_in(user)
    ConsoleSession.objects.update(expire_date=timezone.now() - timedelta(days=2))
    _logged_in(user)

    sweep()

    assert ConsoleSession.objects.count() == 1


def test_pages_need_no_query_for_the_second_factor(user: User, app: pyotp.TOTP) -> None:
    with time_machine.travel(NOON, tick=False):
        client = _logged_in(user)
        client.post(CODE, {"code": app.at(NOON)})
        with CaptureQueriesContext(connection) as queries:
            response = client.get("/console/jsi18n/")

    assert response.status_code == 200
    assert not [q for q in queries.captured_queries if "second_factors" in q["sql"]]


def test_logout_makes_the_browser_forget_pages(user: User) -> None:
    client = _logged_in(user)
    page = client.get(HOME)

    response = client.post(reverse("admin:logout"))

    assert "Clear-Site-Data" not in page.headers
    assert response.headers["Clear-Site-Data"] == '"cache"'
    assert "_auth_user_id" not in client.session
