"""Ends the processes below this one, also those whose own parent is gone."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from config.embedded.launcher import adopt_orphans

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_SECONDS = 5


@contextmanager
def ending_descendants() -> Iterator[None]:
    """
    Make Ctrl-C, SIGTERM and SIGHUP one and the same KeyboardInterrupt, and end every descendant at the end.

    Also where the shell that started us in the background has told us to ignore Ctrl-C.
    """
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    adopt_orphans()
    try:
        yield
    finally:
        ignore_signals()
        end_descendants()


def ignore_signals() -> None:
    """Let nothing interrupt the end, which is bounded in time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_descendants() -> None:
    """Ask every process below this one to end, and kill those that do not."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        _signal(process, signal.SIGTERM)
    for process in psutil.wait_procs(left, timeout=END_SECONDS)[1]:
        _signal(process, signal.SIGKILL)
        process.wait(END_SECONDS)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
