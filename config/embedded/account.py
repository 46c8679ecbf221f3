"""Whom PostgreSQL runs as, since it refuses to run as root, and where that account may read and write."""

import hashlib
import os
import pwd
from pathlib import Path

Account = tuple[int, int]
"""User id, group id."""


def server_account(data: Path) -> Account | None:
    """Return the account to drop to: None (stay) unless root; then the owner of the data, or else `nobody`."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def home_for(directory: Path) -> Path:
    """
    Return where the server's files go: the directory itself where the account can reach it, else one under /var/lib.

    /root and many temporary directories are closed to everybody but root; what they hold is not opened up for this.
    """
    if os.geteuid() != 0 or is_open_to_all(directory.parent):
        return directory
    return Path("/var/lib") / f"cultivar-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"


def is_open_to_all(directory: Path) -> bool:
    """Tell whether any account may pass through the directory and all above it."""
    return all(place.stat().st_mode & 0o001 for place in (directory, *directory.parents))
