"""Private files, and the secrets of a state directory."""

import base64
import os
import secrets
from pathlib import Path

from dotenv import dotenv_values


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that only its owner can read at any moment (mode 0600)."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def generate_secrets() -> dict[str, str]:
    """Return a random SECRET_KEY and a KEY_RING with one random key."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {"SECRET_KEY": secrets.token_urlsafe(50), "KEY_RING": f"k1:{key}"}


def stored_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of the file, which is created on the first call."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}='{value}'\n" for name, value in generate_secrets().items()]
        write_private(path, "".join(lines))
    return {name: value for name, value in dotenv_values(path).items() if value}
