"""The account of the PostgreSQL server, which refuses to run as root, and its directories."""

import hashlib
import os
import pwd
from pathlib import Path

Account = tuple[int, int]
"""User id, group id."""


def server_account(data: Path) -> Account | None:
    """
    Return the account that a server runs as; None to stay with the current one.

    Only root drops to another account: the owner of the data directory, or else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    unprivileged = pwd.getpwnam("nobody")
    return unprivileged.pw_uid, unprivileged.pw_gid


def server_home(directory: Path) -> Path:
    """
    Return the directory of a server's files: this one if its account can reach it, else /var/lib.

    /root and many temporary directories are closed to other accounts, and stay closed.
    """
    if os.geteuid() != 0 or is_open_to_all(directory.parent):
        return directory
    return Path("/var/lib") / f"cultivar-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"


def is_open_to_all(directory: Path) -> bool:
    """Return whether every account may pass through the directory and its parents."""
    return all(path.stat().st_mode & 0o001 for path in (directory, *directory.parents))
