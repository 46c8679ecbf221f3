"""Termination of all descendants of this process, including orphaned ones."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from config.embedded.launcher import become_subreaper

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TERMINATION_SECONDS = 5


@contextmanager
def terminate_descendants_on_exit() -> Iterator[None]:
    """
    Turn Ctrl-C, SIGTERM and SIGHUP into KeyboardInterrupt, and terminate all descendants on exit.

    Also when the shell that started this process in the background set Ctrl-C to be ignored.
    """
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    become_subreaper()
    try:
        yield
    finally:
        ignore_signals()
        terminate_descendants()


def ignore_signals() -> None:
    """Ignore further signals while the process shuts down, which takes a limited time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def terminate_descendants() -> None:
    """Send SIGTERM to every descendant, and SIGKILL to those that remain."""
    descendants = psutil.Process().children(recursive=True)
    for process in descendants:
        _send_signal(process, signal.SIGTERM)
    for process in psutil.wait_procs(descendants, timeout=TERMINATION_SECONDS)[1]:
        _send_signal(process, signal.SIGKILL)
        process.wait(TERMINATION_SECONDS)


def _send_signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
