"""Object storage, version by version: what lies below a prefix is listed, read and removed for good."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import DEFAULT_STORAGE_ALIAS
from django.core.files.storage import Storage, storages
from storages.backends.s3 import S3Storage

from config.errors import ServiceUnavailable

_PAGE = 1000


class ObjectsUnavailable(ServiceUnavailable):
    """Object storage does not answer, or refuses to remove."""

    code = "objects-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Object storage", reason)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object; a mark that it was deleted is one too. version: empty where there are none."""

    key: str
    version: str = ""
    is_mark: bool = False


def versions(prefix: str) -> list[Version]:
    """Return every version of every object below a prefix, deleted or not. Raises ObjectsUnavailable."""
    storage = _storage()
    try:
        return list(
            _on_s3(storage, prefix) if isinstance(storage, S3Storage) else _files(storage, prefix)
        )
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error


def remove_versions(found: list[Version]) -> int:
    """Remove versions for good; return how many. Absent ones are no error. Raises ObjectsUnavailable."""
    storage = _storage()
    try:
        if isinstance(storage, S3Storage):
            _remove_on_s3(storage, found)
        else:
            for one in found:
                storage.delete(one.key)
    except (BotoCoreError, ClientError, OSError) as error:
        raise ObjectsUnavailable(type(error).__name__) from error
    return len(found)


def newest(prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the objects below a prefix as they are now, names without the prefix. Raises ObjectsUnavailable."""
    storage = _storage()
    for key in sorted({one.key for one in versions(prefix) if not one.is_mark}):
        try:
            if storage.exists(key):
                with storage.open(key) as file:
                    yield key.removeprefix(prefix), file.read()
        except (BotoCoreError, ClientError, OSError) as error:
            raise ObjectsUnavailable(type(error).__name__) from error


def _storage() -> Storage:
    return storages[DEFAULT_STORAGE_ALIAS]


def _on_s3(storage: S3Storage, prefix: str) -> Iterator[Version]:
    pages = storage.connection.meta.client.get_paginator("list_object_versions")
    for page in pages.paginate(
        Bucket=storage.bucket_name, Prefix=prefix, PaginationConfig={"PageSize": _PAGE}
    ):
        yield from (Version(one["Key"], one["VersionId"]) for one in page.get("Versions", []))
        yield from (
            Version(one["Key"], one["VersionId"], True) for one in page.get("DeleteMarkers", [])
        )


def _remove_on_s3(storage: S3Storage, found: list[Version]) -> None:
    for start in range(0, len(found), _PAGE):
        told: list[dict[str, Any]] = [
            {"Key": v.key, "VersionId": v.version} for v in found[start : start + _PAGE]
        ]
        answer = storage.connection.meta.client.delete_objects(
            Bucket=storage.bucket_name, Delete={"Objects": told, "Quiet": True}
        )
        if errors := answer.get("Errors"):
            raise ObjectsUnavailable(
                f"{len(errors)} versions were not removed: {errors[0].get('Code', '')}"
            )


def _files(storage: Storage, folder: str) -> Iterator[Version]:
    if not storage.exists(folder.rstrip("/")):
        return
    folders, files = storage.listdir(folder)
    yield from (Version(f"{folder}{name}") for name in files)
    for name in folders:
        yield from _files(storage, f"{folder}{name}/")
