"""Object storage in memory."""

from typing import Any

from django.core.files.base import File
from django.core.files.storage import InMemoryStorage


class FakeObjectStorage(InMemoryStorage):
    """
    Django's storage in memory, without versions.

    is_available: set to False, every call fails as without a server. max_objects: a test that
    needs more needs a real server.
    """

    def __init__(self, *, max_objects: int = 1_000, **options: Any) -> None:
        super().__init__(**options)
        self.is_available = True
        self._max_objects = max_objects
        self._saved = 0

    def exists(self, name: str) -> bool:
        self._connect()
        return bool(super().exists(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        self._connect()
        folders, files = super().listdir(path)
        return list(folders), list(files)

    def delete(self, name: str) -> None:
        self._connect()
        if super().exists(name):
            super().delete(name)

    def _open(self, name: str, mode: str = "rb") -> File:
        self._connect()
        file: File = super()._open(name, mode)  # type: ignore[misc]
        return file

    def _save(self, name: str, content: File) -> str:
        self._connect()
        self._saved += 1
        if self._saved > self._max_objects:
            raise ValueError(f"a fake storage takes at most {self._max_objects} objects")
        return str(super()._save(name, content))  # type: ignore[misc]

    def _connect(self) -> None:
        if not self.is_available:
            raise ConnectionError("the object storage does not respond")
