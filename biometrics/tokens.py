"""
Tokens of templates: Fernet under a key of the row, with an authenticated header.

The key is HKDF-SHA256(master key, salt of the row, customer id, template version), so that a token
does not decrypt in the row of another customer or after a new salt. The header inside repeats what
the row states beside the token; a changed row no longer agrees with it.
"""

import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import numpy as np
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

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
        return _HEADER.pack(
            self.version,
            self.id.bytes,
            self.customer_id.bytes,
            self.consent_id.bytes,
            blake2b(self.model.encode(), digest_size=16).digest(),
            DIMENSION,
            _DTYPE.encode(),
            (self.expires_at - _EPOCH) // _MICROSECOND,
            self.rotation_id,
        )


def encrypt_template(
    template: Float32Array, *, context: TemplateContext, master: bytes, salt: bytes
) -> bytes:
    """Return the token of a rotated template, float32 (128,)."""
    plaintext = context.header() + template.astype(_DTYPE).tobytes()
    return _fernet(master, salt, context).encrypt(plaintext)


def decrypt_template(
    token: bytes, *, context: TemplateContext, master: bytes, salt: bytes
) -> Float32Array:
    """
    Return the rotated template of a token, float32 (128,), read-only.

    Raises TemplateTampered, and RotationChanged if only the rotation differs.
    """
    try:
        plaintext = _fernet(master, salt, context).decrypt(token)
    except InvalidToken:
        raise TemplateTampered("token") from None
    header = context.header()
    if not plaintext.startswith(header):
        raise _header_error(plaintext[: _HEADER.size], header)
    if len(plaintext) != _HEADER.size + 4 * DIMENSION:
        raise TemplateTampered("dimension")
    return np.frombuffer(plaintext, dtype=_DTYPE, offset=_HEADER.size)


def _fernet(master: bytes, salt: bytes, context: TemplateContext) -> Fernet:
    info = b"cultivar:face-template:%d:" % context.version + context.customer_id.bytes
    key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(master)
    return Fernet(urlsafe_b64encode(key))


def _header_error(found: bytes, expected: bytes) -> TemplateTampered | RotationChanged:
    if len(found) < _HEADER.size:
        return TemplateTampered("header")
    pairs = zip(_FIELDS, _HEADER.unpack(found), _HEADER.unpack(expected), strict=True)
    part = next(name for name, value, other in pairs if value != other)
    return RotationChanged() if part == "rotation" else TemplateTampered(part)
