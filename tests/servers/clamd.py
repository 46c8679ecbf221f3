"""A real virus scanner for tests: ClamAV's daemon, where it is installed, with one signature."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.ports import LOOPBACK, free_port, is_taken
from tests.fakes.clamav import EICAR, MAX_BYTES
from tests.polling import wait_until

_START_SECONDS = 30
# Debian installs it where the search path of ordinary users does not lead.
_PROGRAM = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")


def is_available() -> bool:
    """Return whether clamd is installed."""
    return _PROGRAM is not None


@contextmanager
def running_clamd(directory: Path) -> Iterator[str]:
    """Run clamd with its files in the directory, and give its address."""
    port = free_port()
    (directory / "eicar.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n")
    configuration = directory / "clamd.conf"
    configuration.write_text(
        f"DatabaseDirectory {directory}\nForeground yes\nTCPSocket {port}\nTCPAddr {LOOPBACK}\n"
        f"StreamMaxLength {MAX_BYTES}\n"
    )
    command = [str(_PROGRAM), "--config-file", str(configuration)]
    with (directory / "clamd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: is_taken(port), _START_SECONDS)
            yield f"{LOOPBACK}:{port}"
        finally:
            process.kill()
            process.wait()
