"""TCP ports on the loopback."""

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def is_taken(port: int) -> bool:
    """Tell whether something listens on the port, on any address that a loopback client may reach."""
    with socket.socket() as client:
        client.settimeout(1)
        if client.connect_ex((LOOPBACK, port)) == 0:
            return True
    # Nothing answers, but the port may be bound all the same; SO_REUSEADDR lets a port in TIME_WAIT count as free.
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def free_port() -> int:
    """Return a port that nothing listens on; the system gives it to nobody else for a while."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def remembered_port(memory: Path) -> int:
    """
    Return the port written in the file, so that addresses stay the same from start to start.

    A new free one is chosen and written when there is none yet or it has been taken meanwhile.
    """
    try:
        port = int(memory.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if port and not is_taken(port):
        return port
    port = free_port()
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(str(port))
    return port
