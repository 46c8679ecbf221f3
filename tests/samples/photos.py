"""Photographs of faces from packages of PyPI: downloaded once, verified by hash, not committed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

_DOWNLOAD_TIMEOUT_SECONDS = 180
_SDIST = "face-recognition==1.3.0"
# pip executes the setup.py of a source package; with a hash, only the one that was reviewed.
_SDIST_SHA256 = "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec"
_WHEEL = "scikit-image==0.26.0"
_IN_SDIST = "face_recognition-1.3.0/tests/test_images/"
_IN_WHEEL = "skimage/data/"
_SHA256_BY_FILE = {
    "obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    "obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    "obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    "biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    "obama_partial_face.jpg": "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
    "obama_partial_face2.jpg": "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
}
PERSON_BY_FILE: Mapping[str, str] = {
    "obama.jpg": "A",
    "obama2.jpg": "A",
    "obama3.jpg": "A",
    "biden.jpg": "B",
    "astronaut.png": "C",
}
"""Frontal photographs, with one letter for each person."""
CUT_OFF_FILES = ("obama_partial_face.jpg", "obama_partial_face2.jpg")
"""Photographs in which half of the face is missing."""


def read_photos() -> dict[str, bytes]:
    """Return the photographs by file name; skips the test where they cannot be downloaded."""
    folder = settings.MODELS_DIR / "samples" / "photos"
    if not all(_is_intact(folder / name) for name in _SHA256_BY_FILE):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            try:
                _download(Path(work), folder)
            except (OSError, subprocess.SubprocessError, KeyError) as error:
                skip_loudly(f"photographs cannot be downloaded from PyPI ({error})")
    return {name: (folder / name).read_bytes() for name in _SHA256_BY_FILE}


def require_face_models() -> None:
    """Install the models of face recognition; skips the test where they cannot be downloaded."""
    try:
        call_command("fetch_models", biometrics=True, stdout=open(os.devnull, "w"))  # noqa: SIM115
    except CommandError as error:
        skip_loudly(f"face models cannot be downloaded ({error})")


def skip_loudly(reason: str) -> None:
    """Skip the test, and say so past the capture of pytest: its promise is not checked."""
    print(f"\nSKIPPED, NOT CHECKED: {reason}", file=sys.__stderr__)
    pytest.skip(reason)


def _download(work: Path, folder: Path) -> None:
    requirement = work / "requirements.txt"
    requirement.write_text(f"{_SDIST} --hash=sha256:{_SDIST_SHA256}\n")
    _pip_download(work, "--no-binary", "face-recognition", "--require-hashes", "-r", requirement)
    _pip_download(work, "--only-binary", ":all:", _WHEEL)
    with tarfile.open(next(work.glob("*.tar.gz"))) as sdist:
        for name in (*PERSON_BY_FILE, *CUT_OFF_FILES):
            if name.endswith(".jpg"):
                content = sdist.extractfile(_IN_SDIST + name)
                if content is not None:
                    (work / name).write_bytes(content.read())
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        (work / "astronaut.png").write_bytes(wheel.read(f"{_IN_WHEEL}astronaut.png"))
    for name in _SHA256_BY_FILE:
        if not _is_intact(work / name):
            raise OSError(f"{name} is not the file that was reviewed")
        shutil.move(work / name, folder / name)


def _pip_download(work: Path, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(work)]
    subprocess.run(
        [*command, *map(str, arguments)],
        check=True,
        capture_output=True,
        timeout=_DOWNLOAD_TIMEOUT_SECONDS,
    )


def _is_intact(path: Path) -> bool:
    if not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == _SHA256_BY_FILE[path.name]
