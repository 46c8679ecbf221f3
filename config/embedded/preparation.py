"""Preparation of bin/dev: steps that are shown while they run."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from config.embedded.launcher import launch_command

STOP_TIMEOUT_SECONDS = 5


class StepFailed(Exception):
    """A step failed; the text is one line for people that names the log."""


class CommandProcess:
    """
    A process that runs management commands (config/embedded/commands.py).

    environment: its whole environment. log: file that its logs and tracebacks are appended to.
    """

    def __init__(self, *, directory: Path, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                launch_command([sys.executable, "-m", "config.embedded.commands"]),
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._running = ""

    def start(self, *arguments: str, extra_environment: Mapping[str, str] | None = None) -> None:
        """Start a command; `finish` must be called before the next one."""
        request = {"arguments": arguments, "environment": extra_environment or {}}
        self._running = arguments[0]
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure("the process ended") from None

    def finish(self) -> str:
        """
        Wait for the command; return its output, which may be a key and is not logged.

        Raises StepFailed with its error.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._failure("the process ended")
        response = json.loads(line)
        if response["error"] is not None:
            raise self._failure(response["error"])
        output: str = response["output"]
        return output

    def run(self, *arguments: str, extra_environment: Mapping[str, str] | None = None) -> str:
        """Run a command; return its output. Raises StepFailed with its error."""
        self.start(*arguments, extra_environment=extra_environment)
        return self.finish()

    def stop(self) -> None:
        """End the process. Safe to repeat."""
        assert self._process.stdin
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _failure(self, reason: str) -> StepFailed:
        return StepFailed(f"{self._running} failed: {reason} See {self._log}.")


class Preparation:
    """
    Steps of a start, and the processes that run its management commands.

    log: file of the logs and tracebacks of the commands.
    """

    def __init__(self, *, console: Console, directory: Path, log: Path) -> None:
        self._console = console
        self._directory = directory
        self._log = log
        self._environment: Mapping[str, str] = {}
        self._main: CommandProcess | None = None
        self._beside: CommandProcess | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step is running, and then how long it took."""
        started = time.monotonic()
        with self._console.status(f"{name} …"):
            yield
        self._console.print(
            f"  [green]done[/green]  {name} [dim]({time.monotonic() - started:.1f} s)[/dim]"
        )

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process of `run_command`; environment: whole environment of the commands."""
        self._environment = environment
        self._main = self._start_process()

    def run_command(
        self, *arguments: str, extra_environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a management command; return its output. Raises StepFailed with its error."""
        assert self._main
        return self._main.run(*arguments, extra_environment=extra_environment)

    def start_beside(self, *arguments: str) -> None:
        """Start a management command in a second process; `wait_beside` waits for it."""
        self._beside = self._start_process()
        self._beside.start(*arguments)

    def wait_beside(self, name: str) -> None:
        """Wait for the command beside as a step. Raises StepFailed with its error."""
        if self._beside:
            with self.step(name):
                self._beside.finish()
            self._beside.stop()
            self._beside = None

    def stop(self) -> None:
        """End the processes. Safe to repeat."""
        for process in (self._main, self._beside):
            if process:
                process.stop()
        self._main = self._beside = None

    def _start_process(self) -> CommandProcess:
        return CommandProcess(
            directory=self._directory, log=self._log, environment=self._environment
        )
