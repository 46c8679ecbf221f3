"""State machine of crawls: pauses, windows, alerts, pause and resume by staff."""

from datetime import UTC, datetime, time, timedelta

import pytest

from competitors.ingest.crawling.errors import CrawlBlocked, CrawlUnsafe, ShopUnavailable
from competitors.ingest.crawling.jobs import CrawlEnd, MonitorResult, RobotsReport
from competitors.ingest.crawling.source import CrawlReport
from competitors.models import Competitor, CrawlStatus
from competitors.selectors.competitors import due_competitors
from competitors.services.crawl_status import (
    MAX_FAILED_CRAWLS,
    pause_competitor,
    record_failed_crawl,
    record_good_crawl,
    resume_competitor,
)
from config.errors import CultivarError
from mlops.models import Alert
from tests.factories.competitors import CompetitorFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def _middle(low: float, high: float) -> float:
    return (low + high) / 2


def _fail(competitor: Competitor, error: CultivarError, *, times: int = 1) -> Competitor:
    for _ in range(times):
        competitor = record_failed_crawl(
            code=competitor.code, report=CrawlReport(), error=error, now=NOW, jitter=_middle
        )
    return competitor


def _succeed(competitor: Competitor, *monitors: MonitorResult) -> Competitor:
    end = CrawlEnd(stats={}, monitors=monitors, failure=None)
    return record_good_crawl(
        code=competitor.code, report=CrawlReport(end=end), now=NOW, jitter=_middle
    )


def _pause_hours(competitor: Competitor) -> float:
    assert competitor.next_crawl_at is not None
    return (competitor.next_crawl_at - NOW).total_seconds() / 3_600


def test_pause_doubles_with_each_failure_up_to_a_day() -> None:
    competitor = CompetitorFactory.create()

    pauses = [_pause_hours(_fail(competitor, ShopUnavailable("gone"))) for _ in range(8)]

    assert pauses == [0.5, 1, 2, 4, 8, 16, 24, 24]


def test_blocked_shop_is_left_alone_longer() -> None:
    competitor = CompetitorFactory.create()

    pauses = [_pause_hours(_fail(competitor, CrawlBlocked("challenge"))) for _ in range(7)]

    assert pauses == [2, 4, 8, 16, 32, 64, 72]


def test_pause_is_at_least_what_the_shop_asked_for() -> None:
    error = CrawlBlocked("too many requests", retry_after_seconds=5 * 3_600)

    competitor = _fail(CompetitorFactory.create(), error)

    assert _pause_hours(competitor) == 5


@pytest.mark.parametrize("seconds", [10.0**17, float("inf")])
def test_absurd_retry_after_is_limited_to_a_week(seconds: float) -> None:
    error = CrawlBlocked("too many requests", retry_after_seconds=seconds)

    competitor = _fail(CompetitorFactory.create(), error)

    assert _pause_hours(competitor) == 7 * 24


def test_pause_has_jitter() -> None:
    competitor = CompetitorFactory.create()

    record_failed_crawl(
        code=competitor.code,
        report=CrawlReport(),
        error=ShopUnavailable("gone"),
        now=NOW,
        jitter=lambda _low, high: high,
    )

    competitor.refresh_from_db()
    assert _pause_hours(competitor) == pytest.approx(0.6)


def test_many_failures_pause_the_competitor() -> None:
    competitor = _fail(CompetitorFactory.create(), ShopUnavailable("gone"), times=MAX_FAILED_CRAWLS)

    assert competitor.status == CrawlStatus.PAUSED
    assert competitor.next_crawl_at is None
    assert due_competitors(NOW + timedelta(days=30)) == []


def test_address_that_is_not_public_pauses_at_once() -> None:
    competitor = _fail(CompetitorFactory.create(), CrawlUnsafe("leads to a private address"))

    assert competitor.status == CrawlStatus.PAUSED


def test_monitor_that_fails_makes_the_competitor_degraded_with_a_warning() -> None:
    failed = MonitorResult(name="rejected records", reason="30 of 40 records gave no offer")

    competitor = _succeed(CompetitorFactory.create(), MonitorResult(name="items"), failed)

    assert competitor.status == CrawlStatus.DEGRADED
    assert competitor.status_reason == "rejected records: 30 of 40 records gave no offer"
    assert competitor.failed_crawls == 0
    alert = Alert.objects.get(closed_at=None)
    assert (alert.code, alert.severity) == ("crawl_degraded", "warning")


def test_next_good_crawl_closes_the_warning() -> None:
    competitor = CompetitorFactory.create()
    _succeed(competitor, MonitorResult(name="items", reason="none"))

    competitor = _succeed(competitor, MonitorResult(name="items"))

    assert (competitor.status, competitor.status_reason) == (CrawlStatus.HEALTHY, "")
    assert not Alert.objects.filter(closed_at=None).exists()


def test_good_crawl_is_repeated_after_the_interval() -> None:
    competitor = _succeed(CompetitorFactory.create(crawl_every_hours=12))

    assert _pause_hours(competitor) == 12


def test_next_crawl_waits_for_the_window_in_local_time() -> None:
    competitor = CompetitorFactory.create(
        crawl_every_hours=12, crawl_from=time(22), crawl_until=time(5), province="BC"
    )

    competitor = _succeed(competitor)

    # Midnight UTC is 17:00 in Vancouver; 22:00 there is 05:00 UTC of the next day.
    assert competitor.next_crawl_at == datetime(2026, 7, 2, 5, 0, tzinfo=UTC)


def test_competitor_is_not_due_outside_its_window() -> None:
    CompetitorFactory.create(crawl_from=time(1), crawl_until=time(5), province="ON")

    assert due_competitors(NOW) == []
    assert len(due_competitors(datetime(2026, 7, 1, 6, 0, tzinfo=UTC))) == 1


def test_disabled_competitor_is_never_due() -> None:
    CompetitorFactory.create(is_enabled=False)

    assert due_competitors(NOW) == []


def test_resumed_competitor_is_due_at_once() -> None:
    competitor = _fail(CompetitorFactory.create(), ShopUnavailable("gone"), times=MAX_FAILED_CRAWLS)

    resume_competitor(competitor=competitor, by=None, now=NOW)

    competitor.refresh_from_db()
    assert (competitor.status, competitor.failed_crawls) == (CrawlStatus.DEGRADED, 0)
    assert due_competitors(NOW) == [competitor]


def test_paused_competitor_is_not_due() -> None:
    competitor = CompetitorFactory.create()

    pause_competitor(competitor=competitor, reason="asked to stop", by=None, now=NOW)

    competitor.refresh_from_db()
    assert (competitor.status, competitor.status_reason) == (CrawlStatus.PAUSED, "asked to stop")
    assert due_competitors(NOW) == []


def test_status_since_stays_while_the_status_does() -> None:
    competitor = _fail(CompetitorFactory.create(), CrawlBlocked("challenge"))

    record_failed_crawl(
        code=competitor.code,
        report=CrawlReport(),
        error=CrawlBlocked("challenge"),
        now=NOW + timedelta(hours=3),
    )

    competitor.refresh_from_db()
    assert competitor.status_since == NOW


def test_decision_that_forbids_is_the_one_that_is_stored() -> None:
    reports = [
        RobotsReport(origin="https://a.example", is_allowed=True, reason="all", read_at=NOW),
        RobotsReport(
            origin="https://a.example",
            is_allowed=False,
            reason="robots.txt has rules for *",
            read_at=NOW,
            crawl_delay_seconds=2.5,
        ),
    ]

    competitor = record_failed_crawl(
        code=CompetitorFactory.create().code,
        report=CrawlReport(robots=reports),
        error=CrawlBlocked("excluded"),
        now=NOW,
    )

    competitor.refresh_from_db()
    assert competitor.robots_allowed is False
    assert competitor.robots_reason == "robots.txt has rules for *"
    assert competitor.crawl_delay_seconds == 2.5


def test_failed_crawl_leaves_a_paused_competitor_paused() -> None:
    competitor = CompetitorFactory.create()
    pause_competitor(competitor=competitor, reason="asked to stop", by=None, now=NOW)

    competitor = _fail(competitor, ShopUnavailable("gone"))

    assert (competitor.status, competitor.status_reason) == (CrawlStatus.PAUSED, "asked to stop")
    assert competitor.next_crawl_at is None


def test_crawl_in_progress_does_not_resume_a_competitor_paused_meanwhile() -> None:
    competitor = CompetitorFactory.create()
    pause_competitor(competitor=competitor, reason="asked to stop", by=None, now=NOW)

    competitor = record_good_crawl(
        code=competitor.code,
        report=CrawlReport(started_at=NOW - timedelta(minutes=5)),
        now=NOW + timedelta(minutes=5),
    )

    assert competitor.status == CrawlStatus.PAUSED
    assert competitor.next_crawl_at is None
