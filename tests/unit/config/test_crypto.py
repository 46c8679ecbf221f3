"""Key ring: encryption, signatures, rotation, rejection of altered tokens."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.crypto import KeyRing, TokenRefused

OLD_KEY = os.urandom(32)
NEW_KEY = os.urandom(32)
BEFORE_ROTATION = KeyRing({"old": OLD_KEY})
AFTER_ROTATION = KeyRing({"new": NEW_KEY, "old": OLD_KEY})


@given(st.binary(max_size=500), st.binary(max_size=50))
def test_decryption_returns_the_plaintext(plaintext: bytes, context: bytes) -> None:
    token = AFTER_ROTATION.encrypt(plaintext, context=context)

    assert AFTER_ROTATION.decrypt(token, context=context) == plaintext
    assert token != AFTER_ROTATION.encrypt(plaintext, context=context)
    assert len(plaintext) < 4 or plaintext not in token


def test_after_a_rotation_old_tokens_are_valid_and_new_ones_use_the_new_key() -> None:
    old_token = BEFORE_ROTATION.encrypt(b"face", context=b"c")
    new_token = AFTER_ROTATION.encrypt(b"face", context=b"c")
    old_signature = BEFORE_ROTATION.sign(b"row", purpose=b"p")

    assert AFTER_ROTATION.decrypt(old_token, context=b"c") == b"face"
    with pytest.raises(TokenRefused):
        BEFORE_ROTATION.decrypt(new_token, context=b"c")
    assert AFTER_ROTATION.has_signed(b"row", old_signature, purpose=b"p")


@given(st.data())
def test_altered_token_is_rejected(data: st.DataObject) -> None:
    token = bytearray(AFTER_ROTATION.encrypt(b"face", context=b"c"))
    index = data.draw(st.integers(0, len(token) - 1))
    token[index] ^= data.draw(st.integers(1, 255))

    with pytest.raises(TokenRefused):
        AFTER_ROTATION.decrypt(bytes(token), context=b"c")


@pytest.mark.parametrize("token", [b"", b"\x03", b"\x03new", b"\x03newshort", b"\xff" * 40])
def test_malformed_token_is_rejected(token: bytes) -> None:
    with pytest.raises(TokenRefused):
        AFTER_ROTATION.decrypt(token, context=b"c")


def test_token_is_rejected_in_another_context() -> None:
    token = AFTER_ROTATION.encrypt(b"face", context=b"customer 1")

    with pytest.raises(TokenRefused):
        AFTER_ROTATION.decrypt(token, context=b"customer 2")


def test_signature_is_valid_for_its_data_and_purpose_only() -> None:
    signature = AFTER_ROTATION.sign(b"row", purpose=b"lineage")

    assert AFTER_ROTATION.has_signed(b"row", signature, purpose=b"lineage")
    for data, other_signature, purpose in (
        (b"row", signature, b"audit"),
        (b"other", signature, b"lineage"),
        (b"row", signature + "é", b"lineage"),
        (b"row", "gone:" + signature[4:], b"lineage"),
    ):
        assert not AFTER_ROTATION.has_signed(data, other_signature, purpose=purpose)
