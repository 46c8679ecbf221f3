"""Kill of a server, as in an outage."""

from contextlib import suppress

import psutil

from config.embedded.server import Server
from tests.polling import wait_until


def kill(server: Server) -> None:
    """Kill -9 a server with all its processes; wait until it no longer responds."""
    main_process = psutil.Process(int((server.directory / "pid").read_text()))
    for process in [main_process, *main_process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: not server.is_healthy(), 30)
