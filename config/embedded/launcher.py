"""
Launcher that replaces itself by a program which ends when its parent does.

Usage: `python -I -S launcher.py [options] -- PROGRAM ...`. It asks Linux for a parent-death signal,
so that a kill -9 of the parent leaves no orphan; on other systems the program only starts. It runs
as a file and may import nothing but the standard library.
"""

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None)


def launch_command(
    command: Sequence[str],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
    account: tuple[int, int] | None = None,
    pid_file: str = "",
) -> list[str]:
    """Return the command line that runs `command` by the launcher; account: (user id, group id)."""
    program = shutil.which(command[0])
    if not program:
        raise FileNotFoundError(command[0])
    user_id, group_id = account or (-1, -1)
    options = [str(int(stop_signal)), str(user_id), str(group_id), pid_file]
    return [sys.executable, "-I", "-S", __file__, *options, "--", program, *command[1:]]


def prctl(option: int, value: int) -> None:
    """Call prctl; does nothing on other systems than Linux."""
    if sys.platform.startswith("linux"):
        _LIBC.prctl(option, value, 0, 0, 0)


def become_subreaper() -> None:
    """Make this process the parent of its orphaned descendants, so that it can terminate them."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def _exec(arguments: list[str]) -> None:
    stop_signal, user_id, group_id, pid_file = arguments[:4]
    command = arguments[5:]
    # An ignored Ctrl-C is inherited over exec, and some servers shut down properly only by it.
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
        # No imports from here on: the account may not be able to read our Python.
    prctl(PR_SET_PDEATHSIG, int(stop_signal))  # after setuid, which clears it
    if os.getppid() != parent:
        return  # the parent died before the call: no signal would come
    os.execv(command[0], command)


if __name__ == "__main__":
    _exec(sys.argv[1:])
