"""HTTP client of one source in one run: rate-limited, resumable, with conditional requests."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from config.clients.http import HttpClient, HttpResult
from mlops.models import RawRecord
from mlops.pipelines.definitions import RawResponse, SourceAccess
from mlops.pipelines.landing import LandedResponses, read_body

_NOT_MODIFIED = 304
_Send = Callable[[Mapping[str, str]], HttpResult]
"""Sends a request with the given additional headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResponse(HttpResult):
    """A response with the key of its request; `is_unmodified` when the source answered 304."""

    request_key: str = ""
    is_unmodified: bool = False


class SourceClient:
    """
    The client that a source's `fetch` uses.

    A request whose response landed in this run before it was interrupted is not sent again. A
    request whose response in the last successful run had an ETag or a modification date is sent
    conditionally.
    """

    def __init__(self, http: HttpClient, *, landed: LandedResponses, access: SourceAccess) -> None:
        self.access = access
        self._http = http
        self._landed = landed
        self._interval_seconds = 1 / access.requests_per_second
        self._next_request_at = 0.0

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> SourceResponse:
        """Send a GET request. Raises HttpFailed."""
        key = self._request_key("GET", path, params)
        return self._landed_response(key) or self._send_conditionally(
            key, lambda headers: self._http.get(path, params=params, headers=headers)
        )

    def get_uncached(self, path: str) -> HttpResult:
        """Fetch what serves only this session, for example a token or cookie. Raises HttpFailed."""
        self._wait_for_rate_limit()
        return self._http.get(path)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        request_params: Any = None,
    ) -> SourceResponse:
        """
        Send a POST request that changes nothing at the source. Raises HttpFailed.

        request_params: identifies the request where the form holds more than that, for example a
        token that differs in every session.
        """
        key = self._request_key("POST", path, request_params or json or form)
        return self._landed_response(key) or self._send_conditionally(
            key,
            lambda headers: self._http.post(
                path, json=json, form=form, headers=headers, is_idempotent=True
            ),
        )

    def download(self, *, to: BinaryIO) -> SourceResponse:
        """
        Download the source's only file into `to`. Raises HttpFailed.

        When the file has not changed, `is_unmodified` is true and nothing is written.
        """
        return self._send_conditionally(
            self._request_key("GET", "", None),
            lambda headers: self._http.download("", to=to, headers=headers),
            has_body=False,
        )

    def previous_responses(self, response: SourceResponse) -> Iterator[RawResponse]:
        """Yield what the last successful run landed for the same request, part by part."""
        for record in self._landed.all_in_last_run(response.request_key):
            yield RawResponse.from_response(
                _response_from(record, response), bundle=record.bundle, role=record.role
            )

    def _landed_response(self, key: str) -> SourceResponse | None:
        record = self._landed.in_this_run(key)
        return _response_from(record) if record else None

    def _send_conditionally(
        self, key: str, send: _Send, *, has_body: bool = True
    ) -> SourceResponse:
        previous = self._landed.in_last_run(key)
        self._wait_for_rate_limit()
        response = send(_conditional_headers(previous) if previous else {})
        if response.status != _NOT_MODIFIED or previous is None:
            return _with_key(response, key)
        if has_body:
            return _response_from(previous, response)
        return _with_key(response, key, is_unmodified=True)

    def _wait_for_rate_limit(self) -> None:
        wait_seconds = self._next_request_at - time.monotonic()
        if wait_seconds > 0:
            time.sleep(wait_seconds)
        self._next_request_at = time.monotonic() + self._interval_seconds

    def _request_key(self, method: str, path: str, params: Any) -> str:
        request = json.dumps([method, self._http.url(path), params], sort_keys=True, default=str)
        return hashlib.sha256(request.encode()).hexdigest()


@contextmanager
def open_source_client(access: SourceAccess, *, landed: LandedResponses) -> Iterator[SourceClient]:
    """Open a client of one source for one run."""
    with HttpClient(base_url=access.base_url, headers=access.headers) as http:
        yield SourceClient(http, landed=landed, access=access)


def _conditional_headers(record: RawRecord) -> dict[str, str]:
    headers = {"If-None-Match": record.etag, "If-Modified-Since": record.last_modified}
    return {name: value for name, value in headers.items() if value}


def _response_from(record: RawRecord, current: HttpResult | None = None) -> SourceResponse:
    """Return a landed response; `current` is the response that confirmed that it is unmodified."""
    return SourceResponse(
        url=record.url,
        status=current.status if current else record.status,
        content_type=record.content_type,
        body=read_body(record),
        headers={"ETag": record.etag, "Last-Modified": record.last_modified},
        fetched_at=current.fetched_at if current else record.fetched_at,
        request_key=record.request_key,
        is_unmodified=current is not None or record.is_unmodified,
    )


def _with_key(response: HttpResult, key: str, *, is_unmodified: bool = False) -> SourceResponse:
    return SourceResponse(
        url=response.url,
        status=response.status,
        content_type=response.content_type,
        body=b"" if is_unmodified else response.body,
        headers=response.headers,
        fetched_at=response.fetched_at,
        request_key=key,
        is_unmodified=is_unmodified,
    )
