"""Key ring: encrypts and signs with the newest key, decrypts and verifies with any."""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.errors import CultivarError

_NONCE_BYTES = 12


class TokenRefused(CultivarError):
    """The ciphertext was altered, belongs to another context, or its key is not in the ring."""

    code = "token_refused"


class KeyRing:
    """
    AES-256-GCM and HMAC-SHA256 under named keys; each purpose uses a key derived by HKDF.

    A token is `id length (1 byte) | id | nonce (12 bytes) | ciphertext and tag`.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """keys: id → 32 bytes, newest first."""
        self._keys = dict(keys)
        self._newest = next(iter(self._keys))

    @classmethod
    def read(cls, text: str) -> "KeyRing":
        """Return the ring of a KEY_RING setting: `id:base64[,id:base64]`, newest first."""
        pairs = (entry.split(":", 1) for entry in text.split(","))
        return cls({key_id: base64.b64decode(encoded) for key_id, encoded in pairs})

    def has_key(self, key_id: str) -> bool:
        """Return whether the ring has a key of this id."""
        return key_id in self._keys

    def fingerprints(self) -> dict[str, str]:
        """Return for each key id a digest by which two rings are compared."""
        return {key_id: self._hmac(key_id, b"", b"fingerprint")[:16] for key_id in self._keys}

    def encrypt(self, plaintext: bytes, *, context: bytes) -> bytes:
        """Return a token that can be decrypted only with the same context."""
        key_id = self._newest.encode()
        nonce = os.urandom(_NONCE_BYTES)
        cipher = AESGCM(self._derive(self._newest, b"encrypt"))
        return bytes([len(key_id)]) + key_id + nonce + cipher.encrypt(nonce, plaintext, context)

    def decrypt(self, token: bytes, *, context: bytes) -> bytes:
        """Return the plaintext. Raises TokenRefused."""
        length = token[0] if token else 0
        key_id = token[1 : 1 + length].decode(errors="replace")
        rest = token[1 + length :]
        if key_id not in self._keys or len(rest) < _NONCE_BYTES:
            raise TokenRefused("The token's key is not in the key ring.")
        cipher = AESGCM(self._derive(key_id, b"encrypt"))
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context)
        except InvalidTag:
            raise TokenRefused("The token was altered or belongs to another context.") from None

    def sign(self, data: bytes, *, purpose: bytes) -> str:
        """Return the signature `id:hex`, HMAC-SHA256 under the newest key."""
        return f"{self._newest}:{self._hmac(self._newest, data, purpose)}"

    def has_signed(self, data: bytes, signature: str, *, purpose: bytes) -> bool:
        """Return whether a key of the ring made this signature of the data."""
        key_id, _, digest = signature.partition(":")
        if key_id not in self._keys:
            return False
        expected = self._hmac(key_id, data, purpose)
        return hmac.compare_digest(expected.encode(), digest.encode())

    def derived_key(self, purpose: bytes) -> bytes:
        """Return 32 bytes for one purpose, derived from the newest key."""
        return self._derive(self._newest, purpose)

    def _hmac(self, key_id: str, data: bytes, purpose: bytes) -> str:
        return hmac.new(self._derive(key_id, purpose), data, hashlib.sha256).hexdigest()

    def _derive(self, key_id: str, purpose: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cultivar:" + purpose).derive(
            self._keys[key_id]
        )


@cache
def key_ring() -> KeyRing:
    """Return the key ring of the KEY_RING setting."""
    from django.conf import settings

    return KeyRing.read(settings.KEY_RING)
