"""Everything on one person, for them: as JSON, as an archive, by command."""

import io
import json
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from customers.models import CustomerProfile, PersonalAccess
from customers.profile_export import export_person, zip_person
from mlops.models import Erasure
from mlops.privacy.export import PersonUnknown
from tests.canaries import Person

pytestmark = pytest.mark.django_db(transaction=True)


def test_export_tells_everything(person: Person, neighbor: Person) -> None:
    told = export_person(customer=person.id, by="key:test")
    text = json.dumps(told)
    assert neighbor.canary not in text
    assert str(neighbor.id) not in text
    assert {name: len(rows) for name, rows in told.items() if rows} == {
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
    assert person.message
    assert told["chat_messages"][0]["message_text"] == person.message.message_text
    assert told["customer_profiles"][0]["external_customer_id"] == person.number
    assert PersonalAccess.objects.filter(customer_id=person.id, action="person.export").count() == 1
    with pytest.raises(PersonUnknown):
        export_person(customer=uuid4(), by="key:test")


def test_export_as_zip_streams_the_same(person: Person) -> None:
    told = export_person(customer=person.id, by="key:test")
    parts = list(zip_person(customer=person.id, by="key:test"))
    assert len(parts) > 5
    archive = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert archive.testzip() is None
    read = {
        name.removesuffix(".json"): json.loads(archive.read(name))
        for name in archive.namelist()
        if name.endswith(".json")
    }
    told["personal_access"] = read["personal_access"]  # one more by now
    assert read == {name: rows for name, rows in told.items() if rows}
    readme = archive.read("README.txt").decode()
    assert "everything that we keep on you" in readme
    assert "tout ce que nous conservons sur vous" in readme
    assert archive.read("files/photo.txt").decode().startswith(person.canary)
    assert f"files/letters/{person.canary}.txt" in archive.namelist()


def test_commands_print_the_receipt_and_write_the_archive(person: Person, tmp_path: Path) -> None:
    out = io.StringIO()
    archive = tmp_path / "person.zip"
    call_command(
        "export_person", str(person.id), "--to", str(archive), "--by", "user:staff", stdout=out
    )
    assert "customer_profiles.json" in zipfile.ZipFile(archive).namelist()
    assert archive.stat().st_mode & 0o777 == 0o600
    assert PersonalAccess.objects.filter(customer_id=person.id, actor="user:staff").count() == 1
    call_command("erase_person", str(person.id), "--dry-run", stdout=out)
    assert CustomerProfile.objects.filter(pk=person.id).exists()
    call_command(
        "erase_person", str(person.id), "--yes", "--reason", "letter of 26 November", stdout=out
    )
    receipt = Erasure.objects.get()
    assert f"Receipt {receipt.pk}: done." in out.getvalue()
    assert receipt.reason == "letter of 26 November"
    missing = tmp_path / "none.zip"
    for command in (["erase_person", "--yes"], ["export_person", "--to", str(missing)]):
        with pytest.raises(CommandError, match="id of no customer") as refused:
            call_command(command[0], str(uuid4()), *command[1:], stdout=out)
        assert refused.value.returncode == 2
    assert not missing.exists()
