"""Competitors: rows, due crawls, and what a crawl needs to know of them."""

from datetime import datetime

from django.conf import settings
from django.db.models import Q, QuerySet

from competitors.crawl_windows import is_open
from competitors.ingest.crawling.jobs import CrawlJob
from competitors.ingest.crawling.source import CompetitorSource
from competitors.ingest.offers import ShopAddress
from competitors.ingest.records import SOURCE_PREFIX
from competitors.models import Competitor, CrawlStatus
from competitors.reference.time_zones import TIME_ZONES
from mlops.pipelines.definitions import SourceAccess


def all_competitors() -> QuerySet[Competitor]:
    """Return all competitors, by name."""
    return Competitor.objects.order_by("name")


def competitors_like(text: str, *, limit: int) -> list[Competitor]:
    """Return the competitors whose name or code contains a text, by name."""
    is_like = Q(name__icontains=text) | Q(code__icontains=text)
    return list(all_competitors().filter(is_like)[:limit])


def get_competitor(code: str) -> Competitor:
    """Return a competitor. Raises Competitor.DoesNotExist."""
    return Competitor.objects.get(code=code)


def competitor_of_source(source: str) -> Competitor:
    """Return the competitor of a run's source. Raises Competitor.DoesNotExist."""
    return get_competitor(source.removeprefix(SOURCE_PREFIX))


def due_competitors(now: datetime) -> list[Competitor]:
    """
    Return the enabled competitors whose next crawl is due, within their crawl windows.

    Paused ones are never due.
    """
    is_due = Q(next_crawl_at=None) | Q(next_crawl_at__lte=now)
    due = all_competitors().filter(is_due, is_enabled=True).exclude(status=CrawlStatus.PAUSED)
    return [competitor for competitor in due if _is_window_open(competitor, now)]


def is_crawl_due(code: str, now: datetime) -> bool:
    """Return whether a competitor is due; False for one that was deleted."""
    return any(competitor.code == code for competitor in due_competitors(now))


def _is_window_open(competitor: Competitor, now: datetime) -> bool:
    return is_open(
        now,
        start=competitor.crawl_from,
        end=competitor.crawl_until,
        zone=TIME_ZONES[competitor.province],
    )


def competitor_source(source: str) -> CompetitorSource:
    """
    Return the menus of a competitor as a source of a pipeline.

    Raises KeyError: unknown competitor; TokenRefused: the API key cannot be decrypted.
    """
    try:
        competitor = competitor_of_source(source)
    except Competitor.DoesNotExist:
        raise KeyError(source) from None
    return CompetitorSource(
        code=source,
        label=competitor.name,
        job=crawl_job(competitor),
        language=competitor.language,
        is_tax_included=competitor.is_tax_included,
    )


def reading_settings(source: str) -> tuple[object, ...]:
    """Return the settings of a competitor by which offers are read: language, tax, provinces."""
    competitor = competitor_of_source(source)
    provinces = competitor.locations.order_by("platform_id").values_list("platform_id", "province")
    return (
        competitor.language,
        competitor.is_tax_included,
        competitor.province,
        *provinces,
    )


def crawl_job(competitor: Competitor) -> CrawlJob:
    """Return what to crawl of a competitor. Raises TokenRefused."""
    return CrawlJob(
        platform=competitor.platform,
        shops=shop_addresses(competitor),
        user_agent=settings.CRAWL_USER_AGENT,
        delay_seconds=60 / competitor.requests_per_minute,
        max_pages=competitor.max_pages,
        max_seconds=settings.CRAWL_MAX_SECONDS,
        timeout_seconds=settings.CRAWL_TIMEOUT_SECONDS,
        max_page_bytes=settings.CRAWL_MAX_PAGE_BYTES,
        max_retries=settings.CRAWL_MAX_RETRIES,
        usual_offers=competitor.usual_offers,
    )


def shop_addresses(competitor: Competitor) -> tuple[ShopAddress, ...]:
    """Return the menus of a competitor: one for each enabled location, or the only one."""
    locations = list(competitor.locations.all())
    platform_ids = [location.platform_id for location in locations if location.is_enabled]
    return tuple(
        ShopAddress(
            base_url=competitor.base_url,
            location=platform_id,
            options=competitor.options,
            api_key=competitor.api_key,
        )
        for platform_id in (platform_ids if locations else [""])
    )


def source_access(source: str) -> SourceAccess:
    """Return the access settings of a competitor: its address; requests are paced by the crawl."""
    return SourceAccess(base_url=competitor_of_source(source).base_url)
