"""
Tokens of templates: Fernet under a key of the row, with an authenticated header.

The key is HKDF-SHA256(master key, salt of the row, customer id, template version), so that a token
does not decrypt in the row of another customer or after a new salt. The header inside repeats what
the row states beside the token; a changed row no longer agrees with it.
"""

import hmac
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import numpy as np
from cryptography.fernet import Fernet, InvalidToken

from biometrics.errors import RotationChanged, TemplateTampered
from biometrics.rotation import DIMENSION, Float32Array

TEMPLATE_VERSION = 1
SALT_BYTES = 32
# version, id, customer, consent, model, dimension, dtype, expiry in microseconds, rotation
_HEADER = struct.Struct("<B16s16s16s16sH4sq4s")
_FIELDS = (
    "version",
    "id",
    "customer",
    "consent",
    "model",
    "dimension",
    "dtype",
    "expires_at",
    "rotation",
)
_DTYPE = "<f4"
_DTYPE_BYTES = _DTYPE.encode()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """Values of a row that its token is bound to."""

    id: UUID
    customer_id: UUID
    consent_id: UUID
    model: str
    expires_at: datetime
    rotation_id: bytes
    version: int = TEMPLATE_VERSION

    def header(self) -> bytes:
        """Return the header of the plaintext."""
        return pack_header(
            self.version,
            self.id.bytes,
            self.customer_id.bytes,
            self.consent_id.bytes,
            self.model,
            (self.expires_at - _EPOCH) // _MICROSECOND,
            self.rotation_id,
        )


def pack_header(  # noqa: PLR0913, PLR0917  # the fields, for thousands of rows
    version: int,
    template_id: bytes,
    customer_id: bytes,
    consent_id: bytes,
    model: str,
    expires_at_microseconds: int,
    rotation: bytes,
) -> bytes:
    """Return a header; ids have 16 bytes, the expiry counts from 1970."""
    return _HEADER.pack(
        version,
        template_id,
        customer_id,
        consent_id,
        _model_digest(model),
        DIMENSION,
        _DTYPE_BYTES,
        expires_at_microseconds,
        rotation,
    )


def encrypt_template(
    template: Float32Array, *, context: TemplateContext, master: bytes, salt: bytes
) -> bytes:
    """Return the token of a rotated template, float32 (128,)."""
    plaintext = context.header() + template.astype(_DTYPE).tobytes()
    key = derive_key(master, salt, context.customer_id.bytes, context.version)
    return Fernet(urlsafe_b64encode(key)).encrypt(plaintext)


def decrypt_template(
    token: bytes, *, context: TemplateContext, master: bytes, salt: bytes
) -> Float32Array:
    """
    Return the rotated template of a token, float32 (128,), read-only.

    Raises TemplateTampered, and RotationChanged if only the rotation differs.
    """
    key = derive_key(master, salt, context.customer_id.bytes, context.version)
    return np.frombuffer(decrypt_content(token, key, context.header()), dtype=_DTYPE)


def decrypt_content(token: bytes, key: bytes, header: bytes) -> bytes:
    """
    Return the 512 bytes of a rotated template.

    key: of the row, from `derive_key`. Raises TemplateTampered, and RotationChanged if only the
    rotation differs.
    """
    try:
        plaintext = Fernet(urlsafe_b64encode(key)).decrypt(token)
    except InvalidToken:
        raise TemplateTampered("token") from None
    if not plaintext.startswith(header):
        raise _header_error(plaintext[: _HEADER.size], header)
    if len(plaintext) != _HEADER.size + 4 * DIMENSION:
        raise TemplateTampered("dimension")
    return plaintext[_HEADER.size :]


def derive_key(master: bytes, salt: bytes, customer_id: bytes, version: int) -> bytes:
    """
    Return the key of a row: HKDF-SHA256 with 32 bytes, which is one block (RFC 5869).

    By HMAC directly, since the class of the cryptography library takes twice as long, and a gallery
    has thousands of rows.
    """
    info = b"cultivar:face-template:%d:%b\x01" % (version, customer_id)
    return hmac.digest(hmac.digest(salt, master, "sha256"), info, "sha256")


@lru_cache(maxsize=16)
def _model_digest(model: str) -> bytes:
    return blake2b(model.encode(), digest_size=16).digest()


def _header_error(found: bytes, expected: bytes) -> TemplateTampered | RotationChanged:
    if len(found) < _HEADER.size:
        return TemplateTampered("header")
    pairs = zip(_FIELDS, _HEADER.unpack(found), _HEADER.unpack(expected), strict=True)
    part = next(name for name, value, other in pairs if value != other)
    return RotationChanged() if part == "rotation" else TemplateTampered(part)
