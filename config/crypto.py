"""The key ring: encrypts with the newest key, decrypts with any, derives a key for each purpose."""

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

    code = "token-refused"


class KeyRing:
    """AES-256-GCM under named keys; a token is `id length (1) | id | nonce (12) | ciphertext and tag`."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """keys: id → 32 bytes, newest first."""
        self._keys = dict(keys)
        self._newest = next(iter(self._keys))

    @classmethod
    def read(cls, text: str) -> "KeyRing":
        """Read the KEY_RING setting: `id:base64[,id:base64]`, newest first."""
        pairs = (entry.split(":", 1) for entry in text.split(","))
        return cls({key_id: base64.b64decode(encoded) for key_id, encoded in pairs})

    def encrypt(self, plaintext: bytes, *, context: bytes) -> bytes:
        """Encrypt; only the same context decrypts it again."""
        name, nonce = self._newest.encode(), os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._derive(self._newest, b"encrypt")).encrypt(nonce, plaintext, context)
        return bytes([len(name)]) + name + nonce + sealed

    def decrypt(self, token: bytes, *, context: bytes) -> bytes:
        """Return the plaintext, or raise TokenRefused."""
        length = token[0] if token else 0
        name, rest = token[1 : 1 + length].decode(errors="replace"), token[1 + length :]
        if name not in self._keys or len(rest) < _NONCE_BYTES:
            raise TokenRefused("The token's key is not in the key ring.")
        try:
            opened = AESGCM(self._derive(name, b"encrypt"))
            return opened.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context)
        except InvalidTag:
            raise TokenRefused("The token was altered or belongs elsewhere.") from None

    def sign(self, data: bytes, *, purpose: bytes) -> str:
        """Return `id:hex` HMAC-SHA256 under the newest key."""
        return f"{self._newest}:{hmac.new(self._derive(self._newest, purpose), data, hashlib.sha256).hexdigest()}"

    def has_signed(self, data: bytes, signature: str, *, purpose: bytes) -> bool:
        """Say whether any key of the ring made this signature of the data."""
        name, _, digest = signature.partition(":")
        if name not in self._keys:
            return False
        expected = hmac.new(self._derive(name, purpose), data, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), digest.encode())

    def _derive(self, name: str, purpose: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cultivar:" + purpose).derive(
            self._keys[name]
        )


@cache
def key_ring() -> KeyRing:
    """Return the ring of the KEY_RING setting."""
    from django.conf import settings

    return KeyRing.read(settings.KEY_RING)
