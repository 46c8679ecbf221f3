"""Address guard: corpus of hostile addresses, rebinding, redirects, secrets, TLS, proxies."""

import datetime
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util.connection import create_connection

from config.clients.address_guard import (
    AddressRefused,
    check_source_url,
    check_url,
    refusal,
    resolve_public,
)
from config.clients.http import HttpClient, HttpFailed
from config.embedded.stack import ROOT, UNREACHABLE
from tests.samples.hostile_addresses import (
    INTERNAL_URLS,
    LOOPBACK_URLS,
    OTHER_URLS,
    PUBLIC_URLS,
    RESOLVED_ADDRESSES,
)

_PUBLIC = "93.184.216.34"


class _Server(ThreadingHTTPServer):
    """Counts connections, records requests, responds as `responses` says: path → status, target."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Handler)
        self.port: int = self.server_address[1]
        self.connection_count = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.redirects: dict[str, tuple[int, str]] = {}
        self.cookie = ""

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connection_count += 1
        return super().get_request()

    def handle_error(self, *_arguments: Any) -> None:
        """Print nothing: failed handshakes are expected."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        status, location = self.server.redirects.get(self.path, (200, ""))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if self.server.cookie:
            self.send_header("Set-Cookie", self.server.cookie)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET  # noqa: N815  # name given by the base class

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


def _start(server: _Server) -> _Server:
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server on the loopback address."""
    running = _start(_Server())
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def other_server() -> Iterator[_Server]:
    """A second server, which is another origin."""
    running = _start(_Server())
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def no_loopback(settings: Any, server: _Server) -> None:
    """Settings of production, except that the server's port is allowed."""
    settings.ALLOW_LOOPBACK_SOURCES = False
    settings.SOURCE_PORTS = [80, 443, server.port]


class _Names:
    """A resolver with one list of answers for each name; the last answer is repeated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, list[Sequence[str]]] = {}
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        answers = self.answers.get(host)
        if answers is None:
            if host.replace(".", "").isdigit() or ":" in host or host == "localhost":
                return self._resolve(host, port, *args, **kwargs)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [_entry(address, port) for address in answer]


def _entry(address: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (address, port))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> _Names:
    """Answers of a name server by name; other names are unknown."""
    return _Names(monkeypatch)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that connections are made to; those outside this computer fail."""
    made: list[str] = []

    def record(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        made.append(address[0])
        if ipaddress.ip_address(address[0]).is_loopback:
            return create_connection(address, *args, **kwargs)
        raise ConnectionRefusedError

    monkeypatch.setattr("config.clients.http.create_connection", record)
    return made


def _fetch(url: str) -> None:
    with HttpClient(base_url=url, retries=0, timeout_seconds=2) as client:
        client.get("")


def test_notations_of_the_loopback_address_reach_the_server_without_a_guard(
    server: _Server,
) -> None:
    for host in ("127.1", "2130706433", "0x7f.1", "017700000001", "localhost"):
        with HttpClient(
            base_url=f"http://{host}:{server.port}", retries=0, is_operator_address=True
        ) as client:
            client.get("")

    assert server.connection_count == 5


@pytest.mark.usefixtures("no_loopback")
@pytest.mark.parametrize("template", LOOPBACK_URLS)
def test_no_notation_of_the_loopback_address_is_connected_to(
    template: str, server: _Server, connections: list[str]
) -> None:
    with pytest.raises(AddressRefused):
        _fetch(template.format(port=server.port))

    assert server.connection_count == 0
    assert connections == []


@pytest.mark.usefixtures("no_loopback")
@pytest.mark.parametrize("url", [*INTERNAL_URLS, *OTHER_URLS])
def test_no_internal_address_is_connected_to(url: str, connections: list[str]) -> None:
    with pytest.raises(AddressRefused):
        _fetch(url)

    assert connections == []


@pytest.mark.usefixtures("no_loopback")
@pytest.mark.parametrize("addresses", RESOLVED_ADDRESSES, ids="+".join)
def test_name_that_leads_to_an_internal_address_is_not_connected_to(
    addresses: Sequence[str], names: _Names, connections: list[str], server: _Server
) -> None:
    names.answers["shop.example.com"] = [addresses]

    with pytest.raises(AddressRefused, match="leads to"):
        _fetch(f"http://shop.example.com:{server.port}/")

    assert connections == []
    assert server.connection_count == 0


@pytest.mark.usefixtures("no_loopback")
@pytest.mark.parametrize("url", [*INTERNAL_URLS, *OTHER_URLS])
def test_allowing_the_loopback_address_allows_no_other(
    url: str, settings: Any, names: _Names
) -> None:
    settings.ALLOW_LOOPBACK_SOURCES = True
    names.answers["shop.example.com"] = [[_PUBLIC]]

    with pytest.raises(AddressRefused):
        resolve_public(check_url(url).host, check_url(url).port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1.", "shop.example.com"])
def test_loopback_address_is_fetched_where_the_setting_allows_it(
    host: str, server: _Server, names: _Names
) -> None:
    names.answers["shop.example.com"] = [["127.0.0.1"]]

    _fetch(f"http://{host}:{server.port}/")

    assert server.connection_count == 1


@pytest.mark.parametrize("address", ["[::ffff:127.0.0.1]", "127.1", "[2002:7f00:1::1]"])
def test_odd_notation_is_refused_where_the_loopback_address_is_allowed(
    address: str, server: _Server
) -> None:
    with pytest.raises(AddressRefused):
        _fetch(f"http://{address}:{server.port}/")

    assert server.connection_count == 0


@pytest.mark.usefixtures("no_loopback")
@pytest.mark.parametrize(("typed", "checked"), PUBLIC_URLS.items())
def test_public_address_is_normalized(typed: str, checked: str) -> None:
    assert check_url(typed).url == checked


@pytest.mark.usefixtures("no_loopback")
def test_name_that_changes_its_address_after_it_was_saved_is_refused(
    names: _Names, server: _Server
) -> None:
    url = f"http://shop.example.com:{server.port}/"
    names.answers["shop.example.com"] = [[_PUBLIC], ["127.0.0.1"]]
    check_source_url(url)

    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1, a loopback address"):
        _fetch(url)

    assert server.connection_count == 0


@pytest.mark.usefixtures("no_loopback")
def test_connection_uses_the_checked_address_when_the_name_changes_it(
    names: _Names, server: _Server, connections: list[str]
) -> None:
    names.answers["shop.example.com"] = [[_PUBLIC], ["127.0.0.1"]]

    with pytest.raises(HttpFailed):
        _fetch(f"http://shop.example.com:{server.port}/")

    assert connections == [_PUBLIC]
    assert server.connection_count == 0


def test_next_address_is_used_when_one_does_not_respond(
    names: _Names, server: _Server, connections: list[str]
) -> None:
    names.answers["shop.example.com"] = [["::1", "127.0.0.1"]]

    _fetch(f"http://shop.example.com:{server.port}/")

    assert connections == ["::1", "127.0.0.1"]
    assert server.requests[0][2]["Host"] == f"shop.example.com:{server.port}"


def test_unknown_name_is_a_failed_request(names: _Names) -> None:
    with pytest.raises(HttpFailed):
        _fetch("https://unknown.example.com/")


def test_localhost_must_lead_to_this_computer(names: _Names) -> None:
    names.answers["localhost"] = [[_PUBLIC]]

    with pytest.raises(AddressRefused, match="another computer"):
        resolve_public("localhost", 80)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://10.0.0.1/",
        "http://metadata.google.internal/",
        "http://user@shop.example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://shop.example.com:6379/",
        "http://rebinding.example.com/",
    ],
)
def test_redirect_into_a_network_is_not_followed(
    location: str, server: _Server, names: _Names, connections: list[str]
) -> None:
    names.answers["rebinding.example.com"] = [["192.168.0.1"]]
    names.answers["shop.example.com"] = [[_PUBLIC]]
    server.redirects["/"] = (302, location)

    with pytest.raises(AddressRefused):
        _fetch(f"http://127.0.0.1:{server.port}/")

    assert connections == ["127.0.0.1"]


def test_five_redirects_are_followed_and_the_sixth_is_not(server: _Server) -> None:
    server.redirects = {f"/{number}": (302, f"{number + 1}") for number in range(9)}

    with pytest.raises(HttpFailed, match="more than 5 redirects"):
        _fetch(f"http://127.0.0.1:{server.port}/0")
    _fetch(f"http://127.0.0.1:{server.port}/4")

    assert [path for _, path, _ in server.requests[:6]] == ["/0", "/1", "/2", "/3", "/4", "/5"]
    assert len(server.requests) == 12


def test_secrets_are_not_sent_to_another_host(server: _Server, other_server: _Server) -> None:
    server.cookie = "session=secret"
    server.redirects["/list"] = (302, f"http://127.0.0.1:{other_server.port}/list")
    base_url = f"http://127.0.0.1:{server.port}"

    with HttpClient(base_url=base_url, headers={"X-Api-Key": "secret"}) as client:
        client.get("token")
        client.get("list", headers={"If-None-Match": '"1"', "X-Session": "secret"})

    [(_, _, own)] = [request for request in server.requests if request[1] == "/list"]
    [(_, _, foreign)] = other_server.requests
    assert (own["X-Api-Key"], own["Cookie"], own["X-Session"]) == (
        "secret",
        "session=secret",
        "secret",
    )
    assert "secret" not in str(foreign)
    assert foreign["If-None-Match"] == '"1"'


def test_cookies_of_another_host_are_not_sent_back(server: _Server, other_server: _Server) -> None:
    other_server.cookie = "planted=1"
    server.redirects["/list"] = (302, f"http://127.0.0.1:{other_server.port}/list")

    with HttpClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        client.get("list")
        client.get("page")

    assert "Cookie" not in server.requests[-1][2]


@pytest.mark.parametrize("status", [307, 308])
def test_body_is_not_sent_to_another_host(
    status: int, server: _Server, other_server: _Server
) -> None:
    server.redirects["/token"] = (status, f"http://127.0.0.1:{other_server.port}/token")

    with (
        HttpClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        pytest.raises(HttpFailed, match="another host"),
    ):
        client.post("token", form={"password": "secret"})

    assert other_server.connection_count == 0


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (303, "GET"), (307, "POST")])
def test_redirected_post_is_repeated_as_browsers_do(
    status: int, method: str, server: _Server
) -> None:
    server.redirects["/token"] = (status, "/next")

    with HttpClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        client.post("token", form={"a": "1"})

    assert [(request[0], request[1]) for request in server.requests] == [
        ("POST", "/token"),
        (method, "/next"),
    ]


def test_parameters_are_sent_with_the_first_request_alone(server: _Server) -> None:
    server.redirects["/list?page=1"] = (302, "/next?token=x")

    with HttpClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        client.get("list", params={"page": 1})

    assert [path for _, path, _ in server.requests] == ["/list?page=1", "/next?token=x"]


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    """A server with a certificate of shop.example.com, whose issuer is trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example.com")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate_file = tmp_path / "certificate.pem"
    key_file = tmp_path / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate_file))
    running = _Server()
    running.socket = context.wrap_socket(running.socket, server_side=True)
    _start(running)
    yield running
    running.shutdown()
    running.server_close()


def test_certificate_is_verified_for_the_name_of_the_url(
    tls_server: _Server, names: _Names
) -> None:
    names.answers = {"shop.example.com": [["127.0.0.1"]], "other.example.com": [["127.0.0.1"]]}

    _fetch(f"https://shop.example.com:{tls_server.port}/")
    with pytest.raises(HttpFailed, match="SSLError"):
        _fetch(f"https://other.example.com:{tls_server.port}/")

    assert [request[2]["Host"] for request in tls_server.requests] == [
        f"shop.example.com:{tls_server.port}"
    ]


def test_secrets_are_not_followed_from_https_to_http(
    tls_server: _Server, server: _Server, names: _Names
) -> None:
    names.answers["shop.example.com"] = [["127.0.0.1"]]
    tls_server.redirects["/"] = (302, f"http://shop.example.com:{server.port}/")
    base_url = f"https://shop.example.com:{tls_server.port}/"

    with (
        HttpClient(base_url=base_url, headers={"Authorization": "Bearer secret"}) as client,
        pytest.raises(HttpFailed, match="from https to http"),
    ):
        client.get("")

    assert server.connection_count == 0


def test_proxy_of_the_environment_is_not_used_for_typed_addresses(
    server: _Server, other_server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other_server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    _fetch(f"http://127.0.0.1:{server.port}/")

    assert (server.connection_count, other_server.connection_count) == (1, 0)


@given(number=st.integers(0, 2**32 - 1))
def test_ipv4_address_inside_ipv6_is_judged_as_itself(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    is_refused = bool(refusal(address)) or address.is_loopback

    for prefix in ("::ffff:", "64:ff9b::", "2607:f8b0::5efe:"):
        assert bool(refusal(ipaddress.IPv6Address(f"{prefix}{address}"))) == is_refused
    assert refusal(ipaddress.IPv6Address(f"::ffff:0:{address}"))


@given(number=st.integers(0, 2**32 - 1))
def test_address_that_python_calls_not_global_is_refused(number: int) -> None:
    address = ipaddress.IPv4Address(number)

    assert refusal(address) or address.is_global or address.is_loopback


@given(text=st.text(max_size=40))
def test_any_text_is_checked_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://127.0.0.1{text}"):
        try:
            checked = check_url(url)
        except AddressRefused:
            continue
        assert check_url(checked.url) == checked


@pytest.mark.parametrize("module", ["production", "dev"])
def test_loopback_addresses_are_refused_unless_the_environment_allows_them(module: str) -> None:
    environment = {
        **os.environ,
        **UNREACHABLE,
        "SECRET_KEY": "x" * 50,
        "KEY_RING": "unit:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "DJANGO_SETTINGS_MODULE": f"config.settings.{module}",
    }
    environment.pop("ALLOW_LOOPBACK_SOURCES", None)
    code = "from django.conf import settings; print(settings.ALLOW_LOOPBACK_SOURCES)"

    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment,
    )

    assert finished.stdout.strip() == "False"
