"""Messages of the crawling process, and the values of a job."""

import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import TypeAdapter
from scrapy.http import Response

from competitors.ingest.crawling.jobs import (
    CrawledPage,
    CrawlEnd,
    CrawlFailure,
    CrawlJob,
    KnownPage,
    MonitorResult,
    RobotsReport,
    request_key,
)
from competitors.ingest.crawling.messages import (
    Message,
    StreamBroken,
    read_messages,
    write_message,
)
from competitors.ingest.crawling.middlewares import retry_after_seconds
from competitors.ingest.offers import PageRequest, ShopAddress

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
REQUEST = PageRequest(key="page-0001", url="https://shop.example/menu", headers={"A": "b"})
PAGE = CrawledPage(
    shop_index=1,
    request=REQUEST,
    url=REQUEST.url,
    status=200,
    content_type="application/json",
    body=b"\x00\xff\n{}",
    fetched_at=NOW,
)
MESSAGES: list[Message] = [
    RobotsReport(origin="https://shop.example", is_allowed=True, reason="all", read_at=NOW),
    PAGE,
    CrawlEnd(
        stats={"pages": 1},
        monitors=(MonitorResult(name="items", reason="none"),),
        failure=CrawlFailure(code="crawl_blocked", reason="challenge", retry_after_seconds=3),
    ),
]


def _stream() -> io.BytesIO:
    stream = io.BytesIO()
    for message in MESSAGES:
        write_message(stream, message)
    stream.seek(0)
    return stream


def test_messages_are_read_as_they_were_written() -> None:
    assert list(read_messages(_stream())) == MESSAGES


def test_stream_that_ends_within_a_message_is_broken() -> None:
    data = _stream().getvalue()

    for size in (len(data) - 1, 3):
        with pytest.raises(StreamBroken):
            list(read_messages(io.BytesIO(data[:size])))


def test_job_is_read_as_it_was_written() -> None:
    known = KnownPage(
        url="u", status=200, content_type="t", content_hash="h", fetched_at=NOW, etag='"1"'
    )
    job = CrawlJob(
        platform="weedmaps",
        shops=(ShopAddress(base_url="https://shop.example", options={"a": [1]}, api_key="k"),),
        user_agent="CultivarBot/1.0",
        delay_seconds=2,
        max_pages=5,
        max_seconds=60,
        previous={"key": known},
    )
    adapter = TypeAdapter(CrawlJob)

    assert adapter.validate_json(adapter.dump_json(job)) == job


def test_request_key_names_method_address_and_body_alone() -> None:
    other = PageRequest(key="page-0009", url=REQUEST.url, headers={"Authorization": "secret"})
    post = PageRequest(key="page-0001", url=REQUEST.url, method="POST", body="{}")

    assert request_key(other) == request_key(REQUEST)
    assert request_key(post) != request_key(REQUEST)


@pytest.mark.parametrize(
    ("value", "expected"), [("120", 120), ("", None), ("soon", None), ("-5", None)]
)
def test_retry_after_in_seconds(value: str, expected: float | None) -> None:
    response = Response("https://shop.example", headers={"Retry-After": value})

    assert retry_after_seconds(response) == expected


def test_retry_after_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    response = Response("https://shop.example", headers={"Retry-After": format_datetime(later)})

    assert retry_after_seconds(response) == pytest.approx(3_600, abs=5)
