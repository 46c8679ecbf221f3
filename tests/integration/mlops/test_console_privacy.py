"""The console of privacy: rules and sweeps, receipts, legal holds that are set and lifted."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from config.schedule_sync import install_schedule
from customers.models import CustomerProfile
from customers.services import profiles
from mlops.models import Erasure, LegalHold, RetentionSweep
from mlops.privacy.erasure import erase
from mlops.privacy.retention import retention_rules, sweep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(client: Client) -> Client:
    """A browser of somebody who may do everything."""
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def customer() -> CustomerProfile:
    """Somebody."""
    return profiles.register_customer(external_id="LOYAL-0001", by="key:test")


def _page(browser: Client, name: str, *arguments: Any) -> str:
    answer = browser.get(reverse(f"admin:{name}", args=arguments))
    assert answer.status_code == 200
    return answer.content.decode()


def _hold(browser: Client, subject: object, reason: str = "claim 12/26") -> Any:
    return browser.post(
        reverse("admin:mlops_legalhold_add"), {"subject": str(subject), "reason": reason}
    )


def test_retention_page_tells_rules_next_run_and_last_sweeps(staff: Client) -> None:
    install_schedule()
    before = _page(staff, "mlops_retentionsweep_changelist")
    assert "never" in before
    assert "03:30" in before
    sweep()
    page = _page(staff, "mlops_retentionsweep_changelist")
    assert "never" not in page
    for rule in retention_rules():
        assert rule.name in page
        assert rule.table in page
    RetentionSweep.objects.filter(rule=retention_rules()[0].name).update(error="no such column")
    assert "no such column" in _page(staff, "mlops_retentionsweep_changelist")


def test_a_clock_that_is_off_is_told(staff: Client) -> None:
    from django_celery_beat.models import PeriodicTask

    install_schedule()
    PeriodicTask.objects.filter(task="mlops.tasks.sweep_retention").update(enabled=False)
    assert "No sweep is planned" in _page(staff, "mlops_retentionsweep_changelist")


def test_a_hold_is_set_and_lifted_but_never_changed_or_deleted(
    staff: Client, customer: CustomerProfile
) -> None:
    assert _hold(staff, customer.pk).status_code == 302
    held = LegalHold.objects.get()
    assert (held.subject, held.reason, held.set_by) == (
        customer.pk,
        "claim 12/26",
        User.objects.get(),
    )
    address = reverse("admin:mlops_legalhold_change", args=[held.pk])
    assert "Lift the hold" in _page(staff, "mlops_legalhold_change", held.pk)
    assert staff.post(address, {"subject": str(uuid4()), "reason": "x"}).status_code == 403
    assert (
        staff.post(
            reverse("admin:mlops_legalhold_delete", args=[held.pk]), {"post": "yes"}
        ).status_code
        == 403
    )
    lifting = reverse("admin:mlops_legalhold_lift", args=[held.pk])
    assert "claim 12/26" in staff.get(lifting).content.decode()
    assert LegalHold.objects.get().lifted_at is None
    assert "is lifted" in staff.post(lifting, follow=True).content.decode()
    assert LegalHold.objects.get().lifted_by == User.objects.get()
    assert "lifted already" in staff.post(lifting, follow=True).content.decode()
    assert "Lift the hold" not in _page(staff, "mlops_legalhold_change", held.pk)


def test_a_hold_of_nobody_or_without_a_reason_is_refused_in_words(
    staff: Client, customer: CustomerProfile
) -> None:
    assert "id of no customer" in _hold(staff, uuid4()).content.decode()
    assert _hold(staff, customer.pk, "  ").status_code == 200
    assert _hold(staff, "nonsense").status_code == 200
    assert not LegalHold.objects.exists()


def test_who_may_not_change_holds_cannot_lift_one(
    client: Client, customer: CustomerProfile
) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(
        Permission.objects.filter(codename__in=("view_legalhold", "view_erasure"))
    )
    client.force_login(clerk)
    assert _hold(client, customer.pk).status_code == 403
    held = LegalHold.objects.create(subject=customer.pk, reason="claim")
    assert client.post(reverse("admin:mlops_legalhold_lift", args=[held.pk])).status_code == 403
    assert "Lift the hold" not in _page(client, "mlops_legalhold_change", held.pk)
    assert LegalHold.objects.get().lifted_at is None


def test_receipts_are_read_only(staff: Client, customer: CustomerProfile) -> None:
    receipt = erase(subject=UUID(str(customer.pk)), requested_by="user:staff", reason="they asked")
    assert str(customer.pk) in _page(staff, "mlops_erasure_changelist")
    page = _page(staff, "mlops_erasure_change", receipt.pk)
    assert "customer_profiles" in page
    assert "nothing" in page
    for action in ("change", "delete"):
        assert (
            staff.post(
                reverse(f"admin:mlops_erasure_{action}", args=[receipt.pk]), {"post": "yes"}
            ).status_code
            == 403
        )
    assert staff.get(reverse("admin:mlops_erasure_add")).status_code == 403
    Erasure.objects.update(
        status="incomplete", remaining={"redis": 2, "identifiers, sealed": "c2VhbA=="}
    )
    page = _page(staff, "mlops_erasure_change", receipt.pk)
    assert "redis" in page
    assert "c2VhbA==" not in page
