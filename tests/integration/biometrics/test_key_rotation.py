"""Key rotation: resumable, old keys readable until it is done, old tokens refused."""

import base64
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from biometrics.errors import TemplateKeyUnknown, TemplateTampered
from biometrics.keys import template_keys
from biometrics.models import AuditEntry, CustomerBiometric, TemplateSalt
from biometrics.services import key_rotation
from biometrics.services.key_rotation import RotationReport, rotate_keys
from biometrics.services.templates import open_template, open_templates, rotate
from biometrics.services.verification import verify_biometrics
from tests.factories.biometrics import enable_biometrics, enroll_customer, random_embedding

pytestmark = pytest.mark.django_db(transaction=True)


def _entry(name: str, letter: str) -> str:
    return f"{name}:{base64.b64encode(letter.encode() * 32).decode()}"


def _use_keys(settings: Any, *entries: str) -> None:
    settings.BIOMETRIC_KEYS = ",".join([*entries, _entry("rotation", "r")])
    template_keys.cache_clear()


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> Iterator[None]:
    enable_biometrics()
    _use_keys(settings, _entry("k1", "1"))
    yield
    template_keys.cache_clear()


def _enroll(count: int) -> list[CustomerBiometric]:
    return [enroll_customer(seed=seed) for seed in range(count)]


def _key_ids() -> list[str]:
    return sorted(CustomerBiometric.objects.values_list("key_id", flat=True))


def test_templates_decrypt_with_the_new_key_alone_after_the_rotation(settings: Any) -> None:
    rows = _enroll(3)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))

    report = rotate_keys()

    assert (report.due, report.done, report.refused, report.remaining) == (3, 3, 0, {})
    _use_keys(settings, _entry("k2", "2"))
    opened = open_templates(CustomerBiometric.objects.select_related("salt"))
    vectors = dict(zip([UUID(bytes=row[0]) for row in opened.rows], opened.vectors, strict=True))
    for seed, row in enumerate(rows):
        np.testing.assert_array_equal(vectors[row.pk], rotate(random_embedding(seed)))


def test_both_keys_decrypt_until_the_rotation_is_done(settings: Any) -> None:
    _enroll(1)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))
    _enroll_new = enroll_customer(seed=9)

    opened = open_templates(CustomerBiometric.objects.select_related("salt"))

    assert _key_ids() == ["k1", "k2"]
    assert len(opened.rows) == 2


def test_interrupted_rotation_continues(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _enroll(3)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))
    monkeypatch.setattr(key_rotation, "BATCH_SIZE", 1)

    def interrupt(report: RotationReport) -> None:
        if report.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate_keys(on_progress=interrupt)
    assert _key_ids() == ["k1", "k2", "k2"]

    report = rotate_keys()

    assert (report.due, report.done) == (1, 1)
    assert _key_ids() == ["k2", "k2", "k2"]


def test_dry_run_counts_and_changes_nothing(settings: Any) -> None:
    _enroll(2)
    before = list(CustomerBiometric.objects.order_by("pk").values_list("encrypted_template"))
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))

    report = rotate_keys(dry_run=True)

    assert (report.due, report.done, report.remaining) == (2, 0, {"k1": 2})
    after = list(CustomerBiometric.objects.order_by("pk").values_list("encrypted_template"))
    assert after == before


def test_token_from_before_the_rotation_is_refused(settings: Any) -> None:
    (row,) = _enroll(1)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))
    rotate_keys()

    CustomerBiometric.objects.update(encrypted_template=row.encrypted_template, key_id="k1")

    with pytest.raises(TemplateTampered):
        open_template(CustomerBiometric.objects.get())


def test_replay_of_token_key_and_salt_shows_in_the_integrity_check(settings: Any) -> None:
    (row,) = _enroll(1)
    salt = bytes(row.salt.value)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))
    rotate_keys()
    CustomerBiometric.objects.update(encrypted_template=row.encrypted_template, key_id="k1")
    TemplateSalt.objects.update(value=salt)

    faults = verify_biometrics().faults

    assert faults == [f"template {row.pk} was replaced outside of the application"]
    _use_keys(settings, _entry("k2", "2"))
    with pytest.raises(TemplateKeyUnknown):
        open_template(CustomerBiometric.objects.get())


def test_refused_template_is_reported_and_does_not_stop_the_others(settings: Any) -> None:
    rows = _enroll(3)
    CustomerBiometric.objects.filter(pk=rows[1].pk).update(model="other")
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))

    report = rotate_keys()

    assert (report.done, report.refused, report.remaining) == (2, 1, {"k1": 1})
    assert AuditEntry.objects.filter(action="refuse", template_id=rows[1].pk).exists()


def test_each_rotated_template_is_audited_and_agrees_with_the_log(settings: Any) -> None:
    rows = _enroll(2)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))

    rotate_keys()

    entries = AuditEntry.objects.filter(action="reencrypt")
    assert {entry.template_id for entry in entries} == {row.pk for row in rows}
    assert verify_biometrics().faults == []


def test_command_reports_which_key_can_be_removed(settings: Any) -> None:
    _enroll(1)
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))
    output = StringIO()

    call_command("rotate_keys", stdout=output)

    assert "1/1" in output.getvalue()
    assert "No older key is in use." in output.getvalue()


def test_command_exits_with_1_while_an_old_key_is_needed(settings: Any) -> None:
    _enroll(1)
    CustomerBiometric.objects.update(model="other")
    _use_keys(settings, _entry("k2", "2"), _entry("k1", "1"))

    with pytest.raises(SystemExit) as raised:
        call_command("rotate_keys", stdout=StringIO())

    assert raised.value.code == 1


def test_command_without_keys_is_an_error(settings: Any) -> None:
    settings.BIOMETRIC_KEYS = ""
    template_keys.cache_clear()

    with pytest.raises(CommandError, match="create_biometric_key"):
        call_command("rotate_keys", stdout=StringIO())
