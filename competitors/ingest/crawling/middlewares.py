"""Downloader middlewares of a crawl: robots.txt, polite retries, conditional requests."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.core.exceptions import SuspiciousOperation
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.response import response_status_message

from competitors.ingest.crawling.errors import CrawlFailed, RobotsDisallowed, ShopUnavailable
from competitors.ingest.crawling.jobs import CrawlJob, KnownPage, RobotsPage, RobotsReport
from competitors.ingest.crawling.spider import KEY, MenuSpider
from competitors.ingest.robots import (
    MAX_ROBOTS_BYTES,
    RobotsDecision,
    RobotsState,
    read_robots,
    with_last_good,
)
from config.clients.address_guard import AddressRefused
from mlops.pipelines.contents import read_content

log = structlog.get_logger(__name__)
_ROBOTS = "is_robots"
_NOT_MODIFIED = 304
_MAX_BACKOFF_SECONDS = 30.0
UNMODIFIED = "unmodified"
"""Flag of a response whose body is that of the last good crawl."""
LANDED = "landed"
"""Flag of a response that this run had landed before it was interrupted."""


class RobotsMiddleware:
    """
    Requests only what the robots.txt of each host allows, no faster than its Crawl-delay.

    The file is fetched first, once for each origin; the decision is sent to the parent process.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._decisions: dict[str, asyncio.Future[RobotsDecision]] = {}
        self._reported: set[tuple[str, bool]] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "RobotsMiddleware":
        """Create the middleware; called by Scrapy."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Wait for robots.txt. Raises RobotsDisallowed; ShopUnavailable: it has no answer."""
        if request.meta.get(_ROBOTS):
            return
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._decisions:
            self._decisions[origin] = asyncio.ensure_future(self._decide(origin))
        decision = await self._decisions[origin]
        problem = _robots_problem(decision, request.url, datetime.now(UTC))
        self._report(origin, decision, problem)
        if problem is not None:
            raise problem

    def _report(self, origin: str, decision: RobotsDecision, problem: CrawlFailed | None) -> None:
        """Send the decision to the parent process, once for each outcome."""
        is_allowed = problem is None
        if (origin, is_allowed) in self._reported:
            return
        self._reported.add((origin, is_allowed))
        self._spider.send(
            RobotsReport(
                origin=origin,
                is_allowed=is_allowed,
                reason=decision.reason,
                crawl_delay_seconds=decision.crawl_delay_seconds,
                read_at=datetime.now(UTC),
            )
        )

    async def _decide(self, origin: str) -> RobotsDecision:
        decision = self._with_last_good(origin, await self._fetch(origin))
        self._slow_down(origin, decision)
        return decision

    async def _fetch(self, origin: str) -> RobotsDecision:
        request = Request(
            f"{origin}/robots.txt",
            callback=NO_CALLBACK,
            # A separate slot: that of the host is created with the delay of the file.
            meta={_ROBOTS: True, "download_slot": f"robots {origin}"},
            dont_filter=True,
        )
        engine: Any = self._crawler.engine
        try:
            response = await engine.download_async(request)
        except AddressRefused:
            raise
        except Exception as error:
            # Whatever prevented the answer, nothing is requested without it.
            log.info("robots.not_read", origin=origin, error_type=type(error).__name__)
            return read_robots(b"", None)
        content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
        body = response.body[: MAX_ROBOTS_BYTES + 1]
        self._spider.send(
            RobotsPage(
                origin=origin,
                status=response.status,
                content_type=content_type,
                body=body,
                fetched_at=datetime.now(UTC),
            )
        )
        return read_robots(body, response.status, content_type)

    def _with_last_good(self, origin: str, decision: RobotsDecision) -> RobotsDecision:
        """Return the decision in force: that of the last good crawl where there is none now."""
        previous = self._spider.job.previous_robots.get(origin)
        body = _stored(previous) if previous else None
        if previous is None or body is None:
            return decision
        return with_last_good(
            decision,
            read_robots(body, previous.status, previous.content_type),
            read_at=previous.fetched_at,
            now=datetime.now(UTC),
        )

    def _slow_down(self, origin: str, decision: RobotsDecision) -> None:
        delay = max(self._spider.job.delay_seconds, decision.crawl_delay_seconds or 0)
        engine: Any = self._crawler.engine
        slot = {"delay": delay, "concurrency": 1, "jitter": 0}
        engine.downloader.per_slot_settings[urlsplit(origin).hostname or ""] = slot
        throttle = self._crawler.get_extension(AutoThrottle)
        if throttle is not None:
            throttle.mindelay = max(throttle.mindelay, delay)
            throttle.maxdelay = max(throttle.maxdelay, delay)

    @property
    def _spider(self) -> MenuSpider:
        return _menu_spider(self._crawler)


class PoliteRetryMiddleware(RetryMiddleware):
    """
    Repeats failed requests a few times, after a growing pause with jitter or after Retry-After.

    While one request waits, the others wait too: the crawl sends one request at a time.
    """

    async def process_response(  # type: ignore[override]  # Scrapy awaits it
        self,
        request: Request,
        response: Response,
        spider: Any = None,  # noqa: ARG002  # a parameter of the overridden method
    ) -> Request | Response:
        """Repeat the request after some statuses, unless the shop asks for a long pause."""
        if response.status not in self.retry_http_codes:
            return response
        seconds = retry_after_seconds(response)
        if seconds is not None and seconds > self._job.max_retry_after_seconds:
            return response
        retry = self._retry(request, response_status_message(response.status))
        if retry is None:
            return response
        await asyncio.sleep(_backoff_seconds(retry) if seconds is None else seconds)
        return retry

    async def process_exception(  # type: ignore[override]  # Scrapy awaits it
        self,
        request: Request,
        exception: Exception,
        spider: Any = None,  # noqa: ARG002  # a parameter of the overridden method
    ) -> Request | None:
        """Repeat the request after errors of the network."""
        if not isinstance(exception, self.exceptions_to_retry):
            return None
        retry = self._retry(request, exception)
        if retry is not None:
            await asyncio.sleep(_backoff_seconds(retry))
        return retry

    @property
    def _job(self) -> CrawlJob:
        return _menu_spider(self.crawler).job


class LandedPagesMiddleware:
    """
    HTTP cache on the pages that have landed.

    A page that this run landed before it was interrupted is not requested again. A page of the last
    good crawl is requested conditionally; after 304 its stored bytes are used.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "LandedPagesMiddleware":
        """Create the middleware; called by Scrapy."""
        return cls(crawler)

    def process_request(self, request: Request) -> Response | None:
        """Return the stored page, or add the headers of a conditional request."""
        spider = self._crawler.spider
        key = request.meta.get(KEY)
        if not isinstance(spider, MenuSpider) or key is None:
            return None
        if (landed := spider.job.landed.get(key)) and (body := _stored(landed)) is not None:
            flags = [LANDED, *([UNMODIFIED] if landed.is_unmodified else [])]
            return _response(request, landed, body, flags)
        previous = spider.job.previous.get(key)
        if previous is not None and "is_unconditional" not in request.meta:
            for name, value in _conditions(previous).items():
                request.headers[name] = value
        return None

    def process_response(self, request: Request, response: Response) -> Request | Response:
        """Use the stored page after 304 Not Modified; without one, request the page once more."""
        spider = self._crawler.spider
        if response.status != _NOT_MODIFIED or not isinstance(spider, MenuSpider):
            return response
        previous = spider.job.previous.get(request.meta.get(KEY, ""))
        body = _stored(previous) if previous else None
        if previous is not None and body is not None:
            return _response(request, previous, body, [UNMODIFIED])
        if "is_unconditional" in request.meta:
            return response  # asked again, it would answer so again
        retry = request.replace(dont_filter=True)
        retry.meta["is_unconditional"] = True
        for name in ("If-None-Match", "If-Modified-Since"):
            retry.headers.pop(name, None)
        return retry


def _menu_spider(crawler: Crawler) -> MenuSpider:
    spider = crawler.spider
    if not isinstance(spider, MenuSpider):
        raise TypeError("the middlewares serve the spider of menus alone")
    return spider


def _robots_problem(decision: RobotsDecision, url: str, now: datetime) -> CrawlFailed | None:
    """Return why a URL may not be requested; None: it may."""
    path = url.partition("?")[0]
    if not decision.allows(url):
        if decision.state == RobotsState.UNAVAILABLE:
            return ShopUnavailable(f"{path}: {decision.reason}.")
        if decision.state == RobotsState.RULES:
            return RobotsDisallowed(f"{path} is excluded: {decision.reason}.")
        return RobotsDisallowed(f"{path}: {decision.reason}.")
    if not decision.is_visit_time(now):
        return RobotsDisallowed(f"{path} may be visited at other times: {decision.reason}.")
    return None


def retry_after_seconds(response: Response) -> float | None:
    """Return how long a response asks to wait; None: it does not, or not readably."""
    value = (response.headers.get("Retry-After") or b"").decode("latin-1").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _backoff_seconds(retry: Request) -> float:
    retries: int = retry.meta["retry_times"]
    pause: float = min(_MAX_BACKOFF_SECONDS, 2.0**retries)
    return pause * random.uniform(0.5, 1)  # noqa: S311  # jitter, not a secret


def _conditions(page: KnownPage) -> dict[str, str]:
    headers = {"If-None-Match": page.etag, "If-Modified-Since": page.last_modified}
    return {name: value for name, value in headers.items() if value}


def _stored(page: KnownPage) -> bytes | None:
    """Return the stored bytes of a page; None when they are gone or damaged."""
    try:
        return read_content(page.content_hash)
    except (OSError, ValueError, SuspiciousOperation):
        return None


def _response(request: Request, page: KnownPage, body: bytes, flags: list[str]) -> Response:
    headers = {
        "Content-Type": page.content_type,
        "ETag": page.etag,
        "Last-Modified": page.last_modified,
        "Date": page.fetched_at.isoformat(),
    }
    return Response(
        page.url,
        status=page.status,
        headers={name: value for name, value in headers.items() if value},
        body=body,
        flags=flags,
        request=request,
    )
