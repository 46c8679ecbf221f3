"""Base class of embedded servers: data directory, port, start and stop."""

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import psutil

from config.embedded.launcher import launch_command
from config.embedded.ports import remembered_port

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 15


class ServerFailed(Exception):
    """A server did not start; the text is one line for people that names its log."""


class Server(ABC):
    """
    One server on the loopback address with its data directory.

    directory: of this server alone, created when absent; data and port outlive the process.
    logs: directory of the log file. is_throwaway: the data need not survive a crash, which makes
    writes faster.
    """

    name: ClassVar[str]
    setting: ClassVar[str]
    """The setting that names an external server of this kind."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, *, directory: Path, logs: Path, is_throwaway: bool = False) -> None:
        self.directory = directory.resolve()
        self.log_path = logs / f"{self.name}.log"
        self.is_throwaway = is_throwaway
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """URL as in the settings, with password; valid after `prepare` or `start`."""

    @property
    @abstractmethod
    def data(self) -> Path:
        """Directory of the data."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground, by the launcher."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Return whether this server, with its password, answers a request."""

    def initialize(self) -> None:  # noqa: B027  # not every server needs it
        """Create the files that the first start needs. Safe to repeat."""

    def complete_setup(self) -> None:  # noqa: B027  # not every server needs it
        """Do the setup that needs the running server. Safe to repeat."""

    def remove(self) -> None:
        """Delete the data; the server must not run."""
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pid"

    def _launch_command(
        self, command: list[str], account: tuple[int, int] | None = None
    ) -> list[str]:
        return launch_command(
            command, stop_signal=self.stop_signal, account=account, pid_file=str(self._pid_file)
        )

    def prepare(self) -> bool:
        """
        Prepare data and port for a start; return False if the server already runs and is healthy.

        An unresponsive process on the same data is ended first: two on one directory lose rows.
        """
        for directory in (self.directory, self.log_path.parent):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)
        if self.is_running():
            return False
        leftover = self._running_process()
        if leftover:
            _end(leftover, self.stop_signal)
        self.port = remembered_port(self.directory / "port")
        self.initialize()
        return True

    def is_running(self) -> bool:
        """
        Return whether a healthy server runs on this directory, whoever started it.

        `url` is valid afterwards if it does.
        """
        if not self._running_process():
            return False
        self.port = int((self.directory / "port").read_text())
        return self.is_healthy()

    def start(self) -> None:
        """
        Start the server and wait until it is healthy; does nothing if it already runs.

        Raises ServerFailed after a minute. PostgreSQL may refuse to start within a second after a
        kill -9, and so the start is repeated until then.
        """
        if not self.prepare():
            return
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self._launch()
            if self._wait_until_healthy(deadline):
                self.complete_setup()
                return
            time.sleep(0.3)
        self.stop()
        raise ServerFailed(f"{self.name} did not start; see {self.log_path}.")

    def stop(self) -> None:
        """End the server if this object started it."""
        if self._process and self._process.poll() is None:
            _end(psutil.Process(self._process.pid), self.stop_signal)
            self._process.wait()
        self._process = None

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_until_healthy(self, deadline: float) -> bool:
        assert self._process
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.is_healthy():
                return True
            time.sleep(0.05)
        return False

    def _running_process(self) -> psutil.Process | None:
        """Return the process of the pid file if it still is the server on our data."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            return process if any(str(self.data) in part for part in process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None


def _end(process: psutil.Process, stop_signal: signal.Signals) -> None:
    """Signal the process to stop, and kill it if it does not."""
    try:
        process.send_signal(stop_signal)
        process.wait(STOP_TIMEOUT_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_SECONDS)
    except psutil.NoSuchProcess:
        return
