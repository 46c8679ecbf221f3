"""
Server of sample shops: Weedmaps, Shopify and Dutchie menus over HTTP, with switchable faults.

A shop `s` has its menu below `/s`; `robots.txt` is that of the whole server. `POST /_fault` with
`{"fault": NAME}` sets the fault (one of FAULTS) for all menus; `GET /_requests` returns
and forgets the times of the requests for menus.
"""

import gzip
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

METADATA_URL = "http://169.254.169.254/latest/meta-data/"
CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b"<script>window._cf_chl_opt={cvId:'3'};</script>"
    b"<noscript>Enable JavaScript and cookies to continue</noscript></body></html>"
)
LOGIN = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Members only</h1>"
    b"<form action='/login'><input name='email'><input type='password' name='password'></form>"
    b"</body></html>"
)
FAULTS = (
    "429",  # once, with Retry-After of 1 second
    "429-always",
    "429-long",  # Retry-After of an hour
    "challenge-200",
    "challenge-403",
    "challenge-404",
    "login",
    "empty",
    "half",
    "redirect-metadata",
    "redirect-loop",
    "bomb",
    "endless-page",
    "endless-paging",
    "drip",
    "500",
    "truncated",
    "drift",  # names and prices under other keys
)
_BOMB_BYTES = 80_000_000
_CHUNK = b" " * 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request as received; at: monotonic seconds."""

    at: float
    method: str
    path: str
    status: int
    headers: Mapping[str, str]

    @property
    def is_menu(self) -> bool:
        """Whether it asked for a page of a menu."""
        return not self.path.startswith(("/robots.txt", "/_"))


@dataclass(slots=True, kw_only=True)
class SampleShop:
    """
    A shop with its menus.

    items: by location ("": the shop has one menu), in the format of the platform; called for each
    request, so that prices can move.
    """

    platform: str
    items: Mapping[str, Callable[[], Sequence[Mapping[str, Any]]]]


@dataclass(slots=True, kw_only=True)
class Robots:
    """The robots.txt of the server."""

    body: bytes = b""
    status: int = 404
    content_type: str = "text/plain"


class SampleShops(ThreadingHTTPServer):
    """The server; `fault`: name of the current fault, or None."""

    daemon_threads = True

    def __init__(self, shops: Mapping[str, SampleShop], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.shops = dict(shops)
        self.fault: str | None = None
        self.fault_from_page = 1
        """Number of the first menu page that has the fault."""
        self.robots = Robots()
        self.requests: list[LoggedRequest] = []
        self.latency_seconds = 0.0
        self.closes_connections = False
        """Whether each request needs a new connection, so that the host is looked up again."""
        self.max_page_size = 100
        """Items of a page at most, whatever a request asks for."""
        self._released = threading.Event()
        self._released.set()
        self._block_from_page = 0
        self.has_blocked_requests = False

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def menu_requests(self) -> list[LoggedRequest]:
        """Requests for pages of menus, oldest first."""
        return [request for request in self.requests if request.is_menu]

    def block_from(self, page: int) -> None:
        """Let requests of this page and later ones wait until `release`."""
        self._block_from_page = page
        self.has_blocked_requests = False
        self._released.clear()

    def release(self) -> None:
        """Answer all requests again."""
        self._released.set()

    def wait_for_release(self, page: int) -> None:
        """Wait while requests of this page are blocked."""
        if not self._released.is_set() and page >= self._block_from_page:
            self.has_blocked_requests = True
            self._released.wait(60)


@dataclass(slots=True)
class _Response:
    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    server: SampleShops
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each response waits 40 ms for an acknowledgement

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing: `requests` has them."""

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/_fault":
            self.server.fault = json.loads(body or "{}").get("fault")
            self._send(_Response(b"{}"))
        else:
            self._answer(body)

    def _answer(self, body: str) -> None:
        url = urlsplit(self.path)
        if url.path == "/_requests":
            times = [request.at for request in self.server.menu_requests]
            self.server.requests.clear()
            self._send(_Response(json.dumps(times).encode()))
            return
        if url.path == "/robots.txt":
            robots = self.server.robots
            self._send(_Response(robots.body, robots.status, robots.content_type))
            return
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        name, _, path = url.path.lstrip("/").partition("/")
        shop = self.server.shops.get(name)
        menu = _find_menu(shop, path, query, body, self.server.max_page_size) if shop else None
        if shop is None or menu is None:
            self._send(_Response(b"not found", 404, "text/plain"))
            return
        if self.server.latency_seconds:
            time.sleep(self.server.latency_seconds)
        self.server.wait_for_release(menu.page)
        fault = self.server.fault if menu.page >= self.server.fault_from_page else None
        items = _faulty_items(list(shop.items[menu.location]()), fault)
        response = self._faulty(menu, items, fault)
        if response is not None:
            self._send(response)

    def _faulty(
        self, menu: "_Menu", items: list[Mapping[str, Any]], fault: str | None
    ) -> _Response | None:
        """Return the response of a page under a fault; None: it has been sent."""
        if fault == "429" and any(request.status == 429 for request in self.server.requests):
            fault = None
        if response := _fault_response(fault, self.path):
            return response
        if fault == "endless-paging":
            return _Response(_encode(menu.render(items, 1, True)))
        body = _encode(menu.render(items, menu.page, False))
        send = {"endless-page": self._stream, "drip": self._drip, "truncated": self._cut}.get(
            fault or ""
        )
        if send:
            send(body)
            return None
        etag = f'"{sha256(body).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            return _Response(b"", 304, headers={"ETag": etag})
        return _Response(body, headers={"ETag": etag})

    def _stream(self, _body: bytes) -> None:
        """Send bytes until the client gives up."""
        self._start(_Response(b""), size=None)
        try:
            while True:
                self.wfile.write(_CHUNK)
        except OSError:  # the client gave up
            self.close_connection = True

    def _drip(self, body: bytes) -> None:
        self._start(_Response(body), size=len(body))
        try:
            for start in range(0, len(body), 10):
                self.wfile.write(body[start : start + 10])
                time.sleep(0.05)
        except OSError:  # the client gave up
            self.close_connection = True

    def _cut(self, body: bytes) -> None:
        """Send half of what the head announces."""
        self._start(_Response(body), size=len(body))
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def _send(self, response: _Response) -> None:
        self._start(response, size=len(response.body))
        if response.status != 304:
            self.wfile.write(response.body)

    def _start(self, response: _Response, *, size: int | None) -> None:
        """Log the request and send the head; size: None closes the connection at the end."""
        self.server.requests.append(
            LoggedRequest(
                at=time.monotonic(),
                method=self.command,
                path=self.path,
                status=response.status,
                headers=dict(self.headers.items()),
            )
        )
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        if size is None or self.server.closes_connections:
            self.send_header("Connection", "close")
            self.close_connection = True
        if size is not None and response.status != 304:
            self.send_header("Content-Length", str(size))
        self.end_headers()


@dataclass(frozen=True, slots=True)
class _Menu:
    """A page of a menu that was asked for; render: (items, page, is_endless) → document."""

    location: str
    page: int
    render: Callable[[list[Mapping[str, Any]], int, bool], Any]


def _find_menu(
    shop: SampleShop, path: str, query: Mapping[str, str], body: str, max_page_size: int
) -> _Menu | None:
    if shop.platform == "weedmaps":
        return _weedmaps_menu(shop, path, query, max_page_size)
    if shop.platform == "shopify" and path == "products.json":
        size = int(query.get("limit", 30))

        def render(items: list[Mapping[str, Any]], page: int, _is_endless: bool) -> Any:
            return {"products": items[(page - 1) * size : page * size]}

        return _Menu("", int(query.get("page", 1)), render)
    if shop.platform == "dutchie" and path == "graphql":
        return _dutchie_menu(shop, json.loads(body or "{}").get("variables", {}))
    return None


def _dutchie_menu(shop: SampleShop, variables: Mapping[str, Any]) -> _Menu | None:
    location = variables.get("productsFilter", {}).get("dispensaryId")
    if location not in shop.items:
        return None
    size = variables["perPage"]

    def render(items: list[Mapping[str, Any]], page: int, is_endless: bool) -> Any:
        total = 10**6 if is_endless else len(items)
        products = items[(page - 1) * size : page * size]
        info = {"totalCount": total, "totalPages": -(-total // size)}
        return {"data": {"filteredProducts": {"products": products, "queryInfo": info}}}

    # Dutchie counts pages from 0.
    return _Menu(location, variables["page"] + 1, render)


def _weedmaps_menu(
    shop: SampleShop, path: str, query: Mapping[str, str], max_page_size: int
) -> _Menu | None:
    parts = path.split("/")
    if parts[:3] != ["wm", "v1", "listings"] or parts[4:] != ["menu_items"]:
        return None
    if parts[3] not in shop.items:
        return None
    size = min(int(query.get("page_size", 100)), max_page_size)

    def render(items: list[Mapping[str, Any]], page: int, is_endless: bool) -> Any:
        total = 10**6 if is_endless else len(items)
        meta = {"page": page, "per_page": size, "total": total}
        return {"meta": meta, "data": items[(page - 1) * size : page * size]}

    return _Menu(parts[3], int(query.get("page", 1)), render)


def _fault_response(fault: str | None, path: str) -> _Response | None:
    """Return the response that replaces a page; None: the page is sent, in whatever form."""
    match fault:
        case "429" | "429-always" | "429-long":
            seconds = "3600" if fault == "429-long" else "1"
            return _Response(b"slow down", 429, "text/plain", {"Retry-After": seconds})
        case "challenge-200" | "challenge-403" | "challenge-404":
            return _Response(CHALLENGE, int(fault[-3:]), "text/html")
        case "login" | "500":
            pages = {"login": (LOGIN, 200), "500": (b"<h1>Internal Server Error</h1>", 500)}
            return _Response(*pages[fault], "text/html")
        case "redirect-metadata" | "redirect-loop":
            target = path if fault == "redirect-loop" else METADATA_URL
            return _Response(b"", 302, "text/plain", {"Location": target})
        case "bomb":
            bomb = gzip.compress(bytes(_BOMB_BYTES))
            return _Response(bomb, headers={"Content-Encoding": "gzip"})
    return None


def _faulty_items(items: list[Mapping[str, Any]], fault: str | None) -> list[Mapping[str, Any]]:
    match fault:
        case "empty":
            return []
        case "half":
            return items[: len(items) // 2 - 1]
        case "drift":
            return [{"key": item.get("id"), "value": "other format"} for item in items]
    return items


def _encode(document: Any) -> bytes:
    return json.dumps(document).encode()
