"""Preparation of bin/dev: steps that are shown while they run."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from config.embedded.launcher import launch_command


class StepFailed(Exception):
    """A step failed; the text is one line for people that names the log."""


class Preparation:
    """Runs management commands with an environment and logs their errors."""

    def __init__(self, *, console: Console, directory: Path, log: Path) -> None:
        self._console = console
        self._directory = directory
        self._log = log
        self.environment: Mapping[str, str] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step is running, and then how long it took."""
        started = time.monotonic()
        with self._console.status(f"{name} …"):
            yield
        self._console.print(
            f"  [green]done[/green]  {name} [dim]({time.monotonic() - started:.1f} s)[/dim]"
        )

    def run_command(
        self, *arguments: str, extra_environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a management command; return its output. Raises StepFailed with its last line."""
        return self.start_command(*arguments, extra_environment=extra_environment).finish()

    def start_command(
        self, *arguments: str, extra_environment: Mapping[str, str] | None = None
    ) -> "RunningCommand":
        """Start a management command in the background; `finish` must be called."""
        process = subprocess.Popen(
            launch_command([sys.executable, "manage.py", *arguments]),
            cwd=self._directory,
            env={**self.environment, **(extra_environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return RunningCommand(name=arguments[0], process=process, log=self._log)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCommand:
    """A management command that is running."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def finish(self) -> str:
        """Wait for the command; return its output, which may be a key and is not logged."""
        output, errors = self.process.communicate()
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"--- manage.py {self.name}: {self.process.returncode}\n{errors}")
        if self.process.returncode:
            lines = (errors or output).strip().splitlines() or ["no reason given"]
            raise StepFailed(
                f"{self.name} failed: {lines[-1].removeprefix('CommandError: ')} See {self.log}."
            )
        return output
