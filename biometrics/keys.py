"""
Master keys of face templates, from the environment, a file or a key management service.

All three hold the same text, `id:base64[,id:base64]`, newest first, without spaces or one entry a
line. The entry `rotation` is the deployment key of the rotation; it stays when master keys change.
With the source `kms`, base64 is of the encrypted data key.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from biometrics.errors import TemplateKeysUnavailable, TemplateKeyUnknown
from config.clients.kms import KmsUnavailable, decrypt_data_key

ROTATION = "rotation"
KEY_BYTES = 32
MAX_ID_LENGTH = 50


@dataclass(frozen=True, slots=True, repr=False)
class TemplateKeys:
    """Master keys by id, newest first, and the deployment key of the rotation; 32 bytes each."""

    masters: Mapping[str, bytes]
    rotation: bytes

    @property
    def newest(self) -> str:
        """The id of the key that new templates are encrypted with."""
        return next(iter(self.masters))

    def master(self, key_id: str) -> bytes:
        """Return a master key. Raises TemplateKeyUnknown."""
        if key_id not in self.masters:
            raise TemplateKeyUnknown(key_id)
        return self.masters[key_id]


@cache
def template_keys() -> TemplateKeys:
    """
    Return the keys of the configured source; read once per process.

    Raises TemplateKeysUnavailable.
    """
    source = settings.BIOMETRIC_KEY_SOURCE
    text = _read_file() if source == "file" else settings.BIOMETRIC_KEYS
    entries = _parse(text)
    if source == "kms":
        entries = {key_id: _decrypt(key_id, value) for key_id, value in entries.items()}
    return _check(entries)


def kms_context(key_id: str) -> dict[str, str]:
    """Return the encryption context of a data key, without which it does not decrypt."""
    return {"application": "cultivar", "purpose": "face templates", "key": key_id}


def _read_file() -> str:
    path = settings.BIOMETRIC_KEY_FILE
    if path is None:
        raise TemplateKeysUnavailable("BIOMETRIC_KEY_FILE names no file.")
    try:
        text: str = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateKeysUnavailable(
            f"The file of BIOMETRIC_KEY_FILE cannot be read ({type(error).__name__})."
        ) from None
    return text


def _parse(text: str) -> dict[str, bytes]:
    entries: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            value = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            value = b""
        if not key_id or len(key_id) > MAX_ID_LENGTH or not value or key_id in entries:
            # The entry itself may be a secret.
            raise TemplateKeysUnavailable(
                f"Entry {len(entries) + 1} of the biometric keys must be a new id:base64."
            )
        entries[key_id] = value
    return entries


def _decrypt(key_id: str, value: bytes) -> bytes:
    try:
        return decrypt_data_key(value, context=kms_context(key_id))
    except KmsUnavailable as error:
        raise TemplateKeysUnavailable(f"{key_id}: {error}") from None


def _check(entries: dict[str, bytes]) -> TemplateKeys:
    for key_id, value in entries.items():
        if len(value) != KEY_BYTES:
            raise TemplateKeysUnavailable(f"The biometric key {key_id} must have 32 bytes.")
    rotation = entries.pop(ROTATION, None)
    if not entries or rotation is None:
        raise TemplateKeysUnavailable(
            "Biometrics needs at least one master key and the key `rotation`; create them with"
            " manage.py create_biometric_key."
        )
    if len({rotation, *entries.values()}) != len(entries) + 1:
        raise TemplateKeysUnavailable("Two biometric keys are the same.")
    return TemplateKeys(entries, rotation)
