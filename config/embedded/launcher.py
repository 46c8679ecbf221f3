"""
Becomes another program that ends when its parent does: `python -I -S tether.py [options] -- PROGRAM ...`.

Run as a file by whatever starts a long-running process, so it may import nothing but the standard library. A kill -9
of the starter then leaves no orphan behind (on Linux; elsewhere there is no such call and the program only starts).
"""

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_PROGRAM = ctypes.CDLL(None)


def wrapped(
    command: Sequence[str],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
    account: tuple[int, int] | None = None,
    pid_file: str = "",
) -> list[str]:
    """Return the command line that runs `command` tethered; account: (user id, group id) it drops to."""
    program = shutil.which(command[0])
    if not program:
        raise FileNotFoundError(command[0])
    user_id, group_id = account or (-1, -1)
    options = [str(int(stop_signal)), str(user_id), str(group_id), pid_file]
    return [sys.executable, "-I", "-S", __file__, *options, "--", program, *command[1:]]


def ask_kernel(option: int, value: int) -> None:
    """Call prctl; does nothing where the system is not Linux."""
    if sys.platform.startswith("linux"):
        _PROGRAM.prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies, so that it can end them."""
    ask_kernel(PR_SET_CHILD_SUBREAPER, 1)


def _become(arguments: list[str]) -> None:
    stop_signal, user_id, group_id, pid_file = arguments[:4]
    command = arguments[5:]
    # An ignored Ctrl-C is inherited over exec, and some of the servers end properly only by it.
    for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_DFL)
    parent = os.getppid()
    if pid_file:
        with open(pid_file, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
    if int(user_id) >= 0:
        os.setgroups([])
        os.setgid(int(group_id))
        os.setuid(int(user_id))
        # From here on nothing may be imported: the account may not be able to read our Python.
    ask_kernel(PR_SET_PDEATHSIG, int(stop_signal))  # after setuid, which clears it
    if os.getppid() != parent:
        return  # the parent died in between: no signal will come any more
    os.execv(command[0], command)


if __name__ == "__main__":
    _become(sys.argv[1:])
