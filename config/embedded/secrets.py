"""Files that only their owner may read, and the secrets a state directory is given once."""

import base64
import os
import secrets
from pathlib import Path

from dotenv import dotenv_values


def write_private(path: Path, text: str) -> None:
    """Write the file so that nobody but its owner can read it at any moment (0600), whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    draft.replace(path)


def new_secrets() -> dict[str, str]:
    """Return SECRET_KEY and a KEY_RING of one key, random."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {"SECRET_KEY": secrets.token_urlsafe(50), "KEY_RING": f"k1:{key}"}


def kept_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of the file; it is written on the first call and only read afterwards."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, "".join(f"{name}='{value}'\n" for name, value in new_secrets().items()))
    return {name: value for name, value in dotenv_values(path).items() if value}
