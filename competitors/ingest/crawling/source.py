"""A competitor as a source of a pipeline: crawls its menus and parses the landed pages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.utils import timezone
from pydantic import TypeAdapter

from competitors.ingest.crawling.errors import ERRORS, CrawlStopped, MenuBroken
from competitors.ingest.crawling.jobs import (
    CrawledPage,
    CrawlEnd,
    CrawlJob,
    KnownPage,
    RobotsPage,
    RobotsReport,
)
from competitors.ingest.crawling.process import run_crawl
from competitors.ingest.offers import OfferRecord, Page, PageRequest, ShopAddress
from competitors.ingest.platforms.registry import find_platform
from competitors.ingest.records import MenuRecord
from mlops.models import RawRecord
from mlops.pipelines.definitions import RawResponse, SourceAccess
from mlops.pipelines.landing import LandedResponses

PAGE = "page"
REQUEST = "request"
ROBOTS = "robots"
"""Roles in a bundle: a page as received, its request if it is a POST, robots.txt of an origin."""
_MAX_BUNDLE_LENGTH = 100
_OK = 200
_REQUESTS = TypeAdapter(PageRequest)


@dataclass(slots=True)
class CrawlReport:
    """Report of a crawl besides its pages; filled while it runs. started_at: when it was made."""

    started_at: datetime = field(default_factory=timezone.now)
    robots: list[RobotsReport] = field(default_factory=list)
    end: CrawlEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlClient:
    """Client of a competitor's source in one run: the pages landed before, and the report."""

    landed: LandedResponses
    report: CrawlReport


@contextmanager
def open_crawl_client(
    _access: SourceAccess, *, landed: LandedResponses, report: CrawlReport | None = None
) -> Iterator[CrawlClient]:
    """Return the client of one run."""
    yield CrawlClient(landed=landed, report=report or CrawlReport())


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetitorSource:
    """
    The menus of a competitor.

    code: "competitor:" and its own code. job: what to crawl, without the pages of earlier crawls.
    """

    code: str
    label: str
    job: CrawlJob
    language: str = ""
    is_tax_included: bool | None = None

    @property
    def base_url(self) -> str:
        """Address of the first location."""
        return self.job.shops[0].base_url if self.job.shops else ""

    def fetch(self, client: CrawlClient, *, limit: int | None) -> Iterator[RawResponse]:
        """Crawl, and yield each page before it is read. Raises CrawlFailed after the last one."""
        job = replace(
            self.job,
            max_records=limit,
            landed=_known_pages(client.landed.all_in_this_run()),
            previous=_known_pages(client.landed.all_conditional_in_last_run()),
            previous_robots={
                record.url.removesuffix("/robots.txt"): _known_page(record)
                for record in client.landed.all_with_role_in_last_run(ROBOTS)
            },
        )
        for message in run_crawl(job):
            match message:
                case CrawledPage():
                    yield from self._responses(message)
                case RobotsPage():
                    yield _robots_response(message)
                case RobotsReport():
                    client.report.robots.append(message)
                case CrawlEnd():
                    client.report.end = message
        end = client.report.end
        if end is not None and end.failure is not None:
            error = ERRORS.get(end.failure.code, CrawlStopped)
            raise error(end.failure.reason, retry_after_seconds=end.failure.retry_after_seconds)

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[MenuRecord]:
        """Read the records of a landed page. Raises SourceBroken: not a menu."""
        by_role = {response.role: response for response in bundle}
        if PAGE not in by_role:
            return
        response = by_role[PAGE]
        location, _, key = response.bundle.rpartition("/")
        request = (
            _REQUESTS.validate_json(by_role[REQUEST].body)
            if REQUEST in by_role
            else PageRequest(key=key, url=response.url)
        )
        platform = find_platform(self.job.platform)
        page = Page(
            request=request,
            url=response.url,
            status=response.status,
            content_type=response.content_type,
            body=response.body,
        )
        capture_hash = sha256(response.body).hexdigest()
        for record in platform.read_page(page, self._shop(location)).records:
            yield MenuRecord(
                record=record,
                platform=platform,
                source=self.code,
                location=location,
                language=self.language,
                is_tax_included=self.is_tax_included,
                capture_hash=capture_hash,
                observed_at=response.fetched_at,
            )

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[MenuRecord]:
        """Return the record of a quarantined payload."""
        yield MenuRecord(
            record=OfferRecord(external_id=payload["external_id"], payload=payload["item"]),
            platform=find_platform(self.job.platform),
            source=self.code,
            location=payload["location"],
            language=self.language,
            is_tax_included=self.is_tax_included,
        )

    def _responses(self, page: CrawledPage) -> Iterator[RawResponse]:
        bundle = f"{self.job.shops[page.shop_index].location}/{page.request.key}"
        if len(bundle) > _MAX_BUNDLE_LENGTH or "/" in page.request.key:
            raise MenuBroken(f"The name of the page {bundle} is too long or contains a slash.")
        if page.request.method != "GET" or page.request.body:
            # Without headers, which may hold keys.
            request = replace(page.request, headers={})
            yield RawResponse(
                bundle=bundle,
                role=REQUEST,
                url=page.request.url,
                status=_OK,
                content_type="application/json",
                body=_REQUESTS.dump_json(request),
                fetched_at=page.fetched_at,
            )
        yield RawResponse(
            bundle=bundle,
            role=PAGE,
            url=page.url,
            status=page.status,
            content_type=page.content_type,
            body=page.body,
            fetched_at=page.fetched_at,
            request_key=page.request_key,
            etag=page.etag,
            last_modified=page.last_modified,
            is_unmodified=page.is_unmodified,
        )

    def _shop(self, location: str) -> ShopAddress:
        """Return the address of a location; of one that is no longer crawled, a similar one."""
        for shop in self.job.shops:
            if shop.location == location:
                return shop
        return ShopAddress(base_url=self.base_url, location=location)


def _known_pages(records: Iterator[RawRecord]) -> dict[str, KnownPage]:
    """Return pages by request key; without error pages, which are requested again."""
    return {record.request_key: _known_page(record) for record in records if record.status == _OK}


def _known_page(record: RawRecord) -> KnownPage:
    return KnownPage(
        url=record.url,
        status=record.status,
        content_type=record.content_type,
        content_hash=record.content_hash,
        fetched_at=record.fetched_at,
        etag=record.etag,
        last_modified=record.last_modified,
        is_unmodified=record.is_unmodified,
    )


def _robots_response(page: RobotsPage) -> RawResponse:
    url = f"{page.origin}/robots.txt"
    return RawResponse(
        # Without a slash: the part before it would be a location.
        bundle=f"robots {sha256(page.origin.encode()).hexdigest()[:16]}",
        role=ROBOTS,
        url=url,
        status=page.status,
        content_type=page.content_type,
        body=page.body,
        fetched_at=page.fetched_at,
    )
