"""Manifest of a backup: its parts with hashes, its tables with checksums; signed."""

import hashlib
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from config.crypto import key_ring
from mlops.backup.errors import (
    BackupDamaged,
    BackupKeyMissing,
    BackupMissing,
    BackupUnsupported,
)

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.dump"
OBJECTS = "objects.tar"
OBJECT_LIST = "objects.jsonl"
ERASURES = "erasures.json"
_PURPOSE = b"backup"
_SIGNATURE_SUFFIX = ".signature"
_CHUNK_BYTES = 2**20


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Record):
    """A file of the backup."""

    name: Literal["database.dump", "objects.tar", "objects.jsonl", "erasures.json"]
    bytes: int
    sha256: str


class TableSummary(_Record):
    """
    Number of rows of a table, and a checksum of their contents that ignores their order.

    checksum: sum of 64-bit hashes. It finds what a restoration lost or altered by mistake; the
    signed hashes of the parts are the defense against manipulation.
    """

    rows: int
    checksum: str


class Manifest(_Record):
    """
    Description of a backup.

    server_version: PostgreSQL's, as in `server_version_num`. migrations: those applied, `app.name`.
    key_fingerprints: by setting and key id; the keys are not in the backup.
    """

    format: Literal[1]
    created_at: datetime
    server_version: int
    migrations: list[str]
    tables: dict[str, TableSummary]
    object_count: int
    object_bytes: int
    parts: list[Part]
    key_fingerprints: dict[str, dict[str, str]]

    @property
    def rows(self) -> int:
        """Number of rows of all tables."""
        return sum(table.rows for table in self.tables.values())


class _Version(BaseModel):
    format: int


def describe_part(path: Path) -> Part:
    """Return name, size and hash of a file."""
    return Part.model_validate(
        {"name": path.name, "bytes": path.stat().st_size, "sha256": file_hash(path)}
    )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest and its signature by the newest key of the key ring."""
    write_signed(directory / MANIFEST, manifest.model_dump_json(indent=1).encode())


def read_manifest(directory: Path) -> Manifest:
    """
    Return the manifest of a backup whose signature is valid.

    Raises BackupMissing, BackupUnsupported: unknown format; BackupKeyMissing, BackupDamaged.
    """
    path = directory / MANIFEST
    if not path.is_file():
        raise BackupMissing(f"{directory}: has no {MANIFEST}; it is not a finished backup.")
    content = path.read_bytes()
    try:
        version = _Version.model_validate_json(content).format
    except ValidationError as error:
        raise BackupDamaged(f"{MANIFEST}: is cut short or was changed.") from error
    if version != FORMAT:
        raise BackupUnsupported(
            f"{MANIFEST}: format {version}; this release reads format {FORMAT}."
        )
    try:
        return Manifest.model_validate_json(read_signed(path))
    except ValidationError as error:
        raise BackupDamaged(f"{MANIFEST}: {error.errors()[0]['msg']}") from error


def check_parts(directory: Path, manifest: Manifest) -> None:
    """Compare size and hash of every part with the manifest. Raises BackupDamaged."""
    for part in manifest.parts:
        path = directory / part.name
        if not path.is_file():
            raise BackupDamaged(f"{part.name}: is missing.")
        size = path.stat().st_size
        if size != part.bytes:
            raise BackupDamaged(
                f"{part.name}: has {size} bytes instead of {part.bytes}; it was cut short."
                if size < part.bytes
                else f"{part.name}: has {size} bytes instead of {part.bytes}; it was changed."
            )
        if file_hash(path) != part.sha256:
            raise BackupDamaged(f"{part.name}: was changed; its SHA-256 differs.")


def write_signed(path: Path, content: bytes) -> None:
    """Write a file and, beside it, its signature."""
    write_private_bytes(path, content)
    signature = key_ring().sign(content, purpose=_PURPOSE)
    write_private_bytes(_signature_path(path), signature.encode())


def read_signed(path: Path) -> bytes:
    """Return the content of a signed file. Raises BackupDamaged, BackupKeyMissing."""
    content = path.read_bytes()
    try:
        signature = _signature_path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupDamaged(f"{path.name}: has no readable signature.") from error
    key_id = signature.partition(":")[0]
    if not key_ring().has_key(key_id):
        raise BackupKeyMissing(key_id[:40])
    if not key_ring().has_signed(content, signature, purpose=_PURPOSE):
        raise BackupDamaged(f"{path.name}: was changed; its signature does not match.")
    return content


def write_private_bytes(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, and flush it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def missing_keys(manifest: Manifest, fingerprints: dict[str, dict[str, str]]) -> list[str]:
    """Return the keys of the backup that the settings lack or have otherwise, `SETTING: id`."""
    return [
        f"{setting}: {key_id}"
        for setting, expected in manifest.key_fingerprints.items()
        for key_id, fingerprint in expected.items()
        if fingerprints.get(setting, {}).get(key_id) != fingerprint
    ]


def unknown_migrations(manifest: Manifest, known: Iterable[str]) -> list[str]:
    """Return the applied migrations of the backup that this release lacks."""
    return sorted(set(manifest.migrations) - set(known))


def _signature_path(path: Path) -> Path:
    return path.with_name(path.name + _SIGNATURE_SUFFIX)
