"""Object storage: list, read, write and permanently delete objects and their versions."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from django.conf import DEFAULT_STORAGE_ALIAS
from django.core.files import File
from django.core.files.storage import Storage, storages

from config.errors import ServiceUnavailable

if TYPE_CHECKING:
    from storages.backends.s3 import S3Storage

_PAGE_SIZE = 1000
_CHUNK_BYTES = 2**20


class ObjectsUnavailable(ServiceUnavailable):
    """Object storage does not respond, or refuses a deletion."""

    code = "objects_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Object storage", reason)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """
    One version of an object; a delete marker is one too.

    version: empty where the storage has no versions.
    """

    key: str
    version: str = ""
    is_delete_marker: bool = False


def ping() -> None:
    """Look an object up that need not exist. Raises ObjectsUnavailable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _storage().exists("ping")
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error


@contextmanager
def unavailable_if_s3_fails() -> Iterator[None]:
    """Raise ObjectsUnavailable for errors of the client of S3; other errors pass."""
    try:
        yield
    except Exception as error:
        # Where S3 is not in use, its library is not loaded.
        library = sys.modules.get("botocore.exceptions")
        if library and isinstance(error, library.BotoCoreError | library.ClientError):
            raise ObjectsUnavailable(type(error).__name__) from error
        raise


def list_versions(prefix: str) -> list[ObjectVersion]:
    """
    Return every version of every object below a prefix, deleted or not.

    Raises ObjectsUnavailable.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from storages.backends.s3 import S3Storage

    storage = _storage()
    try:
        if isinstance(storage, S3Storage):
            return list(_list_on_s3(storage, prefix))
        return list(_list_files(storage, prefix))
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error


def delete_versions(versions: list[ObjectVersion]) -> int:
    """
    Delete versions permanently; return how many. Absent ones are no error.

    Raises ObjectsUnavailable.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from storages.backends.s3 import S3Storage

    storage = _storage()
    try:
        if isinstance(storage, S3Storage):
            _delete_on_s3(storage, versions)
        else:
            for version in versions:
                storage.delete(version.key)
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error
    return len(versions)


def delete_object(key: str) -> None:
    """
    Delete every version of an object permanently. An absent one is no error.

    Raises ObjectsUnavailable.
    """
    from storages.backends.s3 import S3Storage

    if isinstance(_storage(), S3Storage):
        delete_versions([version for version in list_versions(key) if version.key == key])
    else:
        delete_versions([ObjectVersion(key)])


def read_current_objects(prefix: str) -> Iterator[tuple[str, bytes]]:
    """
    Yield name (without the prefix) and content of the current objects below a prefix.

    Raises ObjectsUnavailable.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    storage = _storage()
    keys = {version.key for version in list_versions(prefix) if not version.is_delete_marker}
    for key in sorted(keys):
        try:
            if storage.exists(key):
                with storage.open(key) as file:
                    yield key.removeprefix(prefix), file.read()
        except (BotoCoreError, ClientError, OSError) as error:
            raise ObjectsUnavailable(type(error).__name__) from error


def read_object(key: str, *, max_bytes: int) -> bytes | None:
    """
    Return the content of an object, at most `max_bytes` of it; None without such an object.

    Raises ObjectsUnavailable.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    storage = _storage()
    try:
        if not storage.exists(key):
            return None
        with storage.open(key) as file:
            content: bytes = file.read(max_bytes)
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error
    return content


def current_keys(prefix: str) -> list[str]:
    """
    Return the keys of all objects below a prefix that are not deleted, in ascending order.

    Raises ObjectsUnavailable.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from storages.backends.s3 import S3Storage

    storage = _storage()
    try:
        if isinstance(storage, S3Storage):
            return sorted(_list_current_on_s3(storage, prefix))
        return sorted(version.key for version in _list_files(storage, prefix))
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error


@contextmanager
def open_object(key: str) -> Iterator[tuple[IO[bytes], int] | None]:
    """
    Open an object: its content and its size in bytes; None without such an object.

    Raises ObjectsUnavailable, also for errors of reading.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    storage = _storage()
    try:
        if not storage.exists(key):
            yield None
            return
        with storage.open(key) as file:
            yield file, file.size
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error


def object_hash(key: str) -> str:
    """Return the SHA-256 of an object, "" without such an object. Raises ObjectsUnavailable."""
    digest = hashlib.sha256()
    with open_object(key) as opened:
        if opened is None:
            return ""
        while chunk := opened[0].read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def save_object(key: str, content: IO[bytes]) -> None:
    """Write an object, in place of an existing one. Raises ObjectsUnavailable."""
    from botocore.exceptions import BotoCoreError, ClientError
    from storages.backends.s3 import S3Storage

    storage = _storage()
    try:
        if not isinstance(storage, S3Storage):
            storage.delete(key)  # a file storage would choose another name
        storage.save(key, File(content))
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error


def _storage() -> Storage:
    return storages[DEFAULT_STORAGE_ALIAS]


def _list_current_on_s3(storage: S3Storage, prefix: str) -> Iterator[str]:
    paginator = storage.connection.meta.client.get_paginator("list_objects_v2")
    for page in paginator.paginate(Bucket=storage.bucket_name, Prefix=prefix):
        for entry in page.get("Contents", []):
            yield entry["Key"]


def _list_on_s3(storage: S3Storage, prefix: str) -> Iterator[ObjectVersion]:
    paginator = storage.connection.meta.client.get_paginator("list_object_versions")
    pages = paginator.paginate(
        Bucket=storage.bucket_name, Prefix=prefix, PaginationConfig={"PageSize": _PAGE_SIZE}
    )
    for page in pages:
        for entry in page.get("Versions", []):
            yield ObjectVersion(entry["Key"], entry["VersionId"])
        for entry in page.get("DeleteMarkers", []):
            yield ObjectVersion(entry["Key"], entry["VersionId"], is_delete_marker=True)


def _delete_on_s3(storage: S3Storage, versions: list[ObjectVersion]) -> None:
    for start in range(0, len(versions), _PAGE_SIZE):
        entries: list[dict[str, Any]] = [
            {"Key": version.key, "VersionId": version.version}
            for version in versions[start : start + _PAGE_SIZE]
        ]
        response = storage.connection.meta.client.delete_objects(
            Bucket=storage.bucket_name, Delete={"Objects": entries, "Quiet": True}
        )
        if errors := response.get("Errors"):
            raise ObjectsUnavailable(
                f"{len(errors)} versions were not deleted: {errors[0].get('Code', '')}"
            )


def _list_files(storage: Storage, folder: str) -> Iterator[ObjectVersion]:
    if not storage.exists(folder.rstrip("/")):
        return
    folders, files = storage.listdir(folder)
    for name in files:
        yield ObjectVersion(f"{folder}{name}")
    for name in folders:
        yield from _list_files(storage, f"{folder}{name}/")
