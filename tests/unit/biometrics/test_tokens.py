"""Tokens decrypt only in the context in which they were made."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from biometrics.errors import RotationChanged, TemplateTampered
from biometrics.rotation import DIMENSION
from biometrics.tokens import TemplateContext, decrypt_template, derive_key, encrypt_template

MASTER, SALT = b"m" * 32, b"s" * 32
CONTEXT = TemplateContext(
    id=UUID(int=1),
    customer_id=UUID(int=2),
    consent_id=UUID(int=3),
    model="sface",
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    rotation_id=b"abcd",
)
VECTOR = np.linspace(-1, 1, DIMENSION, dtype=np.float32)


def _token() -> bytes:
    return encrypt_template(VECTOR, context=CONTEXT, master=MASTER, salt=SALT)


def test_token_decrypts_in_its_context() -> None:
    vector = decrypt_template(_token(), context=CONTEXT, master=MASTER, salt=SALT)

    np.testing.assert_array_equal(vector, VECTOR)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"id": UUID(int=9)}, "id"),
        ({"consent_id": UUID(int=9)}, "consent"),
        ({"model": "other"}, "model"),
        ({"expires_at": CONTEXT.expires_at + timedelta(microseconds=1)}, "expires_at"),
        # These two are also part of the key.
        ({"customer_id": UUID(int=9)}, "token"),
        ({"version": 2}, "token"),
    ],
)
def test_each_value_of_the_context_is_bound(change: dict[str, Any], part: str) -> None:
    with pytest.raises(TemplateTampered) as raised:
        decrypt_template(_token(), context=replace(CONTEXT, **change), master=MASTER, salt=SALT)

    assert raised.value.part == part


def test_other_rotation_is_named_as_such() -> None:
    context = replace(CONTEXT, rotation_id=b"efgh")

    with pytest.raises(RotationChanged):
        decrypt_template(_token(), context=context, master=MASTER, salt=SALT)


@pytest.mark.parametrize(("master", "salt"), [(b"x" * 32, SALT), (MASTER, b"x" * 32)])
def test_other_key_or_salt_does_not_decrypt(master: bytes, salt: bytes) -> None:
    with pytest.raises(TemplateTampered):
        decrypt_template(_token(), context=CONTEXT, master=master, salt=salt)


@given(length=st.integers(0, 700))
def test_truncated_token_does_not_decrypt(length: int) -> None:
    with pytest.raises(TemplateTampered):
        decrypt_template(_token()[:length], context=CONTEXT, master=MASTER, salt=SALT)


@given(position=st.integers(0, 600), bit=st.integers(0, 7))
def test_token_with_a_flipped_bit_does_not_decrypt(position: int, bit: int) -> None:
    token = bytearray(base64.urlsafe_b64decode(_token()))
    token[position] ^= 1 << bit

    with pytest.raises(TemplateTampered):
        decrypt_template(
            base64.urlsafe_b64encode(bytes(token)), context=CONTEXT, master=MASTER, salt=SALT
        )


def test_token_is_fernet_under_the_documented_key() -> None:
    info = b"cultivar:face-template:1:" + CONTEXT.customer_id.bytes
    key = HKDF(algorithm=SHA256(), length=32, salt=SALT, info=info).derive(MASTER)

    plaintext = Fernet(base64.urlsafe_b64encode(key)).decrypt(_token())

    assert plaintext.endswith(VECTOR.tobytes())


def test_template_of_another_dimension_is_refused() -> None:
    token = encrypt_template(VECTOR[:64], context=CONTEXT, master=MASTER, salt=SALT)

    with pytest.raises(TemplateTampered) as raised:
        decrypt_template(token, context=CONTEXT, master=MASTER, salt=SALT)

    assert raised.value.part == "dimension"


def test_equal_templates_have_different_tokens() -> None:
    assert _token() != _token()


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.uuids(),
    st.integers(1, 255),
)
def test_key_of_a_row_is_that_of_the_librarys_hkdf(
    master: bytes, salt: bytes, customer_id: UUID, version: int
) -> None:
    info = b"cultivar:face-template:%d:" % version + customer_id.bytes
    expected = HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(master)

    assert derive_key(master, salt, customer_id.bytes, version) == expected
