"""Crawls of competitors: run, dry run, replay, and the preview of one page."""

from dataclasses import dataclass, replace

from django.utils import timezone

from competitors.ingest.crawling.errors import CrawlStopped
from competitors.ingest.crawling.jobs import CrawledPage, CrawlEnd, CrawlJob, RobotsReport
from competitors.ingest.crawling.process import run_crawl
from competitors.ingest.crawling.source import CrawlReport
from competitors.ingest.offers import ExtractedOffer, Page
from competitors.ingest.platforms.registry import find_platform
from competitors.ingest.records import SOURCE_PREFIX
from competitors.models import Competitor
from competitors.pipelines import OFFERS, reporting_pipeline
from competitors.selectors.competitors import crawl_job, get_competitor, is_crawl_due
from competitors.services.crawl_status import record_failed_crawl, record_good_crawl
from config.errors import CultivarError
from mlops.models import Run
from mlops.pipelines.dry_run import DryRun, dry_run_source
from mlops.pipelines.errors import RecordRejected, SourceBusy
from mlops.pipelines.runner import process_again, run_source

_PREVIEW_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record from which no offer can be read, with field and reason."""

    external_id: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePreview:
    """
    What a crawl would read from the first page of a menu that has records.

    page: as received; None: there was none. problem: why a crawl would fail; "" if it would not.
    """

    page: CrawledPage | None
    offers: tuple[ExtractedOffer, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    robots: RobotsReport | None = None
    problem: str = ""


def crawl_due(code: str) -> Run | None:
    """
    Crawl a competitor unless that has been done since it was due, or is being done.

    Raises the error of a failed crawl after it has been recorded.
    """
    if not is_crawl_due(code, timezone.now()):
        return None
    try:
        return crawl(code)
    except SourceBusy:
        return None


def crawl(
    code: str, *, limit: int | None = None, accept: bool = False, full_refresh: bool = False
) -> Run:
    """
    Crawl a competitor, save its offers and record the state of its crawls; return the run.

    limit: stop after this number of records. accept: a person has confirmed large changes.
    full_refresh: request and process unchanged pages as well. Raises SourceBusy, and the error of a
    failed crawl after it has been recorded. Safe to repeat.
    """
    report = CrawlReport()
    try:
        run = run_source(
            reporting_pipeline(report),
            code=f"{SOURCE_PREFIX}{code}",
            limit=limit,
            accept=accept,
            full_refresh=full_refresh,
        )
    except SourceBusy:
        raise
    except CultivarError as error:
        record_failed_crawl(code=code, report=report, error=error, now=timezone.now())
        raise
    record_good_crawl(code=code, report=report, now=timezone.now(), is_partial=limit is not None)
    return run


def dry_run(code: str, *, limit: int | None = None) -> DryRun:
    """Do everything that `crawl` does, without keeping anything. Raises as `crawl`."""
    return dry_run_source(OFFERS, code=f"{SOURCE_PREFIX}{code}", limit=limit)


def replay(run: Run) -> Run:
    """Read the landed pages of a crawl again by today's parser; return the new run."""
    return process_again(OFFERS, run)


def preview_page(code: str) -> PagePreview:
    """Fetch and read one page of a competitor, as a crawl does. Writes nothing."""
    return preview_menu(get_competitor(code))


def preview_menu(competitor: Competitor) -> PagePreview:
    """The same for a competitor that need not have been saved."""
    page: CrawledPage | None = None
    robots: RobotsReport | None = None
    problem = ""
    try:
        for message in run_crawl(_preview_job(competitor)):
            match message:
                case CrawledPage():
                    page = message
                case RobotsReport():
                    robots = message
                case CrawlEnd(failure=failure) if failure:
                    problem = failure.reason
    except CrawlStopped as error:
        problem = str(error)
    if page is None:
        return PagePreview(page=None, robots=robots, problem=problem)
    offers, refusals = _read(competitor, page) if not problem else ((), ())
    return PagePreview(page=page, offers=offers, refusals=refusals, robots=robots, problem=problem)


def _preview_job(competitor: Competitor) -> CrawlJob:
    """Return a crawl of the first page with records, short enough for a person to wait."""
    return replace(
        crawl_job(competitor),
        max_records=1,
        max_retries=0,
        max_seconds=_PREVIEW_SECONDS,
        timeout_seconds=_PREVIEW_SECONDS / 2,
    )


def _read(
    competitor: Competitor, page: CrawledPage
) -> tuple[tuple[ExtractedOffer, ...], tuple[Refusal, ...]]:
    platform = find_platform(competitor.platform)
    received = Page(
        request=page.request,
        url=page.url,
        status=page.status,
        content_type=page.content_type,
        body=page.body,
    )
    shop = crawl_job(competitor).shops[page.shop_index]
    offers: list[ExtractedOffer] = []
    refusals: list[Refusal] = []
    for record in platform.read_page(received, shop).records:
        try:
            offers.append(platform.read_record(record))
        except RecordRejected as rejection:
            refusals.append(Refusal(record.external_id, rejection.field, rejection.reason))
    return tuple(offers), tuple(refusals)
