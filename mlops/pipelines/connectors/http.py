"""HTTP to one source in one run: paced, and asking only for what has not landed yet or has changed since."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from config.clients.http import FetchedResponse, HttpClient
from mlops.models import RawRecord
from mlops.pipelines.definitions import FetchedResponse, SourceAccess
from mlops.pipelines.landing import LandedResponses, read_body

_UNMODIFIED = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResponse(FetchedResponse):
    """An answer, what question it answers, and whether the source said that it is as last time."""

    request_key: str = ""
    is_unmodified: bool = False


class SourceClient:
    """
    What a source's `fetch` talks through.

    A question that this run has had answered, before it was interrupted, is not asked again; one that the last good
    run had answered with an ETag or a date is asked conditionally.
    """

    def __init__(self, http: HttpClient, *, landed: LandedResponses, access: SourceAccess) -> None:
        self.access = access
        self._http = http
        self._landed = landed
        self._seconds_apart = 1 / access.requests_per_second
        self._next_at = 0.0

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> SourceResponse:
        """Fetch. Raises HttpFailed."""
        key = self._key("GET", path, params)
        return self._landed_or(key) or self._asked(
            key, lambda h: self._http.get(path, params=params, headers=h)
        )

    def get_always(self, path: str) -> FetchedResponse:
        """Fetch what serves this session alone: a token, a cookie. Raises HttpFailed."""
        self._pace()
        return self._http.get(path)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        question: Any = None,
    ) -> SourceResponse:
        """Ask by a post that changes nothing there; `question`: what is asked, where the form tells more than that."""
        key = self._key("POST", path, question or json or form)
        return self._landed_or(key) or self._asked(
            key,
            lambda h: self._http.post(path, json=json, form=form, headers=h, is_idempotent=True),
        )

    def download(self, *, to: BinaryIO) -> SourceResponse:
        """Fetch the source's one file; `is_unmodified` when it is as last time, and then nothing was written."""
        return self._asked(
            self._key("GET", "", None),
            lambda h: self._http.download("", to=to, headers=h),
            whole=False,
        )

    def as_last_time(self, answer: SourceResponse) -> Iterator[FetchedResponse]:
        """Yield what the last good run had landed of a file, part by part."""
        for record in self._landed.all_before(answer.request_key):
            yield FetchedResponse.of(
                _answer_of(record, answer), bundle=record.bundle, role=record.role
            )

    def _landed_or(self, key: str) -> SourceResponse | None:
        record = self._landed.in_this_run(key)
        return _answer_of(record) if record else None

    def _asked(self, key: str, ask: Any, *, whole: bool = True) -> SourceResponse:
        earlier = self._landed.before(key)
        self._pace()
        answer: FetchedResponse = ask(_conditions(earlier) if earlier else {})
        if answer.status == _UNMODIFIED and earlier:
            return _answer_of(earlier, answer) if whole else _unread(key, answer)
        return SourceResponse(
            url=answer.url,
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body,
            headers=answer.headers,
            fetched_at=answer.fetched_at,
            request_key=key,
        )

    def _pace(self) -> None:
        wait = self._next_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._next_at = time.monotonic() + self._seconds_apart

    def _key(self, method: str, path: str, question: Any) -> str:
        asked = json.dumps([method, self._http.url(path), question], sort_keys=True, default=str)
        return hashlib.sha256(asked.encode()).hexdigest()


@contextmanager
def open_source_client(access: SourceAccess, *, landed: LandedResponses) -> Iterator[SourceClient]:
    """Open the way to a source for one run."""
    with HttpClient(base_url=access.base_url, headers=access.headers) as http:
        yield SourceClient(http, landed=landed, access=access)


def _conditions(record: RawRecord) -> dict[str, str]:
    told = {"If-None-Match": record.etag, "If-Modified-Since": record.last_modified}
    return {name: value for name, value in told.items() if value}


def _answer_of(record: RawRecord, now: FetchedResponse | None = None) -> SourceResponse:
    """Return what landed as an answer; `now`: the answer that said that it still holds."""
    return SourceResponse(
        url=record.url,
        status=now.status if now else record.status,
        content_type=record.content_type,
        body=read_body(record),
        headers={"ETag": record.etag, "Last-Modified": record.last_modified},
        fetched_at=now.fetched_at if now else record.fetched_at,
        request_key=record.request_key,
        is_unmodified=now is not None or record.is_unmodified,
    )


def _unread(key: str, answer: FetchedResponse) -> SourceResponse:
    return SourceResponse(
        url=answer.url,
        status=answer.status,
        content_type=answer.content_type,
        body=b"",
        headers=answer.headers,
        fetched_at=answer.fetched_at,
        request_key=key,
        is_unmodified=True,
    )
