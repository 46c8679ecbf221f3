"""
Tamper suite: stored templates that an attacker with the database has changed are refused.

The attacker can write any row and knows every column, but has no master key.
"""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from biometrics.errors import (
    RotationChanged,
    TemplateExpired,
    TemplateKeyUnknown,
    TemplateRefused,
    TemplateShredded,
    TemplateTampered,
)
from biometrics.keys import template_keys
from biometrics.models import AuditEntry, CustomerBiometric, TemplateSalt
from biometrics.services.templates import erase_templates, open_template, open_templates, rotate
from tests.factories.biometrics import (
    IDENTIFICATION,
    VERIFICATION,
    create_face_customer,
    enable_biometrics,
    enroll_customer,
    random_embedding,
)

pytestmark = pytest.mark.django_db(transaction=True)
Attack = Callable[[CustomerBiometric, CustomerBiometric], None]


@pytest.fixture(autouse=True)
def _enabled() -> None:
    enable_biometrics()


def _reload(row: CustomerBiometric) -> CustomerBiometric:
    return CustomerBiometric.objects.get(pk=row.pk)


def _write(row: CustomerBiometric, **values: object) -> None:
    CustomerBiometric.objects.filter(pk=row.pk).update(**values)


def _copy_token(source: CustomerBiometric, target: CustomerBiometric) -> None:
    _write(target, encrypted_template=source.encrypted_template)


def _copy_token_and_salt(source: CustomerBiometric, target: CustomerBiometric) -> None:
    _copy_token(source, target)
    TemplateSalt.objects.filter(template=target).update(value=bytes(source.salt.value))


def _assign_to_other_customer(source: CustomerBiometric, target: CustomerBiometric) -> None:
    other = target.customer_id
    target.delete()
    _write(source, customer_id=other)


def _truncate(source: CustomerBiometric, _target: CustomerBiometric) -> None:
    token = base64.urlsafe_b64decode(source.encrypted_template)
    shortened = base64.urlsafe_b64encode(token[:-48])
    _write(source, encrypted_template=shortened)


def _flip_a_bit(source: CustomerBiometric, _target: CustomerBiometric) -> None:
    token = bytearray(base64.urlsafe_b64decode(source.encrypted_template))
    token[60] ^= 1
    _write(source, encrypted_template=base64.urlsafe_b64encode(bytes(token)))


def _other_format_version(source: CustomerBiometric, _target: CustomerBiometric) -> None:
    _write(source, template_version=2)


@pytest.mark.parametrize(
    "attack",
    [
        _assign_to_other_customer,
        _truncate,
        _flip_a_bit,
        _other_format_version,
    ],
)
def test_changed_row_does_not_decrypt(attack: Attack) -> None:
    row, other = enroll_customer(seed=1), enroll_customer(seed=2)
    attack(row, other)

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(row), by="user:test")

    assert raised.value.part == "token"


@pytest.mark.parametrize("attack", [_copy_token, _copy_token_and_salt])
def test_token_moved_to_another_customer_does_not_decrypt(attack: Attack) -> None:
    row, other = enroll_customer(seed=1), enroll_customer(seed=2)
    attack(row, other)

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(other), by="user:test")

    assert raised.value.part == "token"


def test_token_moved_to_another_row_of_the_customer_is_refused() -> None:
    customer = create_face_customer()
    row = enroll_customer(customer, purpose=VERIFICATION)
    other = enroll_customer(customer, seed=2, purpose=IDENTIFICATION)
    _copy_token_and_salt(row, other)

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(other), by="user:test")

    assert raised.value.part == "id"


@pytest.mark.parametrize("extension", [timedelta(days=1), timedelta(microseconds=1)])
def test_extended_expiry_is_refused(extension: timedelta) -> None:
    row = enroll_customer()
    assert row.expires_at is not None
    _write(row, expires_at=row.expires_at + extension)

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(row), by="user:test")

    assert raised.value.part == "expires_at"


def test_other_model_is_refused() -> None:
    row = enroll_customer()
    _write(row, model="another-model")

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(row), by="user:test")

    assert raised.value.part == "model"


def test_other_consent_is_refused() -> None:
    customer = create_face_customer()
    row = enroll_customer(customer, purpose=IDENTIFICATION)
    other = enroll_customer(customer, seed=2, purpose=VERIFICATION)
    _write(row, consent=other.consent)

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(row), by="user:test")

    assert raised.value.part == "consent"


def test_token_from_before_a_new_enrolment_is_refused() -> None:
    customer = create_face_customer()
    old = enroll_customer(customer, seed=1)
    old_salt = bytes(old.salt.value)
    new = enroll_customer(customer, seed=2)
    _write(new, encrypted_template=old.encrypted_template)
    TemplateSalt.objects.filter(template=new).update(value=old_salt)

    with pytest.raises(TemplateTampered) as raised:
        open_template(_reload(new), by="user:test")

    assert raised.value.part == "id"


def test_expired_template_is_refused() -> None:
    row = enroll_customer()

    with pytest.raises(TemplateExpired):
        open_template(row, by="user:test", now=row.expires_at)


def test_template_without_its_salt_cannot_be_decrypted() -> None:
    row = enroll_customer()
    TemplateSalt.objects.all().delete()

    with pytest.raises(TemplateShredded):
        open_template(_reload(row), by="user:test")


def test_erased_template_in_a_dump_without_salts_cannot_be_decrypted() -> None:
    row = enroll_customer()
    assert row.customer_id is not None
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE dump AS TABLE customer_biometrics")
        erase_templates(customer_id=row.customer_id, by="user:test", reason="withdrawal")
        cursor.execute("INSERT INTO customer_biometrics SELECT * FROM dump")

    with pytest.raises(TemplateShredded):
        open_template(_reload(row), by="user:test")


def _keys(master: str, rotation: str = "r", key_id: str = "k1") -> str:
    def encode(letter: str) -> str:
        return base64.b64encode(letter.encode() * 32).decode()

    return f"rotation:{encode(rotation)},{key_id}:{encode(master)}"


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (_keys("x"), TemplateTampered),
        (_keys("1", key_id="k2"), TemplateKeyUnknown),
        (_keys("1", rotation="s"), RotationChanged),
    ],
)
def test_other_keys_are_refused(keys: str, error: type[TemplateRefused], settings: Any) -> None:
    row = enroll_customer()
    settings.BIOMETRIC_KEYS = keys
    template_keys.cache_clear()

    try:
        with pytest.raises(error):
            open_template(_reload(row), by="user:test")
    finally:
        template_keys.cache_clear()


def test_refusal_is_audited_with_its_code_and_without_the_customer() -> None:
    row = enroll_customer()
    _write(row, model="another-model")

    with pytest.raises(TemplateTampered):
        open_template(_reload(row), by="key:abc")

    entry = AuditEntry.objects.get(action=AuditEntry.Action.REFUSE)
    assert (entry.reason, entry.actor, entry.template_id) == (
        "template_tampered",
        "key:abc",
        row.pk,
    )
    assert str(row.customer_id) not in str(entry.__dict__)


def test_batch_leaves_out_and_audits_refused_templates() -> None:
    rows = [enroll_customer(seed=seed) for seed in range(3)]
    _write(rows[1], model="another-model")
    loaded = CustomerBiometric.objects.select_related("salt").order_by("created_at")

    opened = open_templates(loaded, by="task:matcher")

    assert [row[0] for row in opened.rows] == [rows[0].pk.bytes, rows[2].pk.bytes]
    assert opened.refused == {rows[1].pk}
    np.testing.assert_array_equal(opened.vectors[0], rotate(random_embedding(0)))
    actions = AuditEntry.objects.exclude(action=AuditEntry.Action.ENROLL).order_by("sequence")
    assert list(actions.values_list("action", "count")) == [("refuse", 1), ("load", 2)]


def test_template_decrypts_to_the_rotated_embedding() -> None:
    row = enroll_customer(seed=7)

    vector = open_template(_reload(row), by="user:test")

    np.testing.assert_array_equal(vector, rotate(random_embedding(7)))
    assert row.expires_at is not None
    assert row.expires_at > timezone.now()
