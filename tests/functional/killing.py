"""A server that dies as in an outage."""

from contextlib import suppress

import psutil

from config.embedded.server import Server
from tests.polling import wait_until


def kill(server: Server) -> None:
    """Kill -9 a server with all its processes, and wait until it does not answer."""
    process = psutil.Process(int((server.directory / "pid").read_text()))
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    wait_until(lambda: not server.is_healthy(), 30)
