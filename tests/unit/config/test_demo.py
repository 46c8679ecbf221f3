"""Demo data of bin/dev: the sample supplier is used when it listens."""

import socket
import threading

import pytest

from config.embedded.demo import wait_for_port
from config.embedded.ports import LOOPBACK, free_port
from config.embedded.preparation import StepFailed


def test_start_waits_for_a_supplier_that_listens_late() -> None:
    port = free_port()
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def listen() -> None:
        server.bind((LOOPBACK, port))
        server.listen()

    timer = threading.Timer(0.3, listen)
    timer.start()
    with server:
        wait_for_port(port, seconds=60)
        timer.join()

        with socket.create_connection((LOOPBACK, port), timeout=5):
            pass


def test_supplier_that_does_not_listen_ends_the_start() -> None:
    with pytest.raises(StepFailed, match="supplier did not start"):
        wait_for_port(free_port(), seconds=0)
