"""Milvus Lite as a gRPC server."""

import signal
import sys
from pathlib import Path

import grpc

from config.embedded.ports import LOOPBACK
from config.embedded.server import Server

# Beyond this size rows move from the write buffer, which is searched row by row, into an indexed
# segment.
WRITE_BUFFER_BYTES = 1_000_000


class MilvusLite(Server):
    """Milvus Lite. It has no password, and so listens on the loopback address only."""

    name = "milvus"
    setting = "MILVUS_URI"
    # SIGTERM would end it without closing its files.
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """URL for a Milvus client."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def data(self) -> Path:
        """Directory of the collections."""
        return self.directory / "data"

    def command(self) -> list[str]:
        """Return the command line of the server, one worker: several lose acknowledged rows."""
        buffer = f"MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES={WRITE_BUFFER_BYTES}"
        address = ["--host", LOOPBACK, "--port", str(self.port), "--max-workers", "1"]
        server = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.data)]
        return self._launch_command(["env", buffer, *server, *address])

    def is_healthy(self) -> bool:
        """Return whether the server returns its version."""
        with grpc.insecure_channel(f"{LOOPBACK}:{self.port}") as channel:
            get_version = channel.unary_unary("/milvus.proto.milvus.MilvusService/GetVersion")
            try:
                get_version(b"", timeout=2)
            except grpc.RpcError:
                return False
        return True
