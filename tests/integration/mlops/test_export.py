"""Export of personal data: as JSON, as a ZIP archive, by command."""

import io
import json
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from customers.models import CustomerProfile, PersonalAccess
from customers.profile_export import export_customer, export_customer_archive
from mlops.models import Erasure
from mlops.privacy.export import PersonNotFound
from tests.canaries import CanaryCustomer

pytestmark = pytest.mark.django_db(transaction=True)


def test_export_contains_all_data_of_the_customer_and_none_of_others(
    canary_customer: CanaryCustomer, other_canary_customer: CanaryCustomer
) -> None:
    data = export_customer(customer=canary_customer.id, by="key:test")

    text = json.dumps(data)
    assert other_canary_customer.canary not in text
    assert str(other_canary_customer.id) not in text
    assert {name: len(rows) for name, rows in data.items() if rows} == {
        "customer_profiles": 1,
        "consents": 3,
        "purchases": 3,
        "interactions": 2,
        "chat_sessions": 1,
        "chat_messages": 1,
        "message_feedback": 1,
        "personal_access": 4,
        "quarantined_records": 3,
        "event_outbox": 1,
        "row_changes": 1,
        "vectors": 1,
        "redis": 2,
        "objects": 2,
        "recommendations": 2,
        "recommendation_feedback": 1,
    }
    assert canary_customer.message
    assert data["chat_messages"][0]["message_text"] == canary_customer.message.message_text
    assert data["customer_profiles"][0]["external_customer_id"] == canary_customer.external_id


def test_export_is_logged_as_access_to_personal_data(canary_customer: CanaryCustomer) -> None:
    export_customer(customer=canary_customer.id, by="key:test")

    accesses = PersonalAccess.objects.filter(customer_id=canary_customer.id)
    assert accesses.filter(action="customer.export").count() == 1


def test_export_of_an_unknown_customer_fails() -> None:
    with pytest.raises(PersonNotFound):
        export_customer(customer=uuid4(), by="key:test")


def test_archive_contains_the_same_data_with_readme_and_files(
    canary_customer: CanaryCustomer,
) -> None:
    data = export_customer(customer=canary_customer.id, by="key:test")

    chunks = list(export_customer_archive(customer=canary_customer.id, by="key:test"))

    assert len(chunks) > 5
    archive = zipfile.ZipFile(io.BytesIO(b"".join(chunks)))
    assert archive.testzip() is None
    archived = {
        name.removesuffix(".json"): json.loads(archive.read(name))
        for name in archive.namelist()
        if name.endswith(".json")
    }
    data["personal_access"] = archived["personal_access"]  # the export itself added an access
    assert archived == {name: rows for name, rows in data.items() if rows}
    readme = archive.read("README.txt").decode()
    assert "all personal data that we hold about you" in readme
    assert "tout ce que nous conservons sur vous" in readme
    assert archive.read("files/photo.txt").decode().startswith(canary_customer.canary)
    assert f"files/letters/{canary_customer.canary}.txt" in archive.namelist()


def test_export_command_writes_an_archive_that_only_its_owner_can_read(
    canary_customer: CanaryCustomer, tmp_path: Path
) -> None:
    archive = tmp_path / "person.zip"

    call_command(
        "export_customer",
        str(canary_customer.id),
        "--to",
        str(archive),
        "--by",
        "user:staff",
        stdout=io.StringIO(),
    )

    assert "customer_profiles.json" in zipfile.ZipFile(archive).namelist()
    assert archive.stat().st_mode & 0o777 == 0o600
    accesses = PersonalAccess.objects.filter(customer_id=canary_customer.id, actor="user:staff")
    assert accesses.count() == 1


def test_erase_command_prints_the_receipt(canary_customer: CanaryCustomer) -> None:
    out = io.StringIO()
    customer_id = str(canary_customer.id)

    call_command("erase_person", customer_id, "--dry-run", stdout=out)
    assert CustomerProfile.objects.filter(pk=canary_customer.id).exists()

    reason = "letter of 26 November"
    call_command("erase_person", customer_id, "--yes", "--reason", reason, stdout=out)
    receipt = Erasure.objects.get()
    assert f"Receipt {receipt.pk}: done." in out.getvalue()
    assert receipt.reason == reason


def test_commands_refuse_an_unknown_customer(tmp_path: Path) -> None:
    archive = tmp_path / "none.zip"

    for name, *options in (["erase_person", "--yes"], ["export_customer", "--to", str(archive)]):
        with pytest.raises(CommandError, match="Person not found") as refusal:
            call_command(name, str(uuid4()), *options, stdout=io.StringIO())
        assert refusal.value.returncode == 2
    assert not archive.exists()
