"""HTTP to suppliers: timeouts, bounded retries with jitter, a limit on what is read."""

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
_MOST_PATIENCE_SECONDS = 30
_PART_BYTES = 65_536
_LARGEST_DOWNLOAD = 4 * 2**30


class HttpFailed(ServiceUnavailable):
    """No usable answer came, after the retries; `status` is the last one, if there was any."""

    code = "http-failed"

    def __init__(self, service: str, reason: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(service, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer, read whole and decompressed."""

    url: str
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]
    fetched_at: datetime


class HttpClient:
    """A session with one host; keeps its cookies."""

    def __init__(
        self,
        *,
        base_url: str,
        timeout_seconds: float = 20,
        retries: int = 3,
        max_bytes: int = 64 * _MEBIBYTE,
        whole_seconds: float = 120,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = (min(5.0, timeout_seconds), timeout_seconds)
        self._max_bytes = max_bytes
        self._whole_seconds = whole_seconds
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "Cultivar catalogue sync"
        self._session.headers.update(headers or {})
        self._repeating = HTTPAdapter(max_retries=_retry(retries))
        self._once = HTTPAdapter(max_retries=0)

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
    ) -> HttpAnswer:
        """Fetch; repeated on connection errors, 429 and 5xx. Raises HttpFailed."""
        return self._send("GET", path, repeatable=True, params=params, headers=headers)

    def download(
        self, path: str, *, to: BinaryIO, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Fetch into a file, so that no size of answer fills memory; `body` stays empty. Raises HttpFailed."""
        return self._send("GET", path, repeatable=True, to=to, headers=headers)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> HttpAnswer:
        """Send JSON or a form; repeated only when the caller says that is safe. Raises HttpFailed."""
        return self._send(
            "POST", path, repeatable=repeatable, json=json, data=form, headers=headers
        )

    def url(self, path: str) -> str:
        """Return the whole address of a path; of the base itself when the path is empty."""
        return f"{self.base_url}/{path.lstrip('/')}" if path else self.base_url

    def _send(
        self, method: str, path: str, *, repeatable: bool, to: BinaryIO | None = None, **how: Any
    ) -> HttpAnswer:
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._repeating if repeatable else self._once)
        url = self.url(path)
        try:
            with self._session.request(
                method, url, timeout=self._timeout, stream=True, **how
            ) as answer:
                if answer.status_code >= 400:
                    raise HttpFailed(url, f"status {answer.status_code}", status=answer.status_code)
                return HttpAnswer(
                    url=answer.url,
                    status=answer.status_code,
                    content_type=answer.headers.get("Content-Type", ""),
                    body=self._read(answer)
                    if to is None
                    else self._copy(answer, to, most=_LARGEST_DOWNLOAD),
                    headers=dict(answer.headers),
                    fetched_at=datetime.now(UTC),
                )
        except (requests.RequestException, HTTPError) as error:
            raise HttpFailed(url, type(error).__name__) from error

    def _read(self, answer: requests.Response) -> bytes:
        body = io.BytesIO()
        self._copy(answer, body, most=self._max_bytes)
        return body.getvalue()

    def _copy(self, answer: requests.Response, to: BinaryIO, *, most: int) -> bytes:
        # Counted after decompression, so that a small answer cannot unfold into all of memory.
        read = 0
        deadline = time.monotonic() + self._whole_seconds
        # One read at a time: iter_content would wait for a whole part, however slowly it drips.
        while part := answer.raw.read1(_PART_BYTES, decode_content=True):
            read += to.write(part)
            if time.monotonic() > deadline:  # each part in time, the whole never: a slow drip
                raise HttpFailed(answer.url, f"answer took more than {self._whole_seconds:g} s")
            if read > most:
                raise HttpFailed(
                    answer.url, f"answer larger than {most} bytes", status=answer.status_code
                )
        return b""


def _retry(times: int) -> Retry:
    return Retry(
        total=times,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        backoff_max=10,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
        retry_after_max=_MOST_PATIENCE_SECONDS,  # a server may ask us to wait, but not for hours
    )
