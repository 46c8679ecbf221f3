"""Model files written by `manage.py fetch_models`, with a manifest that contains their hashes."""

import hashlib
import json
from pathlib import Path
from typing import Any

from vectors.errors import ModelMissing


def verified_manifest(folder: Path, *, name: str, files: tuple[str, ...]) -> dict[str, Any]:
    """
    Verify the hash of every file and return the manifest.

    Raises ModelMissing with the command that downloads the model.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        for file in files:
            if sha256(folder / file) != manifest[file]:
                raise ModelMissing(
                    f"{folder / file} does not match its hash: run"
                    " `manage.py fetch_models --force`."
                )
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(f"{name} is not in {folder}: run `manage.py fetch_models`.") from None
    except (KeyError, ValueError):
        raise ModelMissing(
            f"{folder} has an invalid manifest: run `manage.py fetch_models --force`."
        ) from None
    return manifest


def model_kind(folder: Path) -> str:
    """Return the kind of model in a folder: "clip", "text", or "" without a valid manifest."""
    try:
        return str(json.loads((folder / "manifest.json").read_text()).get("kind", ""))
    except (OSError, ValueError):
        return ""


def revision(manifest: dict[str, Any]) -> str:
    """Return 12 hex digits over the weights and the form of the graph."""
    if "form" not in manifest:
        return str(manifest["weights"])[:12]
    return hashlib.sha256(f"{manifest['weights']}|{manifest['form']}".encode()).hexdigest()[:12]


def sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
