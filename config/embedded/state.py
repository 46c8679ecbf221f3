"""The state directory: one bin/dev at a time on it, room on its disk, and how it is emptied."""

import fcntl
import os
import shutil
from pathlib import Path

LEAST_FREE_BYTES = 1_500_000_000
KEPT_ON_RESET = {"models", "dev.lock"}


class Refused(Exception):
    """bin/dev cannot run; one line for people: what is wrong and what to do."""


class StateDirectory:
    """The directory under which everything lies that bin/dev makes (`var/` unless STATE_DIR says otherwise)."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock = -1

    def claim(self) -> None:
        """Take the directory for this process; raises Refused when another has it, or when it cannot be used."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "dev.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Refused(
                f"{self.path} cannot be written ({error.strerror}). Make it yours, or name another place in STATE_DIR."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._lock, 20).decode() or "?"
            raise Refused(
                f"Another bin/dev (process {owner}) runs on {self.path}. Stop it, or name another place in STATE_DIR."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE_BYTES:
            raise Refused(
                f"Only {free // 1_000_000} MB are free at {self.path}. Make room for {LEAST_FREE_BYTES // 1_000_000} MB"
                " and start again."
            )

    def empty(self) -> None:
        """Delete what is in it, but for model files, which are the same for everybody."""
        for entry in self.path.iterdir():
            if entry.name in KEPT_ON_RESET:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
