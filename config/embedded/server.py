"""What every embedded server has in common: where it lives, how it starts, how it ends."""

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import psutil

from config.embedded.launcher import wrapped
from config.embedded.ports import remembered_port

START_SECONDS = 60
STOP_SECONDS = 15


class ServerFailed(Exception):
    """A server did not start; one line for people, with the place of its log."""


class Server(ABC):
    """
    One server on the loopback whose data lies in a directory.

    directory: its own, made when absent; data and the remembered port outlive the process. logs: a directory.
    is_throwaway: the data need not survive a crash, which makes writing faster.
    """

    name: ClassVar[str]
    setting: ClassVar[str]
    """The environment variable that names an outside server of this kind."""
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
        """Address as the settings take it, password included; right once `prepare` or `start` has run."""

    @property
    @abstractmethod
    def data(self) -> Path:
        """Where the data lies."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground, tethered to whoever runs it."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Ask the server something that only it, with its password, can answer."""

    def make_data(self) -> None:  # noqa: B027  # not every server needs it
        """Make what the first start needs. Safe to repeat."""

    def settle(self) -> None:  # noqa: B027  # not every server needs it
        """Do what needs the running server, once. Safe to repeat."""

    def remove(self) -> None:
        """Delete the data; the server must not run."""
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pid"

    def _tethered(self, command: list[str], account: tuple[int, int] | None = None) -> list[str]:
        return wrapped(
            command, stop_signal=self.stop_signal, account=account, pid_file=str(self._pid_file)
        )

    def prepare(self) -> bool:
        """
        Make data and port ready for a start; returns False when the server already runs on them and is healthy.

        A process left over on the same data that does not answer is ended first: two on one data directory lose rows.
        """
        for place in (self.directory, self.log_path.parent):
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o700)
        if self.is_attached():
            return False
        leftover = self._leftover()
        if leftover:
            _end(leftover, self.stop_signal)
        self.port = remembered_port(self.directory / "port")
        self.make_data()
        return True

    def is_attached(self) -> bool:
        """Tell whether the server runs on this directory, whoever started it, and is healthy; `url` is right then."""
        if not self._leftover():
            return False
        self.port = int((self.directory / "port").read_text())
        return self.is_healthy()

    def start(self) -> None:
        """
        Start the server and wait until it answers, or attach to the one that runs on this directory.

        Raises ServerFailed after a minute. PostgreSQL may refuse to start within a second of a kill -9, and so it is
        started again until then.
        """
        if not self.prepare():
            return
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._launch()
            if self._is_up(deadline):
                self.settle()
                return
            time.sleep(0.3)
        self.stop()
        raise ServerFailed(f"{self.name} did not start; see {self.log_path}.")

    def stop(self) -> None:
        """End the server if this object started it; one that was attached to is left alone."""
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

    def _is_up(self, deadline: float) -> bool:
        assert self._process
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.is_healthy():
                return True
            time.sleep(0.05)
        return False

    def _leftover(self) -> psutil.Process | None:
        """Return the process that the pid file names, if it still is the server on our data."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            return process if any(str(self.data) in part for part in process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None


def _end(process: psutil.Process, stop_signal: signal.Signals) -> None:
    """Ask the process to end, and kill it when it does not."""
    try:
        process.send_signal(stop_signal)
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    except psutil.NoSuchProcess:
        return
