"""Address guard of Scrapy: no connection to an internal address, no secret to another host."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.embedded.stack import ROOT
from tests.samples.hostile_addresses import (
    INTERNAL_URLS,
    LOOPBACK_URLS,
    OTHER_URLS,
    RESOLVED_ADDRESSES,
)

_REFUSED = {"AddressRefused", "ValueError"}


class _Server(ThreadingHTTPServer):
    """Counts connections, records requests, redirects by path."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port: int = self.server_address[1]
        self.connection_count = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.redirects: dict[str, tuple[int, str]] = {}

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connection_count += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        status, location = self.server.redirects.get(self.path, (200, ""))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815  # name given by the base class

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


def _started() -> Iterator[_Server]:
    running = _Server()
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server on the loopback address."""
    yield from _started()


@pytest.fixture
def other_server() -> Iterator[_Server]:
    """A second server, which is another origin."""
    yield from _started()


def _crawl(
    *urls: str,
    names: dict[str, list[list[str]]] | None = None,
    headers: dict[str, str] | None = None,
    cookies: dict[str, str] | None = None,
    method: str = "GET",
    allow_loopback: bool = False,
    ports: tuple[int, ...] = (),
    is_guarded: bool = True,
    environment: dict[str, str] | None = None,
) -> dict[str, str]:
    task = {
        "urls": urls,
        "names": names or {},
        "headers": headers or {},
        "cookies": cookies or {},
        "method": method,
        "allow_loopback": allow_loopback,
        "ports": ports,
        "is_guarded": is_guarded,
    }
    finished = subprocess.run(
        [sys.executable, "-m", "tests.unit.competitors.guarded_crawl"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    results: dict[str, str] = json.loads(finished.stdout)
    assert set(results) == set(urls), finished.stderr
    return results


def test_no_internal_address_is_connected_to(server: _Server) -> None:
    names = {
        f"shop{number}.example.com": [list(addresses)]
        for number, addresses in enumerate(RESOLVED_ADDRESSES)
    }
    # Scrapy reads a backslash as a slash, which leaves this name as the host.
    names["shop.example.com"] = [["10.0.0.1"]]
    urls = [
        *[template.format(port=server.port) for template in LOOPBACK_URLS],
        *INTERNAL_URLS,
        *OTHER_URLS,
        *[f"http://{name}:{server.port}/" for name in names],
    ]

    results = _crawl(*urls, names=names, ports=(server.port,))

    assert {url: kind for url, kind in results.items() if kind not in _REFUSED} == {}
    assert server.connection_count == 0


def test_the_same_addresses_are_connected_to_without_the_guard(server: _Server) -> None:
    urls = [f"http://{host}:{server.port}/" for host in ("127.0.0.1", "localhost", "0.0.0.0")]

    results = _crawl(*urls, is_guarded=False)

    assert set(results.values()) == {"200"}
    assert server.connection_count == 3


def test_connection_uses_the_checked_address_when_the_name_changes_it(server: _Server) -> None:
    url = f"http://shop.example.com:{server.port}/"

    [kind] = _crawl(
        url, names={"shop.example.com": [["240.0.0.1"], ["127.0.0.1"]]}, ports=(server.port,)
    ).values()

    assert kind == "AddressRefused"
    assert server.connection_count == 0


def test_loopback_address_is_crawled_where_the_setting_allows_it(server: _Server) -> None:
    urls = [f"http://{host}:{server.port}/" for host in ("127.0.0.1", "localhost")]

    results = _crawl(*urls, allow_loopback=True)

    assert set(results.values()) == {"200"}


def test_redirects_into_a_network_are_not_followed(server: _Server) -> None:
    targets = [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://rebinding.example.com/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
    ]
    server.redirects = {f"/{number}": (302, target) for number, target in enumerate(targets)}
    urls = [f"http://127.0.0.1:{server.port}/{number}" for number in range(len(targets))]

    results = _crawl(*urls, names={"rebinding.example.com": [["10.0.0.1"]]}, allow_loopback=True)

    assert set(results.values()) == {"AddressRefused"}


def test_five_redirects_are_followed_and_the_sixth_is_not(server: _Server) -> None:
    server.redirects = {f"/{number}": (302, f"/{number + 1}") for number in range(9)}

    results = _crawl(
        f"http://127.0.0.1:{server.port}/0",
        f"http://127.0.0.1:{server.port}/4",
        allow_loopback=True,
    )

    assert sorted(results.values()) == ["200", "IgnoreRequest"]
    assert len(server.requests) == 12


def test_secrets_are_not_sent_to_another_host(server: _Server, other_server: _Server) -> None:
    server.redirects["/"] = (302, f"http://localhost:{other_server.port}/")

    _crawl(
        f"http://127.0.0.1:{server.port}/",
        headers={"X-Api-Key": "secret", "Authorization": "Bearer secret", "Accept": "text/html"},
        cookies={"session": "secret"},
        allow_loopback=True,
    )

    [(_, _, own)] = server.requests
    [(_, _, foreign)] = other_server.requests
    assert (own["X-Api-Key"], own["Cookie"]) == ("secret", "session=secret")
    assert "secret" not in str(foreign)
    assert foreign["Accept"] == "text/html"


@pytest.mark.parametrize(("status", "methods"), [(307, []), (302, ["GET"])])
def test_body_is_not_sent_to_another_host(
    status: int, methods: list[str], server: _Server, other_server: _Server
) -> None:
    server.redirects["/"] = (status, f"http://localhost:{other_server.port}/")

    _crawl(f"http://127.0.0.1:{server.port}/", method="POST", allow_loopback=True)

    assert [request[0] for request in other_server.requests] == methods


def test_proxy_of_the_environment_is_not_used(server: _Server, other_server: _Server) -> None:
    proxy = f"http://127.0.0.1:{other_server.port}"

    _crawl(
        f"http://127.0.0.1:{server.port}/",
        allow_loopback=True,
        environment={"http_proxy": proxy, "no_proxy": ""},
    )

    assert (server.connection_count, other_server.connection_count) == (1, 0)
