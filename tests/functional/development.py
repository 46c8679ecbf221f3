"""One bin/dev in a directory of its own, for tests that start, ask, hurt and stop it."""

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

_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "MILVUS_URI",
    "SECRET_KEY",
    "KEY_RING",
    "DJANGO_SETTINGS_MODULE",
)
PATIENCE_SECONDS = 300


class Development:
    """bin/dev as a child process; `say` is all that it printed since its last start."""

    def __init__(self) -> None:
        # Below the directory of bin/test, which deletes it however the test ends.
        self._directory = throwaway_directory(Path(os.environ["STATE_DIR"]).parent)
        self.state = self._directory / "state"
        self.port = free_port()
        # The settings of the test's own servers would be taken for outside ones.
        given = {
            n: v
            for n, v in os.environ.items()
            if n not in _OURS and not n.startswith(("PYTEST", "TEST_"))
        }
        self.environment = {**given, "STATE_DIR": str(self.state), "COLUMNS": "200"}
        self._log = self._directory / "printed.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """What it printed."""
        return self._log.read_text()

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a start."""
        return [sys.executable, "-m", "config.embedded.dev", "--port", str(self.port), *arguments]

    def start(self, *arguments: str) -> None:
        """Start and wait until it says that it runs."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(*arguments), cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        wait_until(
            lambda: "Ctrl-C ends" in self.said or (self.process and self.process.poll() is not None)
        )
        assert "Ctrl-C ends" in self.said, self.said

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Return everything that runs below it."""
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self, name: str) -> None:
        """Kill -9 the server or process of that name; wait until its children are gone and another runs in its place."""
        before = self._process_id(name)
        children = psutil.Process(before).children(recursive=True)
        os.kill(before, signal.SIGKILL)
        assert not psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1]
        wait_until(lambda: self._process_id(name) not in (0, before))

    def _process_id(self, name: str) -> int:
        words = {
            "web": "gunicorn",
            "worker": "worker",
            "postgres": "bin/postgres",
            "valkey": "valkey",
            "milvus": "milvus",
        }
        for process in self.processes():
            try:
                line = " ".join(process.cmdline())
                is_supervised = "supervisord" in " ".join(psutil.Process(process.ppid()).cmdline())
            except psutil.Error:
                continue
            if words[name] in line and is_supervised and "tether.py" not in line:
                return process.pid
        return 0

    def curl_lines(self) -> list[tuple[str, dict[str, str]]]:
        """Return address and headers of the printed examples."""
        lines = [shlex.split(line) for line in re.findall(r"^ +curl .*$", self.said, re.MULTILINE)]
        return [(line[3], dict([line[2].split(": ", 1)])) for line in lines]

    def ask(self, number: int) -> dict[str, Any]:
        """Send one of the printed examples; returns its answer."""
        address, headers = self.curl_lines()[number]
        answer = requests.get(address, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def manage(self, *arguments: str) -> str:
        """Run bin/manage; returns what it printed."""
        command = [sys.executable, "-m", "config.embedded.manage", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def remove(self) -> None:
        """End it, whatever its state, and delete what it made."""
        if self.process and self.process.poll() is None:
            self.interrupt()
        Stack(self.state, settings={}).remove()
        shutil.rmtree(self._directory, ignore_errors=True)


def processes_of(state: Path) -> list[str]:
    """Return the command lines of all processes that were given this state directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            told = (
                " ".join(process.info["cmdline"] or [])
                + " "
                + process.environ().get("STATE_DIR", "")
            )
        except psutil.Error:
            continue
        if str(state) in told and process.pid != os.getpid():
            found.append(told)
    return found
