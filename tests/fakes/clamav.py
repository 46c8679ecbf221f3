"""A virus scanner on the loopback: clamd's command INSTREAM, and the test file of EICAR."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.ports import LOOPBACK

# In two parts, so that scanners leave this file alone.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
MAX_BYTES = 2**20


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        if self.rfile.read(len(b"zINSTREAM\0")) != b"zINSTREAM\0":
            self.wfile.write(b"UNKNOWN COMMAND\0")
            return
        content = b""
        while length := struct.unpack("!I", self.rfile.read(4))[0]:
            content += self.rfile.read(length)
            if len(content) > MAX_BYTES:
                self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
                return
        found = b"stream: Eicar-Test FOUND\0" if EICAR in content else b"stream: OK\0"
        self.wfile.write(found)


@contextmanager
def running_scanner(path: Path | None = None) -> Iterator[str]:
    """
    Run a scanner and give its address; files beyond MAX_BYTES are beyond its limit.

    path: of a Unix socket; without one it listens on a port of the loopback.
    """
    if path is None:
        listener = socketserver.ThreadingTCPServer((LOOPBACK, 0), _Handler)
        address = f"{LOOPBACK}:{listener.socket.getsockname()[1]}"
        server: socketserver.BaseServer = listener
    else:
        server = socketserver.ThreadingUnixStreamServer(str(path), _Handler)
        address = str(path)
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield address
        finally:
            server.shutdown()
