"""Audit log: append-only in the database, signed as a chain, compared with the templates."""

import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction

from biometrics.models import AuditEntry, CustomerBiometric
from biometrics.services.audit import record, record_refusal, verify_chain
from biometrics.services.verification import verify_biometrics
from biometrics.tasks import verify_audit_log
from mlops.models import Alert
from tests.factories.biometrics import create_face_customer, enable_biometrics, enroll_customer

pytestmark = pytest.mark.django_db(transaction=True)


def _append(count: int) -> None:
    for number in range(count):
        record(action="read", actor=f"user:{number}")


def _execute_without_triggers(sql: str, *params: Any) -> None:
    """Execute SQL as an attacker with the rights of the owner of the database."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, params)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE biometric_audit SET actor = 'user:other'",
        "UPDATE biometric_audit SET actor = actor WHERE false",
        "DELETE FROM biometric_audit",
        "TRUNCATE biometric_audit",
    ],
)
def test_database_refuses_to_change_entries(sql: str) -> None:
    _append(1)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(sql)


def test_untouched_log_verifies() -> None:
    _append(3)

    report = verify_chain()

    assert (report.entry_count, report.faults) == (3, [])


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE biometric_audit SET actor = 'user:other' WHERE sequence = 2",
        "UPDATE biometric_audit SET count = 5 WHERE sequence = 2",
        "UPDATE biometric_audit SET occurred_at = now() - interval '1 day' WHERE sequence = 2",
        "UPDATE biometric_audit SET template_id = gen_random_uuid() WHERE sequence = 2",
        "DELETE FROM biometric_audit WHERE sequence = 2",
        "DELETE FROM biometric_audit WHERE sequence = 1",
        "INSERT INTO biometric_audit (sequence, occurred_at, action, reason, actor,"
        " template_digest, province, store_group, purpose, count, signature)"
        " SELECT 4, occurred_at, action, reason, actor, template_digest, province, store_group,"
        " purpose, count, signature"
        " FROM biometric_audit WHERE sequence = 1",
    ],
)
def test_change_by_the_owner_of_the_database_shows(sql: str) -> None:
    _append(3)
    _execute_without_triggers(sql)

    assert verify_chain().faults


def test_missing_end_shows_against_an_earlier_head() -> None:
    _append(3)
    head = verify_chain().head
    _execute_without_triggers("DELETE FROM biometric_audit WHERE sequence = 3")

    assert verify_chain().faults == []
    assert verify_chain(expected_head=head).faults == [
        "entry 3 of an earlier report is missing or edited"
    ]


def test_log_that_has_grown_verifies_against_an_earlier_head() -> None:
    _append(3)
    head = verify_chain().head
    _append(2)

    assert verify_chain(expected_head=head).faults == []


def test_refusal_cannot_be_recorded_within_a_transaction_that_may_be_rolled_back() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        record_refusal(reason="x", actor="user:test")


def test_entry_of_a_transaction_that_is_rolled_back_leaves_no_gap() -> None:
    _append(1)
    with transaction.atomic():
        record(action="read", actor="user:test")
        transaction.set_rollback(True)
    _append(1)

    assert list(AuditEntry.objects.values_list("sequence", flat=True)) == [2, 1]
    assert verify_chain().faults == []


def test_concurrent_writers_append_without_gaps() -> None:
    def append() -> None:
        _append(10)
        connections.close_all()

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    report = verify_chain()
    assert (report.entry_count, report.faults) == (40, [])


@pytest.fixture
def row() -> CustomerBiometric:
    """A template."""
    enable_biometrics()
    return enroll_customer(create_face_customer())


def test_enrolled_templates_agree_with_the_log(row: CustomerBiometric) -> None:
    assert verify_biometrics().faults == []


def test_erased_template_that_is_stored_again_shows(row: CustomerBiometric) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE stolen AS TABLE customer_biometrics")
    assert row.customer is not None
    call_command("erase_person", str(row.customer_id), "--reason", "test", "--yes")
    _execute_without_triggers("INSERT INTO customer_biometrics SELECT * FROM stolen")

    assert verify_biometrics().faults == [f"template {row.pk} was erased and is stored again"]


def test_deletion_outside_of_the_application_shows(row: CustomerBiometric) -> None:
    _execute_without_triggers("DELETE FROM customer_biometrics")

    assert verify_biometrics().faults == [
        f"template {row.pk} was deleted outside of the application"
    ]


def test_token_that_was_replaced_shows(row: CustomerBiometric) -> None:
    other = enroll_customer(seed=2)
    _execute_without_triggers(
        "UPDATE customer_biometrics SET encrypted_template = %s WHERE id = %s",
        other.encrypted_template,
        row.pk,
    )

    assert verify_biometrics().faults == [
        f"template {row.pk} was replaced outside of the application"
    ]


def test_template_that_was_never_enrolled_shows(row: CustomerBiometric) -> None:
    _execute_without_triggers("UPDATE customer_biometrics SET id = gen_random_uuid()")

    assert [fault.split(" ", 2)[2] for fault in sorted(verify_biometrics().faults)].count(
        "was never enrolled"
    ) == 1


def test_task_opens_an_alert_and_closes_it(row: CustomerBiometric) -> None:
    token = bytes(row.encrypted_template)
    _execute_without_triggers(
        "UPDATE customer_biometrics SET encrypted_template = %s", token[:-1] + b"A"
    )

    assert verify_audit_log()["faults"] == 1
    assert Alert.objects.filter(code="biometric_audit", closed_at=None).exists()

    _execute_without_triggers("UPDATE customer_biometrics SET encrypted_template = %s", token)
    assert verify_audit_log()["faults"] == 0
    assert not Alert.objects.filter(code="biometric_audit", closed_at=None).exists()


def test_command_prints_a_head_and_exits_with_1_for_faults() -> None:
    _append(2)
    output = StringIO()

    call_command("verify_biometrics", stdout=output)

    head = output.getvalue().splitlines()[-1].removeprefix("head ")
    _execute_without_triggers("DELETE FROM biometric_audit")
    with pytest.raises(SystemExit) as raised:
        call_command("verify_biometrics", "--expect-head", head, stdout=StringIO())
    assert raised.value.code == 1
