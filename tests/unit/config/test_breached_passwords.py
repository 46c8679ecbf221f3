"""New passwords are looked up in a set of breached ones, without being sent."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

BREACHED = "correct horse battery staple"
DIGEST = hashlib.sha1(BREACHED.encode(), usedforsecurity=False).hexdigest().upper()


class _RangeApi(ThreadingHTTPServer):
    """Knows one password, as often as `count` says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.count = 384
        self.status = 200
        self.requests: list[tuple[str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _RangeApi

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Add-Padding"]))
        body = f"{'0' * 35}:2\r\n{DIGEST[5:]}:{self.server.count}\r\n{'F' * 35}:0".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def api(settings: Any) -> Iterator[_RangeApi]:
    with _RangeApi() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings.BREACHED_PASSWORDS_URL = f"http://127.0.0.1:{server.server_port}/range"
        yield server
        server.shutdown()


def test_a_breached_password_is_refused(api: _RangeApi) -> None:
    with pytest.raises(ValidationError) as refusal:
        validate_password(BREACHED)

    assert [error.code for error in refusal.value.error_list] == ["password_breached"]


def test_another_password_is_accepted(api: _RangeApi) -> None:
    validate_password("seven lamps over the harbor wall")

    assert len(api.requests) == 1


def test_only_the_first_five_characters_of_the_hash_are_sent(api: _RangeApi) -> None:
    with pytest.raises(ValidationError):
        validate_password(BREACHED)

    assert api.requests == [(f"/range/{DIGEST[:5]}", "true")]


def test_lines_of_the_padding_do_not_count(api: _RangeApi) -> None:
    api.count = 0

    validate_password(BREACHED)


def test_passwords_are_accepted_while_the_service_is_unavailable(
    api: _RangeApi, caplog: pytest.LogCaptureFixture
) -> None:
    api.status = 503

    validate_password(BREACHED)

    assert "password.breaches_unavailable" in caplog.text


def test_nothing_is_sent_without_an_address(api: _RangeApi, settings: Any) -> None:
    settings.BREACHED_PASSWORDS_URL = ""

    validate_password(BREACHED)

    assert api.requests == []
