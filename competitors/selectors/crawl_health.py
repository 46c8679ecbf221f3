"""Health of crawls: offers found, share of blocked crawls, last run, by competitor."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q, Value
from django.utils import timezone

from competitors.ingest.records import SOURCE_PREFIX, competitor_code
from competitors.models import Competitor, CompetitorOffer, CrawlStatus
from mlops.models import Run

_BLOCKED_DAYS = 30
_OVERDUE_PERIODS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlHealth:
    """
    Crawls of one competitor.

    offers: on sale now. crawls, failed: of the last 30 days.
    """

    offers: int = 0
    crawls: int = 0
    failed: int = 0
    last_crawl_at: datetime | None = None

    @property
    def failed_percent(self) -> int | None:
        """Share of failed crawls in percent; None without a crawl."""
        return round(100 * self.failed / self.crawls) if self.crawls else None


def crawl_health(competitors: Collection[Competitor]) -> dict[str, CrawlHealth]:
    """Return the health by competitor code. Two queries."""
    codes = {competitor.code for competitor in competitors}
    counts = dict(
        CompetitorOffer.objects.filter(competitor__in=competitors, gone_at=None)
        .order_by()
        .values_list("competitor_id")
        .annotate(count=Count("*"))
    )
    offers = {competitor.code: counts.get(competitor.pk, 0) for competitor in competitors}
    since = timezone.now() - timedelta(days=_BLOCKED_DAYS)
    runs = {
        competitor_code(source): (crawls, failed, last)
        for source, crawls, failed, last in Run.objects.filter(
            source__in=[f"{SOURCE_PREFIX}{code}" for code in codes],
            started_at__gte=since,
            is_dry_run=False,
        )
        .values_list("source")
        .annotate(
            crawls=Count("id"),
            failed=Count("id", filter=Q(status=Run.Status.FAILED)),
            last=Max("started_at"),
        )
    }
    health = {}
    for code in codes:
        crawls, failed, last = runs.get(code, (0, 0, None))
        health[code] = CrawlHealth(
            offers=offers.get(code, 0), crawls=crawls, failed=failed, last_crawl_at=last
        )
    return health


def competitors_by_status() -> list[tuple[str, int]]:
    """Return each status and the number of enabled competitors that have it; one query."""
    rows = Competitor.objects.filter(is_enabled=True).order_by().values_list("status")
    counts = dict(rows.annotate(count=Count("pk")))
    return [(status.value, counts.get(status.value, 0)) for status in CrawlStatus]


def overdue_crawls(now: datetime) -> int:
    """
    Return the number of enabled competitors whose last good crawl is three periods old.

    Without those that are blocked or paused, which staff know of, or were never crawled.
    """
    period = ExpressionWrapper(
        F("crawl_every_hours") * Value(timedelta(hours=_OVERDUE_PERIODS)),
        output_field=DurationField(),
    )
    return (
        Competitor.objects.filter(
            is_enabled=True, status__in=(CrawlStatus.HEALTHY, CrawlStatus.DEGRADED)
        )
        .filter(last_good_crawl_at__lt=Value(now) - period)
        .count()
    )


def competitor_choices() -> list[tuple[str, str]]:
    """Return code and name of the competitors, by name."""
    return list(Competitor.objects.order_by("name").values_list("code", "name"))
