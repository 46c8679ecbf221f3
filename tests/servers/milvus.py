"""Standalone Milvus server, from the wheel that contains it (version 2.3.5)."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymilvus import MilvusClient

from config.embedded.ports import LOOPBACK, free_port

_START_TIMEOUT_SECONDS = 120
# The server tries these in order; no setting changes them.
_RUNTIME_DIRECTORIES = (Path("/run/milvus"), Path("/tmp/milvus"))


def unavailable_reason() -> str:
    """Return why the server cannot run here; empty: it can."""
    if importlib.util.find_spec("milvus") is None:
        return "the wheel milvus==2.3.5 exists for Linux on x86-64 only"
    if not any(_can_write(directory) for directory in _RUNTIME_DIRECTORIES):
        return f"another user owns {' and '.join(map(str, _RUNTIME_DIRECTORIES))}"
    return ""


def _can_write(directory: Path) -> bool:
    """Return whether a directory exists and can be written, or could be created."""
    return os.access(directory if directory.exists() else directory.parent, os.W_OK)


@contextmanager
def standalone(directory: Path) -> Iterator[str]:
    """
    Run a server with its data below the directory; yield its address.

    All its processes are killed at the end.
    """
    port = free_port()
    command = [sys.executable, "-c", "import sys, milvus; sys.exit(milvus.main())"]
    with (directory / "milvus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(directory / "data"), "--proxy-port", str(port)],
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Milvus reads settings from the environment too, among them our LOG_LEVEL.
            env={
                name: value
                for name, value in os.environ.items()
                if name in ("PATH", "HOME", "LANG", "PYTHONPATH")
            },
        )
    try:
        _wait_until_ready(f"http://{LOOPBACK}:{port}", process)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        # The wrapper does not stop its server, so the whole process group is killed.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(directory / "data", ignore_errors=True)


def _wait_until_ready(uri: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            MilvusClient(uri=uri, timeout=2).list_collections(timeout=2)
        except Exception as error:  # pymilvus and gRPC raise unrelated classes
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Milvus did not start: {error}") from error
            time.sleep(0.5)
        else:
            return
