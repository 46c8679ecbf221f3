"""bin/dev in a temporary directory, for tests that start, kill and stop it."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import requests

from config.embedded.ports import free_port
from config.embedded.stack import ROOT, Stack
from config.embedded.test import throwaway_directory
from tests.polling import wait_until

# Settings of the test's servers, which bin/dev would take for external servers.
_TEST_SETTINGS = (
    "DATABASE_URL",
    "REDIS_URL",
    "MILVUS_URI",
    "SECRET_KEY",
    "KEY_RING",
    "DJANGO_SETTINGS_MODULE",
)
TIMEOUT_SECONDS = 300
RUNNING_MESSAGE = "Ctrl-C stops"
_COMMAND_WORDS = {
    "web": "gunicorn",
    "worker": "worker",
    "postgres": "bin/postgres",
    "valkey": "valkey",
    "milvus": "milvus",
}


class Development:
    """bin/dev as a child process."""

    def __init__(self) -> None:
        # Below the directory of bin/test, which is deleted however the test ends.
        self._directory = throwaway_directory(Path(os.environ["STATE_DIR"]).parent)
        self.state = self._directory / "state"
        self.port = free_port()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in _TEST_SETTINGS and not name.startswith(("PYTEST", "TEST_"))
        }
        self.environment = {**inherited, "STATE_DIR": str(self.state), "COLUMNS": "200"}
        self._log = self._directory / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """Everything printed since the last start."""
        return self._log.read_text()

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of bin/dev."""
        return [sys.executable, "-m", "config.embedded.dev", "--port", str(self.port), *arguments]

    def start(self, *arguments: str) -> None:
        """Start bin/dev and wait until it prints that it is running."""
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                self.command(*arguments), cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.process = process
        wait_until(lambda: RUNNING_MESSAGE in self.output or process.poll() is not None)
        assert RUNNING_MESSAGE in self.output, self.output

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Return all descendants of the process."""
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self, name: str) -> None:
        """Kill -9 a program; wait until its children are gone and it was restarted."""
        before = self._process_id(name)
        children = psutil.Process(before).children(recursive=True)
        os.kill(before, signal.SIGKILL)
        assert not psutil.wait_procs(children, timeout=TIMEOUT_SECONDS)[1]
        wait_until(lambda: self._process_id(name) not in (0, before))

    def _process_id(self, name: str) -> int:
        for process in self.processes():
            try:
                line = " ".join(process.cmdline())
                parent = " ".join(psutil.Process(process.ppid()).cmdline())
            except psutil.Error:
                continue
            is_supervised = "supervisord" in parent and "launcher.py" not in line
            if _COMMAND_WORDS[name] in line and is_supervised:
                return process.pid
        return 0

    def curl_lines(self) -> list[tuple[str, dict[str, str]]]:
        """Return URL and headers of the printed examples."""
        lines = re.findall(r"^ +curl .*$", self.output, re.MULTILINE)
        parts = [shlex.split(line) for line in lines]
        return [(part[3], dict([part[2].split(": ", 1)])) for part in parts]

    def run_example(self, index: int) -> dict[str, Any]:
        """Send the request of a printed example; return the JSON body of its response."""
        url, headers = self.curl_lines()[index]
        response = requests.get(url, headers=headers, timeout=30)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def manage(self, *arguments: str) -> str:
        """Run bin/manage; return its output."""
        command = [sys.executable, "-m", "config.embedded.manage", *arguments]
        completed = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def remove(self) -> None:
        """Stop bin/dev in any state and delete its files."""
        if self.process and self.process.poll() is None:
            self.interrupt()
        Stack(self.state, settings={}).remove()
        shutil.rmtree(self._directory, ignore_errors=True)


def processes_of(state: Path) -> list[str]:
    """Return the command lines of all processes that use a state directory."""
    lines = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            command = " ".join(process.info["cmdline"] or [])
            line = f"{command} {process.environ().get('STATE_DIR', '')}"
        except psutil.Error:
            continue
        if str(state) in line and process.pid != os.getpid():
            lines.append(line)
    return lines
