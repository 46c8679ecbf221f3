"""Withdrawal of consent, erasure of the customer, and legal holds."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from biometrics.models import AuditEntry, CustomerBiometric, TemplateSalt
from biometrics.selectors.templates import CHANGE_NOTICE, matchable
from biometrics.services.templates import erase_province
from customers.models import CustomerProfile
from customers.services.consents import complete_withdrawals, give_consent, withdraw_consent
from mlops.models import Erasure
from mlops.privacy.erasure import erase
from mlops.privacy.export import export
from mlops.privacy.legal_holds import lift_legal_holds, set_legal_hold
from tests.factories.biometrics import (
    IDENTIFICATION,
    VERIFICATION,
    create_face_customer,
    create_purpose_text,
    enable_biometrics,
    enroll_customer,
)
from tests.factories.catalog import StoreFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customer() -> CustomerProfile:
    """A customer of a store in Ontario, where biometrics is enabled."""
    enable_biometrics()
    return create_face_customer(StoreFactory.create(code="queen-west"))


def _withdraw(customer: CustomerProfile, purpose: str = IDENTIFICATION) -> None:
    withdraw_consent(customer=customer, purpose=purpose, by="key:till")


def test_withdrawal_deletes_template_and_salt(customer: CustomerProfile) -> None:
    enroll_customer(customer)

    _withdraw(customer)

    assert not CustomerBiometric.objects.exists()
    assert not TemplateSalt.objects.exists()


def test_withdrawal_is_audited_with_who_withdrew_it(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    _withdraw(customer)

    entry = AuditEntry.objects.get(action="erase")
    assert (entry.template_id, entry.reason, entry.actor) == (row.pk, "withdrawal", "key:till")


def test_withdrawal_of_one_purpose_leaves_the_other(customer: CustomerProfile) -> None:
    enroll_customer(customer, purpose=IDENTIFICATION)
    verification = enroll_customer(customer, purpose=VERIFICATION)

    _withdraw(customer, IDENTIFICATION)

    assert CustomerBiometric.objects.get() == verification


def test_templates_of_other_customers_stay(customer: CustomerProfile) -> None:
    enroll_customer(customer)
    other = enroll_customer(seed=2)

    _withdraw(customer)

    assert CustomerBiometric.objects.get() == other


def test_withdrawal_is_announced_to_all_processes(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    with connection.cursor() as cursor:
        cursor.execute("LISTEN rows_changed")
        _withdraw(customer)
        cursor.execute("SELECT 1")
        assert connection.connection is not None
        notices = [notice.payload for notice in connection.connection.notifies(timeout=1)]
        cursor.execute("UNLISTEN rows_changed")

    assert CHANGE_NOTICE in notices
    assert str(row.pk) in notices


def test_consent_to_a_new_text_ends_the_earlier_enrolment(customer: CustomerProfile) -> None:
    enroll_customer(customer)
    create_purpose_text(IDENTIFICATION, "2027-01")

    give_consent(
        customer=customer,
        purpose=IDENTIFICATION,
        version="2027-01",
        language="fr",
        channel="till",
        by="user:test",
    )

    assert not CustomerBiometric.objects.exists()


def test_template_under_a_legal_hold_stays_and_is_not_used(
    customer: CustomerProfile, admin_user: User
) -> None:
    enroll_customer(customer)
    set_legal_hold(subject=customer.pk, reason="court file", by=admin_user)

    _withdraw(customer)

    assert CustomerBiometric.objects.exists()
    assert list(matchable(province="ON", store_group="queen-west")) == []


def test_template_is_deleted_once_the_hold_is_lifted(
    customer: CustomerProfile, admin_user: User
) -> None:
    enroll_customer(customer)
    hold = set_legal_hold(subject=customer.pk, reason="court file", by=admin_user)
    _withdraw(customer)
    lift_legal_holds(holds=[hold], by=admin_user)

    removal_count = complete_withdrawals()

    assert removal_count == 1
    assert not CustomerBiometric.objects.exists()
    assert complete_withdrawals() == 0


def test_new_consent_does_not_revive_a_template_from_before_the_withdrawal(
    customer: CustomerProfile, admin_user: User
) -> None:
    enroll_customer(customer)
    hold = set_legal_hold(subject=customer.pk, reason="court file", by=admin_user)
    _withdraw(customer)
    give_consent(
        customer=customer,
        purpose=IDENTIFICATION,
        version="2026-11",
        language="en",
        channel="till",
        by="user:test",
    )

    assert list(matchable(province="ON", store_group="queen-west")) == []
    lift_legal_holds(holds=[hold], by=admin_user)
    assert complete_withdrawals() == 1


def test_erasure_of_a_customer_covers_templates_and_salts(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    receipt = erase(subject=customer.pk, requested_by="user:test", reason="request")

    assert receipt.status == Erasure.Status.DONE
    assert receipt.deleted["customer_biometrics"] == 1
    assert not TemplateSalt.objects.exists()
    entry = AuditEntry.objects.get(action="erase")
    assert (entry.template_id, entry.reason) == (row.pk, "erasure")


def test_export_states_the_template_without_its_contents(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    exported = str(export(customer.pk))

    assert str(row.pk) in exported
    assert row.encrypted_template.decode() not in exported
    assert "encrypted_template" not in exported


def test_templates_of_a_province_can_be_erased(customer: CustomerProfile) -> None:
    enroll_customer(customer)
    enable_biometrics("AB")
    elsewhere = enroll_customer(create_face_customer(StoreFactory.create(province="AB")), seed=2)

    assert erase_province(province="ON", by="user:test") == 1

    assert CustomerBiometric.objects.get() == elsewhere


def test_salt_never_outlives_its_template(customer: CustomerProfile) -> None:
    enroll_customer(customer)

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customer_biometrics")

    assert not TemplateSalt.objects.exists()
