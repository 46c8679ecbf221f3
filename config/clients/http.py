"""HTTP client: timeouts, bounded retries with jitter, limits on size and duration."""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

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

    timeout_seconds: for each read. total_timeout_seconds: for a whole response.
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
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = (min(5.0, timeout_seconds), timeout_seconds)
        self._max_bytes = max_bytes
        self._total_timeout_seconds = total_timeout_seconds
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "Cultivar catalogue sync"
        self._session.headers.update(headers or {})
        self._retrying_adapter = HTTPAdapter(max_retries=_retry(retries))
        self._single_try_adapter = HTTPAdapter(max_retries=0)

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._session.close()

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResult:
        """Fetch a path; retried on connection errors, 429 and 5xx. Raises HttpFailed."""
        return self._send("GET", path, is_idempotent=True, params=params, headers=headers)

    def download(
        self, path: str, *, to: BinaryIO, headers: Mapping[str, str] | None = None
    ) -> HttpResult:
        """Fetch a path into a file, not into memory; `body` stays empty. Raises HttpFailed."""
        return self._send("GET", path, is_idempotent=True, to=to, headers=headers)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_idempotent: bool = False,
    ) -> HttpResult:
        """Send JSON or a form; retried only if the request is idempotent. Raises HttpFailed."""
        return self._send(
            "POST", path, is_idempotent=is_idempotent, json=json, data=form, headers=headers
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
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        url = self.url(path)
        try:
            with self._session.request(
                method, url, timeout=self._timeout, stream=True, **options
            ) as response:
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
