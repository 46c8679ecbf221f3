"""Contents of raw records: bytes in object storage, each once, under their hash."""

import hashlib

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from config.clients.objects import unavailable_if_s3_fails


def store_content(body: bytes) -> str:
    """Store bytes unless they are stored; return their sha256. Raises ObjectsUnavailable."""
    content_hash = hashlib.sha256(body).hexdigest()
    key = _storage_key(content_hash)
    with unavailable_if_s3_fails():
        if not default_storage.exists(key):
            default_storage.save(key, ContentFile(body))
    return content_hash


def read_content(content_hash: str) -> bytes:
    """
    Return stored bytes.

    Raises ValueError when they do not match their hash, OSError when they are gone,
    ObjectsUnavailable.
    """
    with unavailable_if_s3_fails(), default_storage.open(_storage_key(content_hash)) as file:
        body: bytes = file.read()
    if hashlib.sha256(body).hexdigest() != content_hash:
        raise ValueError(f"stored content {content_hash}: the bytes do not match their hash")
    return body


def _storage_key(content_hash: str) -> str:
    return f"raw/{content_hash[:2]}/{content_hash}"
