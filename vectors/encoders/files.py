"""A model's folder: the files `manage.py fetch_models` made, and the manifest that holds their hashes."""

import hashlib
import json
from pathlib import Path
from typing import Any

from vectors.errors import ModelMissing


def verified(folder: Path, *, name: str, files: tuple[str, ...]) -> dict[str, Any]:
    """Return the manifest after every file was held against its hash; raises ModelMissing, saying how to get them."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        for file in files:
            if sha256(folder / file) != manifest[file]:
                raise ModelMissing(
                    f"{folder / file} was altered: run `manage.py fetch_models --force`."
                )
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(f"{name} is not in {folder}: run `manage.py fetch_models`.") from None
    except (KeyError, ValueError):
        raise ModelMissing(
            f"{folder} has a manifest of another kind: run `manage.py fetch_models --force`."
        ) from None
    return manifest


def kind(folder: Path) -> str:
    """Return what a folder's manifest says it holds: "clip", "text", or nothing when it cannot be read."""
    try:
        return str(json.loads((folder / "manifest.json").read_text()).get("kind", ""))
    except (OSError, ValueError):
        return ""


def revision(manifest: dict[str, Any]) -> str:
    """Return 12 hex digits of the weights and of the form they are served in."""
    if "form" not in manifest:
        return str(manifest["weights"])[:12]
    return hashlib.sha256(f"{manifest['weights']}|{manifest['form']}".encode()).hexdigest()[:12]


def sha256(path: Path) -> str:
    """Return the hash of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
