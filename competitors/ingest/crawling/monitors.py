"""Spidermon monitors of a crawl; a monitor that fails makes the competitor degraded."""

from typing import Any

from spidermon import MonitorSuite, monitors
from spidermon.contrib.scrapy.monitors import (
    FieldCoverageMonitor,
    ItemCountMonitor,
    UnwantedHTTPCodesMonitor,
)
from spidermon.contrib.scrapy.monitors.base import BaseScrapyMonitor
from spidermon.core.actions import Action

from competitors.ingest.crawling.jobs import MonitorResult
from competitors.ingest.crawling.statistics import RECORDS, REJECTED, SAMPLED

DOWNLOAD_ERRORS = "downloader/exception_count"
_MAX_REJECTED_SHARE = 0.2
_MAX_DOWNLOAD_ERRORS = 5
_MIN_SHARE_OF_USUAL = 0.7
_MAX_REASON_LENGTH = 300
SETTINGS: dict[str, Any] = {
    "EXTENSIONS": {"spidermon.contrib.scrapy.extensions.Spidermon": 500},
    "SPIDERMON_ENABLED": True,
    "SPIDERMON_SPIDER_CLOSE_MONITORS": ["competitors.ingest.crawling.monitors.CrawlMonitors"],
    "SPIDERMON_ADD_FIELD_COVERAGE": True,
    "SPIDERMON_MIN_ITEMS": 1,
    # A few are normal, and are retried: more of one status mean a shop that is in trouble.
    "SPIDERMON_UNWANTED_HTTP_CODES": {
        401: 0,
        403: 0,
        429: 3,
        500: 3,
        502: 3,
        503: 3,
        504: 3,
    },
    # Share of offers with a value. Items that are out of stock need no price.
    "SPIDERMON_FIELD_COVERAGE_RULES": {"dict/name": 0.99, "dict/price": 0.6},
}


@monitors.name("rejected records")
class RejectedRecords(BaseScrapyMonitor):
    """Share of records from which no offer could be read."""

    def test_few_records_are_rejected(self) -> None:
        """Fail when the platform's format may have changed."""
        rejected = self.data.stats.get(REJECTED, 0)
        sampled = self.data.stats.get(SAMPLED, 0)

        message = f"{rejected} of {sampled} sampled records gave no offer"
        self.assertLessEqual(rejected, _MAX_REJECTED_SHARE * sampled, message)  # noqa: PT009  # a method of Spidermon


@monitors.name("download errors")
class DownloadErrors(BaseScrapyMonitor):
    """Requests without a response: time-outs, refused or broken connections."""

    def test_few_downloads_fail(self) -> None:
        """Fail when many requests had to be repeated."""
        errors = self.data.stats.get(DOWNLOAD_ERRORS, 0)

        self.assertLessEqual(errors, _MAX_DOWNLOAD_ERRORS, f"{errors} requests had no response")  # noqa: PT009  # a method of Spidermon


@monitors.name("comparison with past crawls")
class UsualOffers(BaseScrapyMonitor):
    """Number of offers compared with recent good crawls."""

    def test_offers_are_about_as_many_as_usual(self) -> None:
        """Fail when fewer offers were read than usual."""
        job = self.data.spider.job
        if job.usual_offers is None or job.max_records is not None:
            self.skipTest("there is nothing to compare with")
        records = self.data.stats.get(RECORDS, 0)

        message = f"{records} offers, usually {job.usual_offers}"
        self.assertGreaterEqual(records, _MIN_SHARE_OF_USUAL * job.usual_offers, message)  # noqa: PT009  # a method of Spidermon


class CollectResults(Action):
    """Gives the results of all monitors to the spider."""

    def run_action(self) -> None:
        """Store the results with the spider."""
        self.data.spider.monitor_results = tuple(
            MonitorResult(name=result.monitor.monitor_name, reason=_reason(result))
            for result in self.result.monitor_results
        )


class CrawlMonitors(MonitorSuite):
    """All monitors, run when the spider closes."""

    monitors = [
        ItemCountMonitor,
        RejectedRecords,
        DownloadErrors,
        UnwantedHTTPCodesMonitor,
        FieldCoverageMonitor,
        UsualOffers,
    ]
    monitors_finished_actions = [CollectResults]


def _reason(result: Any) -> str:
    """Return the message of a failed assertion in one line."""
    if not result.error:
        return ""
    message = str(result.error).rpartition("AssertionError: ")[2] or "failed"
    return " ".join(message.split())[:_MAX_REASON_LENGTH]
