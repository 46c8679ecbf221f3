"""The HTTP client against a real server that misbehaves."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.clients.http import HttpClient, HttpFailed


class _Server(ThreadingHTTPServer):
    """ResponseCache what `answer` says; `asked` counts."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = 0
        self.answer: Callable[[int], tuple[int, dict[str, str], bytes]] = lambda _: (200, {}, b"ok")
        self.release = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path == "/slow":
            self.server.release.wait(10)
        status, headers, body = self.server.answer(self.server.asked)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_arguments: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server on a free port."""
    running = _Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.release.set()
    running.shutdown()
    running.server_close()


def _client(server: _Server, **how: Any) -> HttpClient:
    return HttpClient(base_url=f"http://127.0.0.1:{server.server_address[1]}", **how)


def test_passing_failure_is_repeated(server: _Server) -> None:
    server.answer = lambda n: (
        (503, {}, b"") if n < 3 else (200, {"Content-Type": "text/x"}, b"at last")
    )
    answer = _client(server).get("page")
    assert (answer.body, answer.content_type, server.asked) == (b"at last", "text/x", 3)


@pytest.mark.parametrize(("status", "times"), [(500, 3), (429, 3), (404, 1), (403, 1)])
def test_lasting_failure_ends_after_the_retries(server: _Server, status: int, times: int) -> None:
    server.answer = lambda _: (status, {}, b"")
    with pytest.raises(HttpFailed) as failed:
        _client(server, retries=2).get("page")
    assert (failed.value.status, server.asked) == (status, times)


def test_post_is_repeated_only_when_that_is_safe(server: _Server) -> None:
    server.answer = lambda _: (500, {}, b"")
    for repeatable, times in ((False, 1), (True, 3)):
        server.asked = 0
        with pytest.raises(HttpFailed):
            _client(server, retries=2).post("page", json={}, is_idempotent=repeatable)
        assert server.asked == times


def test_silence_ends_in_time(server: _Server) -> None:
    with pytest.raises(HttpFailed, match="unavailable"):
        _client(server, timeout_seconds=0.2, retries=0).get("slow")


def test_small_answer_may_not_unfold_into_all_of_memory(server: _Server) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    assert len(bomb) < 30_000
    server.answer = lambda _: (200, {"Content-Encoding": "gzip"}, bomb)
    with pytest.raises(HttpFailed, match="larger than"):
        _client(server, max_bytes=1_000_000, retries=0).get("page")


def test_nobody_there_is_a_typed_error() -> None:
    with pytest.raises(HttpFailed):
        HttpClient(base_url="http://127.0.0.1:1", retries=1).get("page")
