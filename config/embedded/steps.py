"""Preparations of bin/dev, one after the other: each shown while it runs, and ended whole when interrupted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from config.embedded.tether import wrapped

END_SECONDS = 10


class StepFailed(Exception):
    """A preparation did not succeed; one line for people, with the place of the log."""


class Steps:
    """Runs management commands with an environment and writes what they say to a log."""

    def __init__(self, *, console: Console, directory: Path, log: Path) -> None:
        self._console = console
        self._directory = directory
        self._log = log
        self.environment: Mapping[str, str] = {}

    @contextmanager
    def showing(self, name: str) -> Iterator[None]:
        """Show that the step runs, and afterwards how long it took."""
        started = time.monotonic()
        with self._console.status(f"{name} …"):
            yield
        self._console.print(f"  [green]done[/green]  {name} [dim]({time.monotonic() - started:.1f} s)[/dim]")

    def manage(self, *arguments: str, more: Mapping[str, str] | None = None) -> str:
        """Run a management command and return what it printed; raises StepFailed with its last line."""
        command = wrapped([sys.executable, "manage.py", *arguments])
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"--- manage.py {arguments[0]}\n")
            log.flush()
            process = subprocess.Popen(
                command,
                cwd=self._directory,
                env={**self.environment, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            try:
                printed, complaints = process.communicate()
            except BaseException:
                _end_group(process)
                raise
            log.write(complaints)
        if process.returncode:
            lines = (complaints or printed).strip().splitlines() or ["no reason given"]
            raise StepFailed(f"{arguments[0]} failed: {lines[-1]} See {self._log}.")
        return printed


def _end_group(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            process.wait()
            return
