"""HTTP client against a real server that misbehaves."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.clients.http import HttpClient, HttpFailed


class _Server(ThreadingHTTPServer):
    """Responds with `respond(request number)`: status, headers, body."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.request_count = 0
        self.respond: Callable[[int], tuple[int, dict[str, str], bytes]] = lambda _: (
            200,
            {},
            b"ok",
        )
        self.release = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.request_count += 1
        if self.path == "/slow":
            self.server.release.wait(10)
        status, headers, body = self.server.respond(self.server.request_count)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # name given by the base class

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server on a free port."""
    running = _Server()
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.release.set()
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def _retries_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat failed requests at once."""
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda _retry: 0.0)


def _client(server: _Server, **options: Any) -> HttpClient:
    return HttpClient(base_url=f"http://127.0.0.1:{server.server_address[1]}", **options)


def test_transient_failure_is_retried(server: _Server) -> None:
    server.respond = lambda number: (
        (503, {}, b"") if number < 3 else (200, {"Content-Type": "text/x"}, b"at last")
    )

    response = _client(server).get("page")

    assert response.body == b"at last"
    assert response.content_type == "text/x"
    assert server.request_count == 3


@pytest.mark.parametrize(("status", "times"), [(500, 3), (429, 3), (404, 1), (403, 1)])
def test_permanent_failure_is_raised_after_the_retries(
    server: _Server, status: int, times: int
) -> None:
    server.respond = lambda _: (status, {}, b"")

    with pytest.raises(HttpFailed) as failure:
        _client(server, retries=2).get("page")

    assert failure.value.status == status
    assert server.request_count == times


@pytest.mark.parametrize(("is_idempotent", "times"), [(False, 1), (True, 3)])
def test_post_is_retried_only_if_it_is_idempotent(
    server: _Server, is_idempotent: bool, times: int
) -> None:
    server.respond = lambda _: (500, {}, b"")

    with pytest.raises(HttpFailed):
        _client(server, retries=2).post("page", json={}, is_idempotent=is_idempotent)

    assert server.request_count == times


def test_missing_response_ends_with_the_timeout(server: _Server) -> None:
    with pytest.raises(HttpFailed, match="unavailable"):
        _client(server, timeout_seconds=0.2, retries=0).get("slow")


def test_decompressed_size_of_a_response_is_limited(server: _Server) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    assert len(bomb) < 30_000
    server.respond = lambda _: (200, {"Content-Encoding": "gzip"}, bomb)

    with pytest.raises(HttpFailed, match="larger than"):
        _client(server, max_bytes=1_000_000, retries=0).get("page")


def test_refused_connection_raises_http_failed() -> None:
    with pytest.raises(HttpFailed):
        HttpClient(base_url="http://127.0.0.1:1", retries=1).get("page")
