"""Expiry: the retention rule deletes templates with a receipt; reminders are events."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from biometrics.models import AuditEntry, CustomerBiometric, TemplateSalt
from biometrics.services.reminders import enqueue_reminders
from biometrics.services.verification import verify_biometrics
from mlops.models import OutboxEvent, RetentionSweep
from mlops.privacy.legal_holds import set_legal_hold
from mlops.privacy.retention import sweep
from tests.factories.biometrics import create_face_customer, enable_biometrics, enroll_customer

pytestmark = pytest.mark.django_db(transaction=True)
RULE = "face templates"


@pytest.fixture
def row() -> CustomerBiometric:
    """A template that is kept for 100 days."""
    enable_biometrics(retention_days=100)
    return enroll_customer(create_face_customer())


def _expiry(row: CustomerBiometric) -> datetime:
    assert row.expires_at is not None
    return row.expires_at


def _sweep(now: datetime) -> RetentionSweep:
    (receipt,) = sweep(only=[RULE], now=now)
    return receipt


def test_expired_template_is_deleted_with_its_salt_and_a_receipt(row: CustomerBiometric) -> None:
    receipt = _sweep(_expiry(row) + timedelta(seconds=1))

    assert (receipt.deleted, receipt.error) == (1, "")
    assert not CustomerBiometric.objects.exists()
    assert not TemplateSalt.objects.exists()


def test_template_that_has_not_expired_stays(row: CustomerBiometric) -> None:
    receipt = _sweep(_expiry(row) - timedelta(seconds=1))

    assert receipt.deleted == 0
    assert CustomerBiometric.objects.get() == row


def test_each_expired_template_is_audited(row: CustomerBiometric) -> None:
    _sweep(_expiry(row) + timedelta(seconds=1))

    entry = AuditEntry.objects.get(action="erase")
    assert (entry.template_id, entry.reason) == (row.pk, "expired")
    assert verify_biometrics().faults == []


def test_dry_run_only_counts(row: CustomerBiometric) -> None:
    (receipt,) = sweep(only=[RULE], now=_expiry(row) + timedelta(seconds=1), dry_run=True)

    assert receipt.deleted == 1
    assert CustomerBiometric.objects.exists()
    assert not AuditEntry.objects.filter(action="erase").exists()


def test_legal_hold_retains_an_expired_template(row: CustomerBiometric, admin_user: User) -> None:
    assert row.customer_id is not None
    set_legal_hold(subject=row.customer_id, reason="court file", by=admin_user)

    receipt = _sweep(_expiry(row) + timedelta(seconds=1))

    assert (receipt.deleted, receipt.skipped_by_hold) == (0, 1)


def test_reminder_is_enqueued_once_in_the_last_30_days(row: CustomerBiometric) -> None:
    soon = _expiry(row) - timedelta(days=30)

    counts = [enqueue_reminders(now=soon - timedelta(seconds=1)), enqueue_reminders(now=soon)]

    assert counts == [0, 1]
    assert enqueue_reminders(now=soon) == 0
    event = OutboxEvent.objects.get(topic="customer_notices")
    assert (event.type, event.key) == ("face_template_expiring", str(row.customer_id))
    assert event.data == {
        "customer_id": str(row.customer_id),
        "purpose": row.purpose,
        "expires_at": _expiry(row).isoformat(),
    }


def test_no_reminder_for_an_expired_template(row: CustomerBiometric) -> None:
    assert enqueue_reminders(now=_expiry(row)) == 0


def test_reminder_does_not_alter_the_template(row: CustomerBiometric) -> None:
    enqueue_reminders(now=_expiry(row) - timedelta(days=1))

    assert verify_biometrics().faults == []
    assert timezone.now() < _expiry(row)
