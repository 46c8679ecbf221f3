"""Preparations of bin/dev, one after the other: each shown while it runs."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from config.embedded.launcher import wrapped


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
        self._console.print(
            f"  [green]done[/green]  {name} [dim]({time.monotonic() - started:.1f} s)[/dim]"
        )

    def manage(self, *arguments: str, more: Mapping[str, str] | None = None) -> str:
        """Run a management command and return what it printed; raises StepFailed with its last line."""
        return self.begin(*arguments, more=more).finish()

    def begin(self, *arguments: str, more: Mapping[str, str] | None = None) -> "Begun":
        """Start a management command beside others. Whoever is interrupted before its end has to end it."""
        process = subprocess.Popen(
            wrapped([sys.executable, "manage.py", *arguments]),
            cwd=self._directory,
            env={**self.environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Begun(name=arguments[0], process=process, log=self._log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A management command that runs."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def finish(self) -> str:
        """Wait for its end and return what it printed, which is not logged: it may be a key."""
        printed, complaints = self.process.communicate()
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"--- manage.py {self.name}: {self.process.returncode}\n{complaints}")
        if self.process.returncode:
            lines = (complaints or printed).strip().splitlines() or ["no reason given"]
            raise StepFailed(
                f"{self.name} failed: {lines[-1].removeprefix('CommandError: ')} See {self.log}."
            )
        return printed
