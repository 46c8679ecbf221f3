"""ONNX Runtime sends nothing, and processes that load it before they fork end as they should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded.stack import ROOT

_FORK = """
import os, signal, sys, time
import config, onnxruntime
child = os.fork()
if child == 0:
    sys.exit(0)
deadline = time.monotonic() + 30
while True:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        sys.exit(status)
    if time.monotonic() > deadline:
        os.kill(child, signal.SIGKILL)
        sys.exit("the child does not end")
    time.sleep(0.05)
"""


@pytest.fixture
def finished(tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """A process that imported ONNX Runtime and forked, with an empty home directory."""
    # ONNX Runtime sends nothing where it finds a variable of continuous integration.
    environment = {name: os.environ[name] for name in ("PATH", "DJANGO_SETTINGS_MODULE")}
    return subprocess.run(
        [sys.executable, "-c", _FORK],
        cwd=ROOT,
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_child_of_a_process_with_onnxruntime_ends(
    finished: "subprocess.CompletedProcess[str]",
) -> None:
    assert (finished.returncode, finished.stderr) == (0, "")


def test_onnxruntime_writes_no_id_of_the_machine(
    finished: "subprocess.CompletedProcess[str]", tmp_path: Path
) -> None:
    assert list(tmp_path.rglob("*")) == []
