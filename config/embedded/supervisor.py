"""Runs processes under Supervisor: what dies is started again, and what is stopped is stopped whole."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from config.embedded.launcher import wrapped

READY_SECONDS = 20
LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """
    A process to be kept running.

    is_server: started at once, ended last; the others are started by name and ended together before it.
    """

    name: str
    command: Sequence[str]
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    is_server: bool = False


class Supervisor:
    """
    One supervisord over some programs.

    state: directory for its pid file and `logs/`. environment: whole environment of the programs. It talks over a
    socket in a directory of its own under /tmp, because the path of a socket may have no more than 107 characters.
    """

    def __init__(
        self,
        *,
        state: Path,
        directory: Path,
        programs: Sequence[Program],
        environment: Mapping[str, str],
    ) -> None:
        self._state = state
        self._directory = directory
        self._programs = programs
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._room = Path()

    def start(self) -> None:
        """Start supervisord and with it the servers; returns when it takes orders."""
        self._end_leftover()
        self._room = Path(tempfile.mkdtemp(prefix="cultivar-"))
        configuration = self._room / "supervisord.conf"
        with configuration.open("w", encoding="utf-8") as file:
            self._configuration().write(file)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        self._process = subprocess.Popen(
            wrapped(command),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self._ask("getState")
                return
            except OSError:
                if time.monotonic() > deadline or not self.is_running():
                    raise
                time.sleep(0.05)

    def is_running(self) -> bool:
        """Tell whether supervisord itself runs."""
        return self._process is not None and self._process.poll() is None

    def run(self, name: str) -> None:
        """Start the program unless it runs."""
        if not self.process_ids().get(name):
            self._ask("startProcess", self._full_name(name), False)

    def process_ids(self) -> dict[str, int]:
        """Return the process id of each program; 0 while it does not run."""
        return {info["name"]: info["pid"] for info in self._ask("getAllProcessInfo")}

    def has_given_up(self, name: str) -> bool:
        """Tell whether the program ended so often in a row that it is not started any more."""
        try:
            return bool(self._ask("getProcessInfo", self._full_name(name))["statename"] == "FATAL")
        except Fault:
            return False

    def bury_orphans(self) -> None:
        """Take note of the death of processes whose own parent was killed, so that they do not stay as zombies."""
        for process in psutil.Process().children():
            is_ours = self._process is not None and process.pid == self._process.pid
            if not is_ours and process.is_running() and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)

    def stop(self) -> None:
        """End every program and supervisord. Safe to repeat."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(sum(program.stop_seconds for program in self._programs) + 10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            shutil.rmtree(self._room, ignore_errors=True)
        self._process = None

    @property
    def _pid_file(self) -> Path:
        return self._state / "supervisord.pid"

    def _full_name(self, name: str) -> str:
        is_server = next(program.is_server for program in self._programs if program.name == name)
        return name if is_server else f"cultivar:{name}"

    def _ask(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._room}/socket")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _end_leftover(self) -> None:
        """Wait for the supervisord of a killed start to end what it runs; it was told to when its parent died."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            if "supervisor.supervisord" in process.cmdline():
                process.terminate()
                process.wait(60)
        except (OSError, ValueError, psutil.Error):
            return

    def _configuration(self) -> RawConfigParser:
        logs = self._state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        parser = RawConfigParser()
        parser["unix_http_server"] = {"file": str(self._room / "socket"), "chmod": "0700"}
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        parser["supervisord"] = {
            "nodaemon": "true",
            "pidfile": str(self._pid_file),
            "logfile": str(logs / "supervisord.log"),
            "logfile_maxbytes": str(LOG_BYTES),
            "logfile_backups": "1",
            **({"user": "root"} if psutil.Process().uids().effective == 0 else {}),
        }
        for program in self._programs:
            parser[f"program:{program.name}"] = {
                "command": shlex.join(program.command),
                "directory": str(self._directory),
                "priority": "10" if program.is_server else "100",
                "autostart": str(program.is_server).lower(),
                "autorestart": "true",
                "startsecs": "1",
                "startretries": "20",
                "stopsignal": program.stop_signal,
                "stopwaitsecs": str(program.stop_seconds),
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": str(logs / f"{program.name}.log"),
                "stdout_logfile_maxbytes": str(LOG_BYTES),
                "stdout_logfile_backups": "1",
            }
        together = [program.name for program in self._programs if not program.is_server]
        if together:
            parser["group:cultivar"] = {"programs": ",".join(together), "priority": "100"}
        for section in parser.values():
            for name, value in section.items():
                section[name] = value.replace("%", "%%")
        return parser


def server_program(name: str, command: Sequence[str], stop_signal: str) -> Program:
    """Return the program of an embedded server, whose command line is tethered already."""
    return Program(
        name=name, command=command, stop_signal=stop_signal, stop_seconds=20, is_server=True
    )


def app_program(name: str, command: Sequence[str], *, stop_seconds: int = 10) -> Program:
    """Return the program of one of our own processes."""
    return Program(name=name, command=wrapped(command), stop_seconds=stop_seconds)
