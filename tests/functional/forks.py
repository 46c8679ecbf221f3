"""Processes with Django that start in milliseconds: forks of one that has imported it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from config.embedded.stack import ROOT

# Runs each line, a Python literal of source code, in a fork; prints the process id. Children lead a
# process group, and are reaped by the kernel.
_SCRIPT = """
import ast, os, signal, sys
import django
django.setup()
for module in sys.argv[1:]:
    __import__(module)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = 1
        try:
            exec(ast.literal_eval(line), {"__name__": "__main__"})
            code = 0
        finally:
            os._exit(code)
    print(child, flush=True)
"""
_TIMEOUT_SECONDS = 30


class ForkServer:
    """A process that has imported Django and modules, and runs code in forks of itself."""

    def __init__(self, environment: Mapping[str, str], *, modules: Iterable[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, *modules],
            cwd=ROOT,
            env=dict(environment),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def run(self, code: str) -> psutil.Process:
        """Run Python code in a new process; return it once it exists."""
        assert self._process.stdin
        assert self._process.stdout
        print(repr(code), file=self._process.stdin, flush=True)
        return psutil.Process(int(self._process.stdout.readline()))

    def stop(self) -> None:
        """End the server; processes that it started go on."""
        self._process.kill()
        self._process.communicate()


def kill_process(process: psutil.Process) -> None:
    """Kill -9 a process of a fork server with its children; wait until it is gone."""
    # A process that has just been forked does not lead its group yet.
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            kill(process.pid, signal.SIGKILL)
    process.wait(_TIMEOUT_SECONDS)
