"""Privacy pages of the console: retention rules and sweeps, erasure receipts, legal holds."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from config.schedule_sync import install_schedule
from customers.models import CustomerProfile
from customers.services import profiles
from mlops.models import Erasure, LegalHold, RetentionSweep
from mlops.privacy.erasure import erase
from mlops.privacy.retention import retention_rules, sweep
from tests.integration.console import is_linked, message_levels

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(client: Client) -> Client:
    """Return a browser of a superuser."""
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def customer() -> CustomerProfile:
    """Return a customer."""
    return profiles.register_customer(external_id="LOYAL-0001", by="key:test")


def _get(browser: Client, name: str, *arguments: Any) -> Any:
    response = browser.get(reverse(f"admin:{name}", args=arguments))
    assert response.status_code == 200
    return response


def _page(browser: Client, name: str, *arguments: Any) -> str:
    return str(_get(browser, name, *arguments).content.decode())


def _is_lifting_offered(browser: Client, hold: LegalHold) -> bool:
    page = _get(browser, "mlops_legalhold_change", hold.pk)
    return is_linked(page, reverse("admin:mlops_legalhold_lift", args=[hold.pk]))


def _set_hold(browser: Client, subject: object, reason: str = "claim 12/26") -> Any:
    return browser.post(
        reverse("admin:mlops_legalhold_add"), {"subject": str(subject), "reason": reason}
    )


def test_retention_page_shows_rules_next_sweep_and_last_sweeps(staff: Client) -> None:
    install_schedule()

    before = _get(staff, "mlops_retentionsweep_changelist").context

    assert [last for _, _, last in before["rules"]] == [None] * len(retention_rules())
    assert (before["next_sweep"].hour, before["next_sweep"].minute) == (3, 30)

    sweep()

    after = _get(staff, "mlops_retentionsweep_changelist")
    assert all(last for _, _, last in after.context["rules"])
    assert [rule.name for rule, _, _ in after.context["rules"]] == [
        rule.name for rule in retention_rules()
    ]
    for rule in retention_rules():
        assert rule.name in after.content.decode()
        assert rule.table in after.content.decode()


def test_retention_page_shows_the_error_of_a_failed_sweep(staff: Client) -> None:
    sweep()
    RetentionSweep.objects.filter(rule=retention_rules()[0].name).update(error="no such column")

    assert "no such column" in _page(staff, "mlops_retentionsweep_changelist")


def test_retention_page_shows_that_the_schedule_is_disabled(staff: Client) -> None:
    install_schedule()
    PeriodicTask.objects.filter(task="mlops.tasks.sweep_retention").update(enabled=False)

    assert _get(staff, "mlops_retentionsweep_changelist").context["next_sweep"] is None


def test_a_hold_is_set_and_lifted(staff: Client, customer: CustomerProfile) -> None:
    assert _set_hold(staff, customer.pk).status_code == 302

    hold = LegalHold.objects.get()
    assert hold.subject == customer.pk
    assert hold.reason == "claim 12/26"
    assert hold.set_by == User.objects.get()
    assert _is_lifting_offered(staff, hold)

    lift_url = reverse("admin:mlops_legalhold_lift", args=[hold.pk])
    assert staff.get(lift_url).context["hold"] == hold
    assert LegalHold.objects.get().lifted_at is None

    assert message_levels(staff.post(lift_url, follow=True)) == ["success"]
    assert LegalHold.objects.get().lifted_by == User.objects.get()
    assert message_levels(staff.post(lift_url, follow=True)) == ["warning"]
    assert not _is_lifting_offered(staff, hold)


def test_a_hold_cannot_be_changed_or_deleted(staff: Client, customer: CustomerProfile) -> None:
    hold = LegalHold.objects.create(subject=customer.pk, reason="claim 12/26")
    change_url = reverse("admin:mlops_legalhold_change", args=[hold.pk])
    delete_url = reverse("admin:mlops_legalhold_delete", args=[hold.pk])

    change = staff.post(change_url, {"subject": str(uuid4()), "reason": "x"})
    deletion = staff.post(delete_url, {"post": "yes"})

    assert change.status_code == 403
    assert deletion.status_code == 403


def test_a_hold_without_customer_or_reason_is_rejected_with_a_message(
    staff: Client, customer: CustomerProfile
) -> None:
    unknown = _set_hold(staff, uuid4())
    without_reason = _set_hold(staff, customer.pk, "  ")
    not_an_id = _set_hold(staff, "nonsense")

    assert list(unknown.context["adminform"].form.errors) == ["subject"]
    assert list(without_reason.context["adminform"].form.errors) == ["reason"]
    assert list(not_an_id.context["adminform"].form.errors) == ["subject"]
    assert not LegalHold.objects.exists()


def test_users_without_permission_cannot_set_or_lift_holds(
    client: Client, customer: CustomerProfile
) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(
        Permission.objects.filter(codename__in=("view_legalhold", "view_erasure"))
    )
    client.force_login(clerk)
    assert _set_hold(client, customer.pk).status_code == 403

    hold = LegalHold.objects.create(subject=customer.pk, reason="claim")
    response = client.post(reverse("admin:mlops_legalhold_lift", args=[hold.pk]))

    assert response.status_code == 403
    assert not _is_lifting_offered(client, hold)
    assert LegalHold.objects.get().lifted_at is None


def test_erasure_receipts_are_shown_and_read_only(staff: Client, customer: CustomerProfile) -> None:
    receipt = erase(subject=UUID(str(customer.pk)), requested_by="user:staff", reason="they asked")

    assert str(customer.pk) in _page(staff, "mlops_erasure_changelist")
    page = _page(staff, "mlops_erasure_change", receipt.pk)
    assert "customer_profiles" in page
    assert "nothing" in page
    for action in ("change", "delete"):
        url = reverse(f"admin:mlops_erasure_{action}", args=[receipt.pk])
        assert staff.post(url, {"post": "yes"}).status_code == 403
    assert staff.get(reverse("admin:mlops_erasure_add")).status_code == 403


def test_receipt_page_does_not_show_sealed_identifiers(
    staff: Client, customer: CustomerProfile
) -> None:
    receipt = erase(subject=UUID(str(customer.pk)), requested_by="user:staff", reason="they asked")
    Erasure.objects.update(
        status="incomplete", remaining={"redis": 2, "sealed_identifiers": "c2VhbA=="}
    )

    page = _page(staff, "mlops_erasure_change", receipt.pk)

    assert "redis" in page
    assert "c2VhbA==" not in page
