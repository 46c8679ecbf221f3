"""
State of a competitor's crawls: healthy → degraded → blocked → paused.

A good crawl makes it healthy and closes its alert. Monitors that fail make it degraded. A failed
crawl makes it degraded or blocked and is tried again after a growing pause; after many failures, or
when the address is not public, it is paused until staff resume it.
"""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from competitors.crawl_windows import next_opening
from competitors.ingest.crawling.errors import (
    CODES,
    CrawlBlocked,
    CrawlFailed,
    CrawlUnsafe,
    RobotsDisallowed,
)
from competitors.ingest.crawling.source import CrawlReport
from competitors.ingest.records import SOURCE_PREFIX
from competitors.models import Competitor, CrawlStatus
from competitors.reference.time_zones import TIME_ZONES
from config.clients.address_guard import AddressRefused
from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation
from mlops.pipelines.runner import ALERT_CODES
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
MAX_FAILED_CRAWLS = 10
"""Consecutive failures after which a competitor is paused."""
DEGRADED_ALERT = "crawl_degraded"
_ALL_ALERTS = (*ALERT_CODES, *CODES, DEGRADED_ALERT)
_FIRST_PAUSE: Mapping[CrawlStatus, timedelta] = {
    CrawlStatus.DEGRADED: timedelta(minutes=30),
    CrawlStatus.BLOCKED: timedelta(hours=2),
}
_LONGEST_PAUSE: Mapping[CrawlStatus, timedelta] = {
    CrawlStatus.DEGRADED: timedelta(hours=24),
    CrawlStatus.BLOCKED: timedelta(hours=72),
}
_LONGEST_RETRY_AFTER = timedelta(days=7)
_FAILURE_JITTER = 0.2
_SCHEDULE_JITTER = 0.05
Jitter = Callable[[float, float], float]
"""Returns a number between two others, such as `random.uniform`."""


def record_good_crawl(
    *,
    code: str,
    report: CrawlReport,
    now: datetime,
    is_partial: bool = False,
    jitter: Jitter = random.uniform,
) -> Competitor:
    """
    Record a crawl whose offers were saved; monitors that failed make the competitor degraded.

    A partial crawl is no evidence of a whole menu: it changes the decision of robots.txt alone. A
    competitor that was paused while the crawl ran stays paused.
    """
    with transaction.atomic():
        competitor = _lock(code)
        _set_robots(competitor, report)
        if not is_partial and _was_paused_since(competitor, report.started_at):
            competitor.failed_crawls = 0
            _replace_alert(competitor, None)
        elif not is_partial:
            failed = (
                [result for result in report.end.monitors if not result.has_passed]
                if (report.end)
                else []
            )
            reason = "; ".join(f"{result.name}: {result.reason}" for result in failed)
            status = CrawlStatus.DEGRADED if failed else CrawlStatus.HEALTHY
            _set_status(competitor, status, reason, now)
            competitor.failed_crawls = 0
            interval = timedelta(hours=competitor.crawl_every_hours)
            competitor.next_crawl_at = _within_window(
                competitor, now + interval * jitter(1 - _SCHEDULE_JITTER, 1 + _SCHEDULE_JITTER)
            )
            _replace_alert(competitor, DEGRADED_ALERT if failed else None)
        competitor.save()
    return competitor


def record_failed_crawl(
    *,
    code: str,
    report: CrawlReport,
    error: CultivarError,
    now: datetime,
    jitter: Jitter = random.uniform,
) -> Competitor:
    """
    Record a failed crawl, whose alert is open, and when the next one is due.

    A paused competitor stays paused, for the same reason.
    """
    with transaction.atomic():
        competitor = _lock(code)
        _set_robots(competitor, report)
        competitor.failed_crawls += 1
        failure_status = _status_after(error)
        is_paused = failure_status == CrawlStatus.PAUSED
        reason = str(error)
        if not is_paused and competitor.failed_crawls >= MAX_FAILED_CRAWLS:
            is_paused = True
            reason = f"{competitor.failed_crawls} crawls failed in a row. The last one: {reason}"
        if competitor.status == CrawlStatus.PAUSED:
            competitor.next_crawl_at = None
        elif is_paused:
            _set_status(competitor, CrawlStatus.PAUSED, reason, now)
            competitor.next_crawl_at = None
        else:
            _set_status(competitor, failure_status, reason, now)
            pause = _pause(competitor, error, jitter)
            competitor.next_crawl_at = _within_window(competitor, now + pause)
        _replace_alert(competitor, error.code)
        competitor.save()
    log.warning("crawl.failed", competitor=code, code=error.code, status=str(competitor.status))
    return competitor


def pause_competitor(
    *, competitor: Competitor, reason: str, by: AbstractBaseUser | None, now: datetime
) -> None:
    """Stop the crawls of a competitor until it is resumed."""
    with operation(Operation.Kind.EDIT, actor=by, reason=f"pause {competitor.code}: {reason}"):
        locked = _lock(competitor.code)
        _set_status(locked, CrawlStatus.PAUSED, reason, now)
        locked.next_crawl_at = None
        locked.save()


def resume_competitor(
    *, competitor: Competitor, by: AbstractBaseUser | None, now: datetime
) -> None:
    """Make the next crawl of a competitor due now; its result decides the status."""
    with operation(Operation.Kind.EDIT, actor=by, reason=f"resume {competitor.code}"):
        locked = _lock(competitor.code)
        _set_status(locked, CrawlStatus.DEGRADED, "Resumed; not crawled yet.", now)
        locked.failed_crawls = 0
        locked.next_crawl_at = None
        locked.save()


def _lock(code: str) -> Competitor:
    return Competitor.objects.select_for_update().get(code=code)


def _was_paused_since(competitor: Competitor, moment: datetime) -> bool:
    return competitor.status == CrawlStatus.PAUSED and competitor.status_since >= moment


def _status_after(error: CultivarError) -> CrawlStatus:
    match error:
        case CrawlUnsafe() | AddressRefused():
            return CrawlStatus.PAUSED
        case CrawlBlocked() | RobotsDisallowed():
            return CrawlStatus.BLOCKED
    return CrawlStatus.DEGRADED


def _pause(competitor: Competitor, error: CultivarError, jitter: Jitter) -> timedelta:
    """Return a pause that doubles with each failure, at least as long as the shop asked for."""
    status = CrawlStatus(competitor.status)
    doubled: timedelta = _FIRST_PAUSE[status] * 2 ** (competitor.failed_crawls - 1)
    pause = min(doubled, _LONGEST_PAUSE[status])
    pause *= jitter(1 - _FAILURE_JITTER, 1 + _FAILURE_JITTER)
    if isinstance(error, CrawlFailed) and error.retry_after_seconds is not None:
        # Limited first: a shop may state more seconds than an interval can have.
        longest = _LONGEST_RETRY_AFTER.total_seconds()
        pause = max(pause, timedelta(seconds=min(error.retry_after_seconds, longest)))
    return pause


def _within_window(competitor: Competitor, moment: datetime) -> datetime:
    return next_opening(
        moment,
        start=competitor.crawl_from,
        end=competitor.crawl_until,
        zone=TIME_ZONES[competitor.province],
    )


def _set_status(competitor: Competitor, status: CrawlStatus, reason: str, now: datetime) -> None:
    if competitor.status != status:
        competitor.status = status
        competitor.status_since = now
    competitor.status_reason = reason


def _set_robots(competitor: Competitor, report: CrawlReport) -> None:
    """Store the decision of robots.txt: that which forbids a page, if any does."""
    if not report.robots:
        return
    decision = min(report.robots, key=lambda decision: decision.is_allowed)
    competitor.robots_allowed = decision.is_allowed
    competitor.robots_reason = decision.reason
    competitor.robots_read_at = decision.read_at
    delay = decision.crawl_delay_seconds
    competitor.crawl_delay_seconds = None if delay is None else Decimal(str(round(delay, 2)))


def _replace_alert(competitor: Competitor, code: str | None) -> None:
    """Leave one alert open, or none: those of other codes are closed."""
    subject = f"{SOURCE_PREFIX}{competitor.code}"
    close_alerts(codes=tuple(each for each in _ALL_ALERTS if each != code), subject=subject)
    if code == DEGRADED_ALERT:
        open_alert(
            code=code,
            subject=subject,
            message=f"{competitor.name}: {competitor.status_reason}",
            severity="warning",
        )
