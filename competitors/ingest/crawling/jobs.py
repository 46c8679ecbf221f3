"""Value types of a crawl: its job, the pages it hands back, and its report."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from competitors.ingest.offers import PageRequest, ShopAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPage:
    """A page that an earlier crawl, or this one before it was interrupted, has landed."""

    url: str
    status: int
    content_type: str
    content_hash: str
    fetched_at: datetime
    etag: str = ""
    last_modified: str = ""
    is_unmodified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlJob:
    """
    What to crawl and within which limits.

    shops: one for each location. delay_seconds: shortest time from one request to the next.
    max_seconds: for the whole crawl; timeout_seconds: for one response. max_page_bytes: after
    decompression. max_records: None: the whole menu. usual_offers: None: not known yet. landed:
    pages of this run, by request key, which are not fetched again. previous: pages of the last good
    crawl, which are requested conditionally. previous_robots: its robots.txt files, by origin.
    """

    platform: str
    shops: tuple[ShopAddress, ...]
    user_agent: str
    delay_seconds: float
    max_pages: int
    max_seconds: float
    timeout_seconds: float = 30
    max_page_bytes: int = 16 * 2**20
    max_retries: int = 2
    max_retry_after_seconds: float = 120
    max_records: int | None = None
    usual_offers: int | None = None
    landed: Mapping[str, KnownPage] = field(default_factory=dict)
    previous: Mapping[str, KnownPage] = field(default_factory=dict)
    previous_robots: Mapping[str, KnownPage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawledPage:
    """
    A page as received; shop_index: of its location in the job.

    body: decompressed. is_unmodified: the shop answered 304 Not Modified; the body is that of the
    last good crawl.
    """

    shop_index: int
    request: PageRequest
    url: str
    status: int
    content_type: str
    body: bytes
    fetched_at: datetime
    etag: str = ""
    last_modified: str = ""
    is_unmodified: bool = False

    @property
    def request_key(self) -> str:
        """sha256 of the request."""
        return request_key(self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsReport:
    """Whether the robots.txt of an origin allows the menu, and when it was read."""

    origin: str
    is_allowed: bool
    reason: str
    read_at: datetime
    crawl_delay_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsPage:
    """The robots.txt of an origin as received."""

    origin: str
    status: int
    content_type: str
    body: bytes
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorResult:
    """Result of a Spidermon monitor. reason: why it failed; empty: it passed."""

    name: str
    reason: str = ""

    @property
    def has_passed(self) -> bool:
        """Whether the monitor found nothing."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlFailure:
    """Why a crawl ended early. code: that of the error that the crawl raises."""

    code: str
    reason: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlEnd:
    """Last message of a crawl: counts by name, results of the monitors, and a failure if any."""

    stats: Mapping[str, int]
    monitors: tuple[MonitorResult, ...]
    failure: CrawlFailure | None


def request_key(request: PageRequest) -> str:
    """Return the sha256 of method, address and body of a request."""
    values: list[Any] = [request.method, request.url, request.body]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
