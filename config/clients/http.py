"""
HTTP client: timeouts, bounded retries with jitter, limits on size and duration.

Addresses that staff typed are fetched through the address guard: each connection is made to an
address that the guard has checked, while host name, SNI and certificate stay those of the URL.
Proxies and `.netrc` of the environment do not apply to them, because a proxy would resolve the name
itself. Redirects are followed here and not by requests, which checks nothing and forwards custom
headers.
"""

import io
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from requests.utils import requote_uri
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import Retry
from urllib3.util.connection import create_connection

from config.clients.address_guard import (
    MAX_REDIRECTS,
    PORTABLE_HEADERS,
    AddressRefused,
    CheckedUrl,
    check_url,
    may_forward_secrets,
    resolve_public,
)
from config.errors import ServiceUnavailable

_MEBIBYTE = 2**20
_MAX_RETRY_AFTER_SECONDS = 30
_CHUNK_BYTES = 65_536
_MAX_DOWNLOAD_BYTES = 4 * 2**30


class HttpFailed(ServiceUnavailable):
    """No usable response after the retries; `status` is that of the last response, if any."""

    code = "http_failed"

    def __init__(self, service: str, reason: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(service, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResult:
    """A response, read completely and decompressed."""

    url: str
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]
    fetched_at: datetime


class HttpClient:
    """
    A session with one host, with its cookies.

    headers: sent to the host of `base_url` alone, also after redirects, as are its cookies.
    is_operator_address: `base_url` is from a setting or command line; it may be internal, and
    proxies of the environment apply. All other addresses must be public.
    timeout_seconds: for each read. total_timeout_seconds: for a whole response.
    follows_redirects: else a redirect is returned as the response.
    max_bytes: of a response, decompressed; downloads into a file have a limit of 4 GiB.
    """

    def __init__(  # noqa: PLR0913  # options of a session, each with a default
        self,
        *,
        base_url: str,
        timeout_seconds: float = 20,
        retries: int = 3,
        max_bytes: int = 64 * _MEBIBYTE,
        total_timeout_seconds: float = 120,
        headers: Mapping[str, str] | None = None,
        is_operator_address: bool = False,
        follows_redirects: bool = True,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = (min(5.0, timeout_seconds), timeout_seconds)
        self._max_bytes = max_bytes
        self._total_timeout_seconds = total_timeout_seconds
        self._is_guarded = not is_operator_address
        self._follows_redirects = follows_redirects
        self._headers = dict(headers or {})
        self._session = _session(is_guarded=self._is_guarded)
        # Requests that redirects lead to other hosts: without the source's headers and cookies.
        self._foreign_session = _session(is_guarded=self._is_guarded)
        adapter = _GuardedAdapter if self._is_guarded else HTTPAdapter
        self._retrying_adapter = adapter(max_retries=_retry(retries))
        self._single_try_adapter = adapter(max_retries=0)

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._session.close()
        self._foreign_session.close()

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResult:
        """
        Fetch a path; retried on connection errors, 429 and 5xx.

        Raises HttpFailed; AddressRefused: the host or that of a redirect is not public.
        """
        return self._send("GET", path, is_idempotent=True, params=params, headers=headers)

    def download(
        self, path: str, *, to: BinaryIO, headers: Mapping[str, str] | None = None
    ) -> HttpResult:
        """Fetch a path into a file, not into memory; `body` stays empty. Raises as `get`."""
        return self._send("GET", path, is_idempotent=True, to=to, headers=headers)

    def post(  # noqa: PLR0913  # one of three kinds of body
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_idempotent: bool = False,
    ) -> HttpResult:
        """
        Send JSON, a form or a body as it is; retried only if the request is idempotent.

        Raises as `get`.
        """
        data = form if body is None else body
        return self._send(
            "POST", path, is_idempotent=is_idempotent, json=json, data=data, headers=headers
        )

    def url(self, path: str) -> str:
        """Return the URL of a path; the base URL for an empty path."""
        return f"{self.base_url}/{path.lstrip('/')}" if path else self.base_url

    def _send(
        self,
        method: str,
        path: str,
        *,
        is_idempotent: bool,
        to: BinaryIO | None = None,
        **options: Any,
    ) -> HttpResult:
        adapter = self._retrying_adapter if is_idempotent else self._single_try_adapter
        for session in (self._session, self._foreign_session):
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
        url = self.url(path)
        try:
            with self._follow_redirects(method, url, **options) as response:
                status = response.status_code
                if status >= 400:
                    raise HttpFailed(url, f"status {status}", status=status)
                if to is None:
                    body = self._read(response)
                else:
                    self._copy(response, to, max_bytes=_MAX_DOWNLOAD_BYTES)
                    body = b""
                return HttpResult(
                    url=response.url,
                    status=status,
                    content_type=response.headers.get("Content-Type", ""),
                    body=body,
                    headers=dict(response.headers),
                    fetched_at=datetime.now(UTC),
                )
        except (requests.RequestException, HTTPError) as error:
            raise HttpFailed(url, type(error).__name__) from error

    def _follow_redirects(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        source = self._check(url)
        target = source
        for _ in range(MAX_REDIRECTS + 1):
            is_foreign = not may_forward_secrets(source, target)
            response = (self._foreign_session if is_foreign else self._session).request(
                method,
                target.url,
                headers=_portable(headers) if is_foreign else {**self._headers, **(headers or {})},
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
                **options,
            )
            location = self._session.get_redirect_target(response)
            if location is None or not self._follows_redirects:
                return response
            response.close()
            next_target = self._check_redirect(target, location)
            # As browsers do: the body is sent again only after 307 and 308.
            if response.status_code == 303 or (
                response.status_code in {301, 302} and method == "POST"
            ):
                method, options = "GET", {}
            elif method != "GET" and not may_forward_secrets(source, next_target):
                raise HttpFailed(url, f"redirect of a {method} request to another host")
            options.pop("params", None)  # part of the first URL alone
            target = next_target
        raise HttpFailed(url, f"more than {MAX_REDIRECTS} redirects")

    def _check(self, url: str) -> CheckedUrl:
        if self._is_guarded:
            return check_url(url)
        try:
            return CheckedUrl.from_trusted(url)
        except AddressRefused as error:
            raise HttpFailed(url, error.reason) from error

    def _check_redirect(self, current: CheckedUrl, location: str) -> CheckedUrl:
        try:
            target = self._check(requote_uri(urljoin(current.url, location)))
        except AddressRefused as error:
            raise AddressRefused(f"leads to a redirect whose address {error.reason}") from error
        has_secrets = bool(self._headers or self._session.cookies)
        if has_secrets and current.scheme == "https" and target.scheme == "http":
            raise HttpFailed(current.url, "redirect from https to http")
        return target

    def _read(self, response: requests.Response) -> bytes:
        body = io.BytesIO()
        self._copy(response, body, max_bytes=self._max_bytes)
        return body.getvalue()

    def _copy(self, response: requests.Response, to: BinaryIO, *, max_bytes: int) -> None:
        # Counted after decompression, so that a small response cannot expand to fill memory.
        size = 0
        deadline = time.monotonic() + self._total_timeout_seconds
        # One read at a time: iter_content would wait for a whole chunk, however slowly it arrives.
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            size += to.write(chunk)
            if time.monotonic() > deadline:  # each read was in time, but there were too many
                raise HttpFailed(
                    response.url, f"response took more than {self._total_timeout_seconds:g} s"
                )
            if size > max_bytes:
                raise HttpFailed(
                    response.url,
                    f"response larger than {max_bytes} bytes",
                    status=response.status_code,
                )


class _GuardedConnection(HTTPConnection):
    """Connects to the addresses that the guard returns; they are resolved once, and here."""

    def _new_conn(self) -> socket.socket:
        try:
            addresses = resolve_public(self._dns_host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failure: OSError | None = None
        for address in addresses:
            try:
                sock = create_connection(
                    (str(address), self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                failure = error
                continue
            sys.audit("http.client.connect", self, self.host, self.port)
            return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from failure
        raise NewConnectionError(self, f"Connection to {self.host} failed.") from failure


class _GuardedHttpsConnection(_GuardedConnection, HTTPSConnection):
    """The same, then TLS with the host name of the URL."""


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHttpsConnection


class _GuardedAdapter(HTTPAdapter):
    """Transport of requests whose connections go through the address guard."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _GuardedPool,
            "https": _GuardedHttpsPool,
        }

    def proxy_manager_for(self, proxy: str, **_: Any) -> Any:
        raise AddressRefused(f"would be fetched through the proxy {proxy}")


def _session(*, is_guarded: bool) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = "Cultivar catalogue sync"
    if is_guarded:
        # Of the environment, only the certificate authorities apply.
        session.trust_env = False
        session.verify = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
    return session


def _portable(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {
        name: value for name, value in (headers or {}).items() if name.lower() in PORTABLE_HEADERS
    }


def _retry(times: int) -> Retry:
    return Retry(
        total=times,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        backoff_max=10,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
        # A server may ask us to wait, but not for hours.
        retry_after_max=_MAX_RETRY_AFTER_SECONDS,
    )
