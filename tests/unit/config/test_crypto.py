"""The key ring: what it seals only it opens, and only where it belongs."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.crypto import KeyRing, TokenRefused

OLD, NEW = os.urandom(32), os.urandom(32)
BEFORE, AFTER = KeyRing({"old": OLD}), KeyRing({"new": NEW, "old": OLD})


@given(st.binary(max_size=500), st.binary(max_size=50))
def test_opening_gives_back_what_was_sealed(plaintext: bytes, context: bytes) -> None:
    token = AFTER.encrypt(plaintext, context=context)
    assert AFTER.decrypt(token, context=context) == plaintext
    assert token != AFTER.encrypt(plaintext, context=context)
    assert len(plaintext) < 4 or plaintext not in token


def test_rotation_keeps_old_tokens_and_seals_with_the_new_key() -> None:
    assert AFTER.decrypt(BEFORE.encrypt(b"face", context=b"c"), context=b"c") == b"face"
    with pytest.raises(TokenRefused):
        BEFORE.decrypt(AFTER.encrypt(b"face", context=b"c"), context=b"c")
    assert AFTER.has_signed(b"row", BEFORE.sign(b"row", purpose=b"p"), purpose=b"p")


@given(st.data())
def test_altered_token_is_refused(data: st.DataObject) -> None:
    token = bytearray(AFTER.encrypt(b"face", context=b"c"))
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TokenRefused):
        AFTER.decrypt(bytes(token), context=b"c")


@pytest.mark.parametrize("token", [b"", b"\x03", b"\x03new", b"\x03newshort", b"\xff" * 40])
def test_what_is_no_token_is_refused(token: bytes) -> None:
    with pytest.raises(TokenRefused):
        AFTER.decrypt(token, context=b"c")


def test_context_and_purpose_bind() -> None:
    with pytest.raises(TokenRefused):
        AFTER.decrypt(AFTER.encrypt(b"face", context=b"customer 1"), context=b"customer 2")
    signature = AFTER.sign(b"row", purpose=b"lineage")
    assert AFTER.has_signed(b"row", signature, purpose=b"lineage")
    for data, signed, purpose in (
        (b"row", signature, b"audit"),
        (b"other", signature, b"lineage"),
        (b"row", signature + "é", b"lineage"),
        (b"row", "gone:" + signature[4:], b"lineage"),
    ):
        assert not AFTER.has_signed(data, signed, purpose=purpose)
