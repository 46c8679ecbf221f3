"""A real Milvus, standalone, from the wheel that carries the server (version 2.3.5)."""

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

_START_SECONDS = 120


def is_there() -> bool:
    """Tell whether the wheel is installed: it exists for Linux on x86-64 only."""
    return importlib.util.find_spec("milvus") is not None


@contextmanager
def standalone(directory: Path) -> Iterator[str]:
    """Run the server with its data below the directory; yields its address. Everything it started ends with it."""
    port = free_port()
    command = [sys.executable, "-c", "import sys, milvus; sys.exit(milvus.main())"]
    with (directory / "milvus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(directory / "data"), "--proxy-port", str(port)],
            stdout=log,
            stderr=log,
            start_new_session=True,
            # It reads settings from the environment too, and takes our LOG_LEVEL for its own.
            env={
                name: value
                for name, value in os.environ.items()
                if name in ("PATH", "HOME", "LANG", "PYTHONPATH")
            },
        )
    try:
        _wait(f"http://{LOOPBACK}:{port}", process)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        # The wrapper leaves its server behind: the whole group goes.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(directory / "data", ignore_errors=True)


def _wait(uri: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            MilvusClient(uri=uri, timeout=2).list_collections(timeout=2)
            return
        except Exception as error:  # pymilvus and gRPC raise kinds of their own
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Milvus did not start: {error}") from error
            time.sleep(0.5)
