"""ClamAV: files are scanned by its daemon, clamd, over TCP or a Unix socket (INSTREAM)."""

import socket
import struct
from typing import IO

import structlog
from django.conf import settings

from config.errors import CultivarError, ServiceUnavailable
from config.telemetry.recording import record_security_event

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 65_536
_MAX_REPLY_BYTES = 4096
log = structlog.get_logger(__name__)


class FileInfected(CultivarError):
    """The scanner knows the file; `signature` is its name for it."""

    code = "file_infected"

    def __init__(self, signature: str) -> None:
        self.signature = signature
        super().__init__(f"The virus scanner found {signature}.")


class ScannerUnavailable(ServiceUnavailable):
    """The scanner does not respond, or has not scanned the file to its end."""

    code = "scanner_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("The virus scanner", reason)


def scan_file(file: IO[bytes]) -> None:
    """
    Scan a file from its beginning, and go back there; does nothing without CLAMAV_ADDRESS.

    Raises FileInfected; ScannerUnavailable: also for files larger than the scanner's limit.
    """
    if not settings.CLAMAV_ADDRESS:
        return
    file.seek(0)
    try:
        reply = _stream(file)
    except OSError as error:
        raise ScannerUnavailable(type(error).__name__) from error
    finally:
        file.seek(0)
    verdict = reply.removeprefix("stream: ")
    if verdict == "OK":
        return
    if verdict.endswith(" FOUND"):
        signature = verdict.removesuffix(" FOUND")
        log.warning("file.infected", signature=signature)
        record_security_event("file_infected")
        raise FileInfected(signature)
    raise ScannerUnavailable(verdict or "no reply")


def _stream(file: IO[bytes]) -> str:
    """Send a file in chunks, each after its length, and return the reply."""
    with _connect(settings.CLAMAV_ADDRESS) as connection:
        try:
            connection.sendall(b"zINSTREAM\0")
            while chunk := file.read(_CHUNK_BYTES):
                connection.sendall(struct.pack("!I", len(chunk)) + chunk)
            connection.sendall(struct.pack("!I", 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # beyond its limit the scanner replies and reads no more
        reply = b""
        while len(reply) < _MAX_REPLY_BYTES and not reply.endswith(b"\0"):
            part = connection.recv(_MAX_REPLY_BYTES)
            if not part:
                break
            reply += part
    return reply.rstrip(b"\0").decode(errors="replace").strip()


def _connect(address: str) -> socket.socket:
    if not address.startswith("/"):
        host, _, port = address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT_SECONDS)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
