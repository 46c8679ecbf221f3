"""E-mails about alerts: who receives which, once, also after failures."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mlops.models import AlertEmail, AlertSubscription
from mlops.quality import alert_emails
from mlops.quality.alert_emails import MAX_ATTEMPTS, send_alert_emails
from mlops.quality.alerts import close_alerts, open_alert
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> User:
    user = User.objects.create_user("ophelia", "ophelia@example.org", None, is_staff=True)
    user.groups.add(Group.objects.get(name="Operator"))
    return user


@pytest.fixture
def subscribe(operator: User) -> Callable[..., AlertSubscription]:
    def create(**fields: Any) -> AlertSubscription:
        values = {"user": operator, "severities": ["error", "warning"], **fields}
        return AlertSubscription.objects.create(**values)

    return create


@pytest.fixture
def broken_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_message: Any, *_arguments: Any, **_options: Any) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)


def test_subscriber_receives_a_new_alert_once(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="no data", severity="warning")

    send_alert_emails()
    send_alert_emails()

    (message,) = mail.outbox
    assert message.to == ["ophelia@example.org"]
    assert "Source without recent data (ocs)" in message.subject
    assert "no data" in message.body
    assert "Run the source by hand." in message.body


def test_message_is_in_the_language_of_the_subscription(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe(language="fr")
    open_alert(code="stale", subject="ocs", message="no data", severity="warning")

    send_alert_emails()

    (message,) = mail.outbox
    assert "Source sans données récentes" in message.subject


def test_message_leads_to_the_alert(
    subscribe: Callable[..., AlertSubscription], settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://console.example.org"]
    subscribe()
    alert = open_alert(code="stale", subject="ocs", message="no data")

    send_alert_emails()

    path = reverse("admin:mlops_alert_change", args=[alert.pk])
    assert f"https://console.example.org{path}" in mail.outbox[0].body


def test_only_chosen_severities_and_kinds_are_sent(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe(severities=["error"], codes=["integrity", "stale"])
    open_alert(code="integrity", subject="products", message="x", severity="error")
    open_alert(code="stale", subject="ocs", message="x", severity="warning")
    open_alert(code="quality", subject="thc", message="x", severity="error")

    send_alert_emails()

    assert [message.subject.split(" (")[1] for message in mail.outbox] == ["products)"]


def test_two_subscriptions_of_a_person_send_one_message(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    subscribe(codes=["stale"])
    open_alert(code="stale", subject="ocs", message="x")

    send_alert_emails()

    assert len(mail.outbox) == 1


def test_alerts_before_the_subscription_are_not_sent(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    open_alert(code="stale", subject="ocs", message="x")
    subscribe(created_at=timezone.now() + timedelta(hours=1))

    send_alert_emails()

    assert mail.outbox == []


@pytest.mark.parametrize("loss", ["permission", "account", "subscription", "address"])
def test_nothing_is_sent_to_those_who_may_not_or_will_not(
    subscribe: Callable[..., AlertSubscription], operator: User, loss: str
) -> None:
    subscription = subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    if loss == "permission":
        operator.groups.clear()
    elif loss == "account":
        User.objects.filter(pk=operator.pk).update(is_active=False)
    elif loss == "address":
        User.objects.filter(pk=operator.pk).update(email="")
    else:
        AlertSubscription.objects.filter(pk=subscription.pk).update(is_active=False)

    send_alert_emails()

    assert mail.outbox == []


@pytest.mark.usefixtures("broken_server")
def test_failed_message_is_due_again_later(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    before = timezone.now()

    counts = send_alert_emails()

    message = AlertEmail.objects.get()
    assert counts["pending"] == 1
    assert (message.status, message.attempts, message.error) == (
        "pending",
        1,
        "ConnectionRefusedError",
    )
    assert message.next_attempt_at > before


def test_message_is_sent_when_the_server_is_back(
    subscribe: Callable[..., AlertSubscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    with monkeypatch.context() as patch:
        patch.setattr(
            "django.core.mail.EmailMessage.send", lambda *_: (_ for _ in ()).throw(OSError)
        )
        send_alert_emails()
    AlertEmail.objects.update(next_attempt_at=timezone.now())

    send_alert_emails()

    message = AlertEmail.objects.get()
    assert (message.status, message.attempts, message.error) == ("sent", 2, "")
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("broken_server")
def test_message_is_given_up_after_the_last_attempt(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    send_alert_emails()
    AlertEmail.objects.update(attempts=MAX_ATTEMPTS - 1, next_attempt_at=timezone.now())

    counts = send_alert_emails()

    assert counts["dead"] == 1
    assert send_alert_emails()["dead"] == 0


@pytest.mark.usefixtures("broken_server")
def test_message_about_a_closed_alert_is_dropped(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    send_alert_emails()
    close_alerts(codes=("stale",), subject="ocs")
    AlertEmail.objects.update(next_attempt_at=timezone.now())

    counts = send_alert_emails()

    assert counts["dropped"] == 1


def test_repeated_messages_have_one_message_id(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    send_alert_emails()
    AlertEmail.objects.update(status="pending", next_attempt_at=timezone.now())

    send_alert_emails()

    first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first == second


def test_message_that_another_process_sends_is_left_to_it(
    subscribe: Callable[..., AlertSubscription],
) -> None:
    subscribe()
    open_alert(code="stale", subject="ocs", message="x")
    alert_emails._queue_messages()
    alert_emails._claim(timezone.now())

    send_alert_emails()

    assert mail.outbox == []


class TestConsole:
    """Everybody who may see alerts manages their own subscriptions."""

    ADDRESS = "/console/mlops/alertsubscription/"

    @pytest.fixture
    def client(self, operator: User) -> Client:
        client = Client()
        client.force_login(operator)
        return client

    def test_person_subscribes(self, client: Client, operator: User) -> None:
        client.post(
            f"{self.ADDRESS}add/",
            {"severities": ["error"], "codes": ["stale"], "language": "fr", "is_active": "on"},
        )

        subscription = AlertSubscription.objects.get()
        assert subscription.user == operator
        assert (subscription.severities, subscription.codes) == (["error"], ["stale"])
        assert subscription.language == "fr"

    def test_person_without_an_address_is_asked_for_one(
        self, client: Client, operator: User
    ) -> None:
        User.objects.filter(pk=operator.pk).update(email="")

        response = client.post(
            f"{self.ADDRESS}add/", {"severities": ["error"], "language": "en", "is_active": "on"}
        )

        (error,) = response.context["adminform"].form.non_field_errors()
        assert "no e-mail address" in error
        assert not AlertSubscription.objects.exists()

    def test_subscriptions_of_others_are_not_shown(
        self, client: Client, subscribe: Callable[..., AlertSubscription]
    ) -> None:
        other = User.objects.create_user("marc", "marc@example.org", None, is_staff=True)
        theirs = subscribe(user=other)

        shown = client.get(self.ADDRESS).context["cl"].result_list
        page = client.get(f"{self.ADDRESS}{theirs.pk}/change/", follow=True)

        assert list(shown) == []
        assert message_levels(page) == ["warning"]

    def test_page_is_refused_to_those_who_may_not_see_alerts(self) -> None:
        editor = User.objects.create_user("edith", "e@example.org", None, is_staff=True)
        editor.groups.add(Group.objects.get(name="Pricing"))
        client = Client()
        client.force_login(editor)

        assert client.get(self.ADDRESS).status_code == 403

    def test_list_needs_few_queries(
        self,
        client: Client,
        subscribe: Callable[..., AlertSubscription],
        django_assert_max_num_queries: Any,
    ) -> None:
        for _ in range(10):
            subscribe()

        with django_assert_max_num_queries(10):
            client.get(self.ADDRESS)
