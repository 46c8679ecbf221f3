"""The spider of all platforms: requests the pages of a menu and hands each back as received."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO

import structlog
from scrapy import Request, Spider
from scrapy.exceptions import (
    CannotResolveHostError,
    CloseSpider,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response
from twisted.python.failure import Failure

from competitors.ingest.block_pages import Block, find_block
from competitors.ingest.crawling.errors import (
    CrawlBlocked,
    CrawlFailed,
    CrawlStopped,
    CrawlUnsafe,
    MenuBroken,
    MenuIncomplete,
    ShopUnavailable,
)
from competitors.ingest.crawling.jobs import (
    CrawledPage,
    CrawlEnd,
    CrawlFailure,
    CrawlJob,
    MonitorResult,
    request_key,
)
from competitors.ingest.crawling.messages import Message, write_message
from competitors.ingest.crawling.statistics import RECORDS, REJECTED, SAMPLED
from competitors.ingest.offers import ExtractedOffer, MenuPage, Page, PageRequest
from competitors.ingest.platforms.registry import find_platform
from config.clients.address_guard import AddressRefused
from mlops.pipelines.errors import RecordRejected, SourceBroken

log = structlog.get_logger(__name__)
KEY = "request_key"
_SHOP = "shop_index"
_REQUEST = "page_request"
_UNAVAILABLE_KINDS = frozenset({"maintenance", "server_error"})
_BROKEN_KINDS = frozenset({"not_found", "empty"})
_SAMPLE_SIZE = 20
"""Records of a page that are read for the monitors; all are read when the run is processed."""
_MIN_SHARE_OF_STATED = 0.9
"""Menus change while they are read: a few items less than stated are normal."""


@dataclass(slots=True)
class _Menu:
    """Progress of the menu of one location."""

    keys: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    items: int = 0
    stated_count: int | None = None


class MenuSpider(Spider):
    """
    Crawls the menus of a job; every page is sent to the parent process before it is read.

    The first failure ends the crawl: a menu that is not read to its end says nothing about what is
    missing from it.
    """

    name = "menu"

    def __init__(self, *, job: CrawlJob, stream: BinaryIO, **options: Any) -> None:
        super().__init__(**options)
        self.job = job
        self.failure: CrawlFailure | None = None
        self.monitor_results: tuple[MonitorResult, ...] = ()
        self._stream = stream
        self._platform = find_platform(job.platform)
        self._menus = [_Menu() for _ in job.shops]
        self._counts = Counter[str]()

    def send(self, message: Message) -> None:
        """Hand a message to the parent process; blocks while the parent is behind."""
        write_message(self._stream, message)

    async def start(self) -> AsyncIterator[Any]:
        """Request the first pages of each location, one location after the other."""
        try:
            for index, shop in enumerate(self.job.shops):
                for request in self._platform.first_requests(shop):
                    for scheduled in self._schedule(index, request):
                        yield scheduled
        except ValueError as error:
            self._fail(MenuBroken(f"Settings of the competitor: {error}."))
        except CrawlFailed as error:
            self._fail(error)

    def read(self, response: Response) -> Iterator[Request]:
        """Send a page on, read it, and request the pages that follow."""
        page = self._page(response)
        self.send(page)
        self._counts["pages"] += 1
        self._counts["unmodified pages"] += page.is_unmodified
        try:
            yield from self._read(page, response)
        except CrawlFailed as error:
            raise self._stop(error) from None

    def fail(self, failure: Failure) -> None:
        """End the crawl after a request without a usable response."""
        request: Request = failure.request  # type: ignore[attr-defined]  # set by Scrapy
        raise self._stop(_error_of(failure.value, _without_query(request.url), self.job)) from None

    def closed(self, reason: str) -> None:
        """Judge whether the crawl was complete; called by Scrapy before the monitors run."""
        if self.failure is None:
            try:
                self._check_completeness(reason)
            except CrawlFailed as error:
                self._fail(error)

    def end(self) -> CrawlEnd:
        """Return the last message of the crawl; after the monitors have run."""
        stats = self.crawler.stats.get_stats() if self.crawler.stats else {}
        statuses = {
            f"status {name.rpartition('/')[2]}": value
            for name, value in stats.items()
            if name.startswith("downloader/response_status_count/")
        }
        counts = {
            "requests": stats.get("downloader/request_count", 0),
            "retries": stats.get("retry/count", 0),
            "response bytes": stats.get("downloader/response_bytes", 0),
            **statuses,
            **self._counts,
        }
        return CrawlEnd(stats=counts, monitors=self.monitor_results, failure=self.failure)

    def _schedule(self, index: int, request: PageRequest) -> Iterator[Request]:
        """Yield a request unless its page has been requested. Raises MenuIncomplete."""
        menu = self._menus[index]
        if request.key in menu.keys:
            return
        menu.keys.add(request.key)
        self._counts["requested pages"] += 1
        if self._counts["requested pages"] > self.job.max_pages:
            raise MenuIncomplete(f"The menu has more than {self.job.max_pages} pages.")
        yield Request(
            request.url,
            method=request.method,
            headers=dict(request.headers),
            body=request.body,
            callback=self.read,
            errback=self.fail,
            dont_filter=True,
            meta={_SHOP: index, _REQUEST: request, KEY: request_key(request)},
        )

    def _page(self, response: Response) -> CrawledPage:
        meta = response.meta

        def header(name: str) -> str:
            return (response.headers.get(name) or b"").decode("latin-1")

        return CrawledPage(
            shop_index=meta[_SHOP],
            request=meta[_REQUEST],
            url=response.url,
            status=response.status,
            content_type=header("Content-Type"),
            body=response.body,
            fetched_at=datetime.now(UTC),
            etag=header("ETag"),
            last_modified=header("Last-Modified"),
            is_unmodified="unmodified" in response.flags,
        )

    def _read(self, page: CrawledPage, response: Response) -> Iterator[Request]:
        headers = {
            name.decode("latin-1"): b", ".join(values).decode("latin-1")
            for name, values in response.headers.items()
        }
        block = find_block(page.status, page.content_type, page.body, headers)
        if block is not None:
            raise _block_error(block, _without_query(page.url), response)
        menu_page = self._read_menu(page)
        menu = self._menus[page.shop_index]
        new_ids = {record.external_id for record in menu_page.records} - menu.ids
        if menu_page.records and not new_ids and menu_page.next_requests:
            raise MenuIncomplete(
                f"{_without_query(page.url)} repeats items of earlier pages: paging has no end."
            )
        menu.ids |= new_ids
        menu.items += menu_page.items
        if menu_page.stated_count is not None:
            menu.stated_count = menu_page.stated_count
        self._count_offers(menu_page)
        if self.job.max_records is not None and self._counts["records"] >= self.job.max_records:
            raise CloseSpider("limit")
        for request in menu_page.next_requests:
            yield from self._schedule(page.shop_index, request)

    def _read_menu(self, page: CrawledPage) -> MenuPage:
        received = Page(
            request=page.request,
            url=page.url,
            status=page.status,
            content_type=page.content_type,
            body=page.body,
        )
        try:
            return self._platform.read_page(received, self.job.shops[page.shop_index])
        except SourceBroken as error:
            raise MenuBroken(f"{_without_query(page.url)}: {error}") from error

    def _count_offers(self, menu_page: MenuPage) -> None:
        """
        Count records, and which fields a sample of them has, under the names of Spidermon.

        One increment for a page instead of an item for each offer, which would take Scrapy longer
        than the page.
        """
        records = menu_page.records
        sample = records[:: max(1, len(records) // _SAMPLE_SIZE)]
        fields = Counter[str]()
        accepted = 0
        for record in sample:
            try:
                offer = self._platform.read_record(record)
            except RecordRejected:
                continue
            accepted += 1
            fields.update(name for name, value in _monitored_fields(offer).items() if value)
        self._counts["records"] += len(records)
        stats: Any = self.crawler.stats
        stats.inc_value(RECORDS, len(records))
        stats.inc_value(SAMPLED, len(sample))
        stats.inc_value(REJECTED, len(sample) - accepted)
        stats.inc_value("spidermon_item_scraped_count", accepted)
        stats.inc_value("spidermon_item_scraped_count/dict", accepted)
        for name, count in fields.items():
            stats.inc_value(f"spidermon_item_scraped_count/dict/{name}", count)

    def _check_completeness(self, reason: str) -> None:
        if not self.job.shops:
            raise MenuIncomplete("No location of the competitor is enabled.")
        if reason == "limit" or self.job.max_records is not None:
            return
        if reason == "closespider_timeout":
            raise MenuIncomplete(f"The crawl took more than {self.job.max_seconds:g} seconds.")
        if reason == "shutdown":
            raise CrawlStopped("The crawl was stopped.")
        if reason != "finished":
            raise MenuIncomplete(f"The crawl ended early: {reason}.")
        if not self._counts["records"]:
            raise MenuIncomplete("The menu has no items.")
        for menu, shop in zip(self._menus, self.job.shops, strict=True):
            if menu.stated_count and menu.items < _MIN_SHARE_OF_STATED * menu.stated_count:
                location = f" of the location {shop.location}" if shop.location else ""
                raise MenuIncomplete(
                    f"The menu{location} states {menu.stated_count} items,"
                    f" but has {menu.items} on its pages."
                )

    def _stop(self, error: CrawlFailed) -> CloseSpider:
        self._fail(error)
        return CloseSpider("failed")

    def _fail(self, error: CrawlFailed) -> None:
        if self.failure is None:
            self.failure = CrawlFailure(
                code=error.code,
                reason=str(error),
                retry_after_seconds=error.retry_after_seconds,
            )


def _without_query(url: str) -> str:
    """Return a URL for messages: a query may hold a key."""
    return url.partition("?")[0]


def _monitored_fields(offer: ExtractedOffer) -> dict[str, Any]:
    return {
        "name": offer.name,
        "brand": offer.brand,
        "category": offer.category,
        "size": offer.size,
        "price": offer.regular_price or offer.sale_price,
    }


def _block_error(block: Block, url: str, response: Response) -> CrawlFailed:
    from competitors.ingest.crawling.middlewares import retry_after_seconds

    reason = f"{url}: {block.reason}."
    if block.kind in _BROKEN_KINDS:
        return MenuBroken(reason)
    kind = ShopUnavailable if block.kind in _UNAVAILABLE_KINDS else CrawlBlocked
    return kind(reason, retry_after_seconds=retry_after_seconds(response))


# Errors of Scrapy, with the errors that they mean and their messages.
_DOWNLOAD_ERRORS: tuple[tuple[type[Exception], type[CrawlFailed], str], ...] = (
    (DownloadTimeoutError, ShopUnavailable, "took more than {job.timeout_seconds:g} seconds"),
    (DownloadCancelledError, MenuBroken, "sends more than {job.max_page_bytes} bytes"),
    (ResponseDataLossError, ShopUnavailable, "ended early"),
    (DownloadConnectionRefusedError, ShopUnavailable, "refuses connections"),
    (CannotResolveHostError, ShopUnavailable, "has an unknown host"),
)


def _error_of(error: BaseException | None, url: str, job: CrawlJob) -> CrawlFailed:
    """Return the error of a crawl for an error that Scrapy reports of a request."""
    if isinstance(error, CrawlFailed):
        return error
    if isinstance(error, AddressRefused):
        return CrawlUnsafe(f"{url} {error.reason}.")
    if isinstance(error, IgnoreRequest):
        return MenuBroken(f"{url}: {_ignore_reason(error, job)}.")
    for kind, crawl_error, reason in _DOWNLOAD_ERRORS:
        if isinstance(error, kind):
            return crawl_error(f"{url} {reason.format(job=job)}.")
    log.warning("crawl.request_failed", url=url, error_type=type(error).__name__)
    return ShopUnavailable(f"{url} failed: {type(error).__name__}.")


def _ignore_reason(error: IgnoreRequest, job: CrawlJob) -> str:
    text = str(error)
    if "DOWNLOAD_MAXSIZE" in text:
        return f"more than {job.max_page_bytes} bytes after decompression"
    return text or "the request was ignored"
