"""The state directory of bin/dev: exclusive use, free disk space, reset."""

import fcntl
import os
import shutil
from pathlib import Path

MIN_FREE_BYTES = 1_500_000_000
PRESERVED_ON_RESET = {"models", "dev.lock"}


class StartRefused(Exception):
    """bin/dev cannot start; the text is one line with the reason and the remedy."""


class StateDirectory:
    """The directory of everything that bin/dev creates (`var/`, or STATE_DIR)."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock = -1

    def claim(self) -> None:
        """Lock the directory for this process. Raises StartRefused."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # When we are root, PostgreSQL's account passes through to its own directory.
            self.path.chmod(0o700 if os.geteuid() else 0o711)
            self._lock = os.open(self.path / "dev.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartRefused(
                f"{self.path} cannot be written ({error.strerror}). Change its owner, or set "
                "STATE_DIR to another directory."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._lock, 20).decode() or "?"
            raise StartRefused(
                f"Another bin/dev (process {owner}) runs on {self.path}. Stop it, or set STATE_DIR "
                "to another directory."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE_BYTES:
            raise StartRefused(
                f"Only {free // 1_000_000} MB are free at {self.path}; "
                f"{MIN_FREE_BYTES // 1_000_000} MB are needed. Free some space and start again."
            )

    def clear(self) -> None:
        """Delete the contents except model files, which do not depend on the data."""
        for entry in self.path.iterdir():
            if entry.name in PRESERVED_ON_RESET:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
