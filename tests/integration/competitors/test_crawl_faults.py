"""Faults of shops: the state is right, one alert is open, no price and no product changes."""

from itertools import pairwise
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from catalog.models import Product
from competitors import crawls
from competitors.ingest.crawling.errors import CODES
from competitors.models import Competitor, CompetitorOffer, CrawlStatus, PriceHistory
from config.errors import CultivarError
from mlops.models import Alert, RawRecord, Run
from tests.factories.catalog import ProductFactory
from tests.samples.competitors.server import METADATA_URL, SampleShops

pytestmark = pytest.mark.django_db(transaction=True)
DEGRADED, BLOCKED, PAUSED = CrawlStatus.DEGRADED, CrawlStatus.BLOCKED, CrawlStatus.PAUSED
OUTCOMES = {
    "429-always": ("crawl_blocked", BLOCKED),
    "429-long": ("crawl_blocked", BLOCKED),
    "challenge-200": ("crawl_blocked", BLOCKED),
    "challenge-403": ("crawl_blocked", BLOCKED),
    "challenge-404": ("crawl_blocked", BLOCKED),
    "login": ("crawl_blocked", BLOCKED),
    "empty": ("menu_incomplete", DEGRADED),
    "half": ("feed_suspicious", DEGRADED),
    "redirect-metadata": ("crawl_unsafe", PAUSED),
    "redirect-loop": ("menu_broken", DEGRADED),
    "bomb": ("menu_broken", DEGRADED),
    "endless-page": ("menu_broken", DEGRADED),
    "endless-paging": ("menu_incomplete", DEGRADED),
    "drip": ("shop_unavailable", DEGRADED),
    "500": ("shop_unavailable", DEGRADED),
    "truncated": ("shop_unavailable", DEGRADED),
    "drift": ("menu_broken", DEGRADED),
}


@pytest.fixture(autouse=True)
def _short_limits(settings: Settings) -> None:
    """Let faults of time and size end within seconds."""
    settings.CRAWL_TIMEOUT_SECONDS = 2
    settings.CRAWL_MAX_RETRIES = 1
    settings.CRAWL_MAX_PAGE_BYTES = 2**20


@pytest.fixture
def crawled(lakeside: Competitor) -> Competitor:
    """A competitor with a good crawl, one of whose offers is matched to a product."""
    crawls.crawl("lakeside")
    offer = CompetitorOffer.objects.earliest("pk")
    offer.product = ProductFactory.create()
    offer.save()
    return lakeside


def _rows() -> dict[str, list[Any]]:
    """Everything that a failed crawl must not change."""
    models = (Product, CompetitorOffer, PriceHistory)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


@pytest.mark.parametrize("fault", OUTCOMES)
def test_fault_changes_the_state_and_opens_one_alert_alone(
    crawled: Competitor, shops: SampleShops, fault: str
) -> None:
    code, status = OUTCOMES[fault]
    rows = _rows()
    shops.fault = fault

    with pytest.raises(CultivarError) as raised:
        crawls.crawl("lakeside", full_refresh=True)

    crawled.refresh_from_db()
    assert raised.value.code == code
    assert crawled.status == status
    assert crawled.status_reason
    assert crawled.failed_crawls == 1
    assert (crawled.next_crawl_at is None) == (status == PAUSED)
    assert [alert.code for alert in Alert.objects.filter(closed_at=None)] == [code]
    assert Run.objects.latest("started_at").status == Run.Status.FAILED
    assert _rows() == rows


@pytest.mark.parametrize("page", [2, 3])
def test_challenge_in_the_middle_of_a_menu_writes_nothing(
    crawled: Competitor, shops: SampleShops, page: int
) -> None:
    rows = _rows()
    shops.fault, shops.fault_from_page = "challenge-200", page

    with pytest.raises(CultivarError, match="challenge"):
        crawls.crawl("lakeside", full_refresh=True)

    assert _rows() == rows


def test_page_that_blocks_is_stored_as_evidence(lakeside: Competitor, shops: SampleShops) -> None:
    shops.fault = "challenge-403"

    with pytest.raises(CultivarError):
        crawls.crawl("lakeside")

    assert RawRecord.objects.get(run__status=Run.Status.FAILED, role="page").status == 403


def test_other_fault_replaces_the_alert(crawled: Competitor, shops: SampleShops) -> None:
    for fault in ("challenge-200", "500"):
        shops.fault = fault
        with pytest.raises(CultivarError):
            crawls.crawl("lakeside", full_refresh=True)

    codes = list(Alert.objects.filter(closed_at=None).values_list("code", flat=True))
    assert codes == ["shop_unavailable"]
    assert set(codes) <= set(CODES)


def test_good_crawl_closes_the_alert_and_ends_the_failures(
    crawled: Competitor, shops: SampleShops
) -> None:
    shops.fault = "challenge-200"
    with pytest.raises(CultivarError):
        crawls.crawl("lakeside", full_refresh=True)
    shops.fault = None

    crawls.crawl("lakeside")

    crawled.refresh_from_db()
    assert (crawled.status, crawled.failed_crawls) == (CrawlStatus.HEALTHY, 0)
    assert not Alert.objects.filter(closed_at=None).exists()


def test_halved_list_is_used_after_a_person_accepts_it(
    crawled: Competitor, shops: SampleShops
) -> None:
    shops.fault = "half"

    run = crawls.crawl("lakeside", accept=True)

    assert run.status == Run.Status.SUCCEEDED


def test_retry_after_is_obeyed(lakeside: Competitor, shops: SampleShops) -> None:
    shops.fault = "429"

    run = crawls.crawl("lakeside")

    first, second = shops.menu_requests[:2]
    assert (first.status, second.status) == (429, 200)
    assert second.at - first.at >= 1
    assert run.status == Run.Status.SUCCEEDED


def test_long_retry_after_is_not_waited_for_but_scheduled(
    lakeside: Competitor, shops: SampleShops
) -> None:
    shops.fault = "429-long"

    with pytest.raises(CultivarError):
        crawls.crawl("lakeside")

    lakeside.refresh_from_db()
    assert len(shops.menu_requests) == 1
    assert lakeside.next_crawl_at is not None
    assert (lakeside.next_crawl_at - lakeside.status_since).total_seconds() >= 3_600


def test_redirect_to_a_metadata_service_is_not_followed(
    lakeside: Competitor, shops: SampleShops
) -> None:
    shops.fault = "redirect-metadata"

    with pytest.raises(CultivarError, match="link-local"):
        crawls.crawl("lakeside")

    assert METADATA_URL not in lakeside.status_reason
    assert [request.status for request in shops.menu_requests] == [302]


def test_crawl_ends_at_its_page_limit(lakeside: Competitor) -> None:
    lakeside.max_pages = 2
    lakeside.save()

    with pytest.raises(CultivarError, match="more than 2 pages"):
        crawls.crawl("lakeside")


def test_crawl_ends_at_its_time_limit(
    lakeside: Competitor, shops: SampleShops, settings: Settings
) -> None:
    settings.CRAWL_MAX_SECONDS = 1
    shops.latency_seconds = 0.9

    with pytest.raises(CultivarError, match="took more than 1 seconds"):
        crawls.crawl("lakeside")


def test_disallowed_menu_is_never_requested(lakeside: Competitor, shops: SampleShops) -> None:
    shops.robots.status, shops.robots.body = 200, b"User-agent: *\nDisallow: /lakeside/\n"

    with pytest.raises(CultivarError) as raised:
        crawls.crawl("lakeside")

    lakeside.refresh_from_db()
    assert raised.value.code == "robots_disallowed"
    assert [request.path for request in shops.requests] == ["/robots.txt"]
    assert (lakeside.status, lakeside.robots_allowed) == (BLOCKED, False)
    assert lakeside.robots_reason


def test_page_that_robots_txt_excludes_is_not_requested(
    lakeside: Competitor, shops: SampleShops
) -> None:
    shops.robots.status, shops.robots.body = 200, b"User-agent: CultivarBot\nDisallow: /*page=2&\n"

    with pytest.raises(CultivarError):
        crawls.crawl("lakeside")

    assert ["page=1&" in request.path for request in shops.menu_requests] == [True]


@pytest.mark.parametrize("status", [200, 503])
def test_nothing_is_requested_without_readable_robots_txt(
    lakeside: Competitor, shops: SampleShops, status: int
) -> None:
    shops.robots.status, shops.robots.content_type = status, "text/html"
    shops.robots.body = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"

    with pytest.raises(CultivarError):
        crawls.crawl("lakeside")

    assert shops.menu_requests == []


def test_last_good_robots_txt_stays_in_force_while_the_server_fails(
    lakeside: Competitor, shops: SampleShops
) -> None:
    shops.robots.status, shops.robots.body = 200, b"User-agent: *\nDisallow: /private\n"
    crawls.crawl("lakeside")
    shops.robots.status, shops.robots.body = 503, b"unavailable"

    assert crawls.crawl("lakeside").status == Run.Status.SUCCEEDED


def test_crawl_delay_is_kept_within_ten_percent(lakeside: Competitor, shops: SampleShops) -> None:
    shops.robots.status, shops.robots.body = 200, b"User-agent: *\nCrawl-delay: 2\n"

    crawls.crawl("lakeside")

    lakeside.refresh_from_db()
    times = [request.at for request in shops.menu_requests]
    intervals = [later - earlier for earlier, later in pairwise(times)]
    assert lakeside.crawl_delay_seconds == 2
    assert len(intervals) == 2
    assert all(2 * 0.9 <= interval <= 2 * 1.1 for interval in intervals)


def test_requests_name_the_crawler_and_whom_to_write_to(
    lakeside: Competitor, shops: SampleShops, settings: Settings
) -> None:
    crawls.crawl("lakeside", limit=1)

    agents = {request.headers["User-Agent"] for request in shops.requests}
    assert agents == {settings.CRAWL_USER_AGENT}
    assert "contact" in settings.CRAWL_USER_AGENT
    assert not any("Cookie" in request.headers for request in shops.requests)
