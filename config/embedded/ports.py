"""TCP ports on the loopback address."""

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def is_taken(port: int) -> bool:
    """Return whether the port is in use on any address that a loopback client may reach."""
    with socket.socket() as client:
        client.settimeout(1)
        if client.connect_ex((LOOPBACK, port)) == 0:
            return True
    # The port may be bound without accepting connections; in TIME_WAIT it is free (SO_REUSEADDR).
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def free_port() -> int:
    """Return a free port, which the system assigns to no other process for a while."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def remembered_port(file: Path) -> int:
    """
    Return the port written in the file, so that addresses stay the same across starts.

    If there is none, or it is in use by now, a free port is chosen and written.
    """
    try:
        port = int(file.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if port and not is_taken(port):
        return port
    port = free_port()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(port))
    return port
