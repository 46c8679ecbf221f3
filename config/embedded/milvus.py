"""Milvus Lite as a gRPC server: vectors."""

import signal
import sys
from pathlib import Path

import grpc

from config.embedded.ports import LOOPBACK
from config.embedded.server import Server

# Above this many bytes rows leave the write buffer, which is searched row by row, for an indexed segment.
WRITE_BUFFER_BYTES = 1_000_000


class MilvusLite(Server):
    """Knows no password, and so listens on the loopback only."""

    name = "milvus"
    setting = "MILVUS_URI"
    # SIGTERM would end it without closing its files.
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """Address for a Milvus client."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def data(self) -> Path:
        """Where the collections lie."""
        return self.directory / "data"

    def command(self) -> list[str]:
        """Return the command line that runs the server: one writer, since more of them lose acknowledged rows."""
        buffer = f"MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES={WRITE_BUFFER_BYTES}"
        address = ["--host", LOOPBACK, "--port", str(self.port), "--max-workers", "1"]
        server = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.data)]
        return self._tethered(["env", buffer, *server, *address])

    def is_healthy(self) -> bool:
        """Tell whether it answers what version it is."""
        with grpc.insecure_channel(f"{LOOPBACK}:{self.port}") as channel:
            ask_version = channel.unary_unary("/milvus.proto.milvus.MilvusService/GetVersion")
            try:
                ask_version(b"", timeout=2)
            except grpc.RpcError:
                return False
        return True
