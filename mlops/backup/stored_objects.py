"""Objects of a backup: one tar file, and a list of keys, sizes and hashes."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from config.clients.objects import (
    current_keys,
    delete_object,
    object_hash,
    open_object,
    save_object,
)
from mlops.backup.errors import BackupDamaged, RestorationDiffers
from mlops.backup.manifest import write_private_bytes

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object of a backup."""

    key: str
    bytes: int
    sha256: str


def save_objects(archive: Path, listing: Path, *, on_object: Progress) -> list[ObjectEntry]:
    """
    Copy all current objects into a tar file, and list them; return the list.

    An object that is deleted meanwhile is left out: no row of the snapshot may need it any more.
    Raises ObjectsUnavailable.
    """
    keys = current_keys("")
    entries = []
    archive.touch(mode=0o600)
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for done, key in enumerate(keys, 1):
            entry = _add(tar, key)
            if entry:
                entries.append(entry)
            on_object(done, len(keys))
    lines = [json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries]
    write_private_bytes(listing, "".join(lines).encode())
    return entries


def read_listing(listing: Path) -> list[ObjectEntry]:
    """Return the objects of a backup. Raises BackupDamaged."""
    try:
        with listing.open(encoding="utf-8") as lines:
            return [ObjectEntry(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise BackupDamaged(f"{listing.name}: has a line that is not an object.") from error


def restore_objects(archive: Path, listing: Path, *, on_object: Progress) -> int:
    """
    Write every object of a backup, then delete those that it does not contain; return how many.

    Raises BackupDamaged: archive and list differ; RestorationDiffers: the storage has other
    contents than the backup; ObjectsUnavailable.
    """
    expected = {entry.key: entry for entry in read_listing(listing)}
    done = 0
    for key, file in _members(archive):
        if key not in expected:
            raise BackupDamaged(f"{archive.name}: the object {key} is not listed.")
        save_object(key, file)
        done += 1
        on_object(done, len(expected))
    if done != len(expected):
        raise BackupDamaged(f"{archive.name}: has {done} objects instead of {len(expected)}.")
    for key in set(current_keys("")) - expected.keys():
        delete_object(key)
    differing = [key for key, entry in expected.items() if object_hash(key) != entry.sha256]
    if differing:
        raise RestorationDiffers("objects", differing)
    return done


def count_objects() -> int:
    """Return the number of objects in the storage. Raises ObjectsUnavailable."""
    return len(current_keys(""))


def _add(tar: tarfile.TarFile, key: str) -> ObjectEntry | None:
    with open_object(key) as opened:
        if opened is None:
            return None
        file, size = opened
        info = tarfile.TarInfo(key)
        info.size = size
        info.mode = 0o600
        reader = _HashingReader(file)
        tar.addfile(info, reader)
    return ObjectEntry(key, size, reader.digest.hexdigest())


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        with tarfile.open(archive, "r") as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is None:
                    raise BackupDamaged(f"{archive.name}: {member.name} is no file.")
                yield member.name, file
    except tarfile.TarError as error:
        raise BackupDamaged(f"{archive.name}: cannot be read.") from error


class _HashingReader(io.RawIOBase):
    """File that hashes what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk
