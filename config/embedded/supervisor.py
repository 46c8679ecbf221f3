"""Processes under Supervisor: restarted when they die, stopped with all their children."""

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
from xmlrpc.client import Fault, ServerProxy  # nosec B411  # of our own supervisor

import psutil
from supervisor.xmlrpc import SupervisorTransport

from config.embedded.launcher import launch_command

READY_TIMEOUT_SECONDS = 20
MAX_LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """
    A process to be kept running.

    is_server: started at once and stopped last; other programs are started by name and stopped
    together before the servers.
    """

    name: str
    command: Sequence[str]
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    is_server: bool = False


class Supervisor:
    """
    One supervisord with its programs.

    state: directory of its pid file and `logs/`. environment: whole environment of the programs.
    Its socket lies in a temporary directory, because the path of a socket may have no more than
    107 characters.
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
        self._runtime_directory = Path()

    def start(self) -> None:
        """Start supervisord and with it the servers; return when it accepts requests."""
        self._end_leftover()
        self._runtime_directory = Path(tempfile.mkdtemp(prefix="cultivar-"))
        configuration = self._runtime_directory / "supervisord.conf"
        with configuration.open("w", encoding="utf-8") as file:
            self._configuration().write(file)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        self._process = subprocess.Popen(
            launch_command(command),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while True:
            try:
                self._call("getState")
            except OSError:
                if time.monotonic() > deadline or not self.is_running():
                    raise
                time.sleep(0.05)
            else:
                return

    def is_running(self) -> bool:
        """Return whether supervisord runs."""
        return self._process is not None and self._process.poll() is None

    def run(self, name: str) -> None:
        """Start a program unless it runs."""
        if not self.process_ids().get(name):
            self._call("startProcess", self._full_name(name), False)

    def process_ids(self) -> dict[str, int]:
        """Return the process id of each program; 0 while it does not run."""
        return {info["name"]: info["pid"] for info in self._call("getAllProcessInfo")}

    def has_failed(self, name: str) -> bool:
        """Return whether the program ended so often in a row that it is no longer restarted."""
        try:
            return bool(self._call("getProcessInfo", self._full_name(name))["statename"] == "FATAL")
        except Fault:
            return False

    def reap_orphans(self) -> None:
        """Collect the exit status of orphaned processes, so that they do not stay as zombies."""
        for process in psutil.Process().children():
            is_supervisord = self._process is not None and process.pid == self._process.pid
            if is_supervisord or not process.is_running():
                continue
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)

    def stop(self) -> None:
        """Stop every program and supervisord. Safe to repeat."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(sum(program.stop_seconds for program in self._programs) + 10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            shutil.rmtree(self._runtime_directory, ignore_errors=True)
        self._process = None

    @property
    def _pid_file(self) -> Path:
        return self._state / "supervisord.pid"

    def _full_name(self, name: str) -> str:
        is_server = next(program.is_server for program in self._programs if program.name == name)
        return name if is_server else f"cultivar:{name}"

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._runtime_directory}/socket")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _end_leftover(self) -> None:
        """Wait for the supervisord of a killed bin/dev, which its parent's death has signaled."""
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
        parser["unix_http_server"] = {
            "file": str(self._runtime_directory / "socket"),
            "chmod": "0700",
        }
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        parser["supervisord"] = {
            "nodaemon": "true",
            "pidfile": str(self._pid_file),
            "logfile": str(logs / "supervisord.log"),
            "logfile_maxbytes": str(MAX_LOG_BYTES),
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
                "stdout_logfile_maxbytes": str(MAX_LOG_BYTES),
                "stdout_logfile_backups": "1",
            }
        app_names = [program.name for program in self._programs if not program.is_server]
        if app_names:
            parser["group:cultivar"] = {"programs": ",".join(app_names), "priority": "100"}
        for section in parser.values():
            for name, value in section.items():
                section[name] = value.replace("%", "%%")
        return parser


def server_program(name: str, command: Sequence[str], stop_signal: str) -> Program:
    """Return the program of an embedded server, whose command already uses the launcher."""
    return Program(
        name=name, command=command, stop_signal=stop_signal, stop_seconds=20, is_server=True
    )


def app_program(name: str, command: Sequence[str], *, stop_seconds: int = 10) -> Program:
    """Return the program of one of our own processes."""
    return Program(name=name, command=launch_command(command), stop_seconds=stop_seconds)
