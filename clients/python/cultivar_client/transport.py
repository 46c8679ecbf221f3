"""Requests to the REST API: authentication, repetition, problem details, pages."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Self, cast
from urllib.parse import quote
from uuid import uuid4

import requests

_MAX_ATTEMPTS = 4
_REPEATED_STATUSES = (429, 503)
_MAX_WAIT_SECONDS = 60.0
_URN_PREFIX = "urn:cultivar:problem:"


class ApiError(Exception):
    """
    An error response.

    status: HTTP status. code: kind of error, see docs/api.md. errors: rejected fields, each with
    field, code and message. request_id: under which the server logged the request.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("type", "")).removeprefix(_URN_PREFIX)
        self.errors: list[dict[str, str]] = list(problem.get("errors", []))
        self.request_id = str(problem.get("request_id", ""))
        super().__init__(str(problem.get("detail") or f"status {status}"))


class Transport:
    """
    Connection to one installation with one API key.

    language: of messages, en or fr. sleep: waits before a request is repeated.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        language: str = "en",
        timeout_seconds: float = 30,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Api-Key {api_key}"
        self._session.headers["Accept-Language"] = language

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def pages(self, operation: Callable[..., Any], *args: Any, **params: Any) -> Iterator[Any]:
        """Yield the rows of every page of a list operation."""
        cursor: str | None = None
        while True:
            page = operation(*args, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["results"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def _request(  # parts of a request
        self,
        method: str,
        path: str,
        *,
        path_values: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: object = None,
        files: Mapping[str, BinaryIO] | None = None,
    ) -> Any:
        """Send a request and return the JSON of its response. Raises ApiError."""
        values = {name: quote(value, safe="") for name, value in (path_values or {}).items()}
        sent = {name: value for name, value in (headers or {}).items() if value is not None}
        if method == "POST":
            sent.setdefault("Idempotency-Key", str(uuid4()))
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            response = self._session.request(
                method,
                self._base_url + path.format(**values),
                params={name: _text(value) for name, value in (query or {}).items()},
                headers=sent,
                json=None if files else body,
                data=_form(body) if files else None,
                files=files,
                timeout=self._timeout_seconds,
            )
            if response.status_code not in _REPEATED_STATUSES or attempt == _MAX_ATTEMPTS:
                break
            wait_seconds = float(response.headers.get("Retry-After", 1))
            self._sleep(min(wait_seconds, _MAX_WAIT_SECONDS))
        if response.status_code >= 400:
            raise ApiError(response.status_code, _problem(response))
        return response.json()


def _text(value: Any) -> str | None:
    """Return a query parameter; None leaves it out."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def _form(body: object) -> dict[str, str]:
    """Return the fields of a form; those of None are left out."""
    values = cast(Mapping[str, Any], body)
    texts = {name: _text(value) for name, value in values.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _problem(response: requests.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, Mapping) else {}
