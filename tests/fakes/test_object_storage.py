"""Object storage: the same promises of the fake, of files and of a real S3 server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.test import override_settings

from config.clients import objects
from config.clients.objects import (
    ObjectsUnavailable,
    delete_versions,
    list_versions,
    read_current_objects,
)
from tests.fakes.objects import FakeObjectStorage
from tests.servers import s3

_KINDS = ("fake", "files", "s3")


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    """Return a running S3 server; without its wheel the test is skipped."""
    if not s3.is_available():
        pytest.skip("no S3 server: the wheel of SeaweedFS is not installed")
    with s3.start_seaweed(tmp_path_factory.mktemp("s3")) as server:
        yield server


def _entry(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if kind == "fake":
        return {"BACKEND": "tests.fakes.objects.FakeObjectStorage"}
    if kind == "files":
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    server: s3.S3 = request.getfixturevalue("s3_server")
    return server.storage()


@pytest.fixture(params=_KINDS)
def storage(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[Storage]:
    """Return the default storage, emptied."""
    entry = _entry(request.param, request, tmp_path)
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield storages["default"]
        delete_versions(list_versions("people/"))


@pytest.fixture(params=["fake", "s3"])
def unavailable_storage(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Storage]:
    """Return a default storage whose server does not respond."""
    if request.param == "fake":
        fake = FakeObjectStorage()
        fake.is_available = False
        monkeypatch.setattr(objects, "_storage", lambda: fake)
        yield fake
        return
    entry = s3.S3("http://127.0.0.1:1", "key", "secret", "people").storage()
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield storages["default"]


def _save(storage: Storage, name: str, content: bytes = b"x") -> None:
    storage.save(name, ContentFile(content))


class TestObjectStorage:
    """Promises that hold for every storage."""

    def test_saved_object_is_read_as_it_was(self, storage: Storage) -> None:
        _save(storage, "people/1/photo.txt", b"\x00\xff")

        assert dict(read_current_objects("people/1/")) == {"photo.txt": b"\x00\xff"}

    def test_objects_of_other_prefixes_are_not_read(self, storage: Storage) -> None:
        _save(storage, "people/1/a.txt")
        _save(storage, "people/2/b.txt")

        assert [name for name, _ in read_current_objects("people/1/")] == ["a.txt"]

    def test_objects_in_folders_are_listed(self, storage: Storage) -> None:
        _save(storage, "people/1/letters/a.txt")

        assert {version.key for version in list_versions("people/1/")} == {"people/1/letters/a.txt"}

    def test_an_unknown_prefix_has_no_versions(self, storage: Storage) -> None:
        assert list_versions("people/unknown/") == []

    def test_deleted_versions_are_gone(self, storage: Storage) -> None:
        _save(storage, "people/1/a.txt")

        delete_versions(list_versions("people/1/"))

        assert list_versions("people/1/") == []

    def test_deletion_returns_how_many(self, storage: Storage) -> None:
        _save(storage, "people/1/a.txt")
        _save(storage, "people/1/b.txt")

        assert delete_versions(list_versions("people/1/")) == 2

    def test_deleting_absent_versions_is_no_error(self, storage: Storage) -> None:
        _save(storage, "people/1/a.txt")
        versions = list_versions("people/1/")
        delete_versions(versions)

        assert delete_versions(versions) == 1


class TestUnavailableObjectStorage:
    """Promises while the server does not respond."""

    def test_listing_raises_objects_unavailable(self, unavailable_storage: Storage) -> None:
        with pytest.raises(ObjectsUnavailable):
            list_versions("people/")

    def test_reading_raises_objects_unavailable(self, unavailable_storage: Storage) -> None:
        with pytest.raises(ObjectsUnavailable):
            list(read_current_objects("people/"))

    def test_deletion_raises_objects_unavailable(self, unavailable_storage: Storage) -> None:
        with pytest.raises(ObjectsUnavailable):
            delete_versions([objects.ObjectVersion("people/1/a.txt", "v")])
