"""A crawl killed at ten moments: the next one completes, and nothing is doubled."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date

import psutil
import psycopg
import pytest
from django.db import connection
from django.db.models import Count

from competitors import crawls
from competitors.models import Competitor, CompetitorOffer, CrawlStatus, PriceHistory
from mlops.models import Alert, Run
from mlops.pipelines.errors import SourceBusy
from tests.functional.forks import ForkServer
from tests.integration.competitors.conftest import create_competitor, serve
from tests.polling import wait_until
from tests.samples.competitors.server import SampleShops
from tests.samples.competitors.shops import sample_shops

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ITEMS = 230
PAGES = 5
TABLES = (
    "repeated_records",
    "competitor_offers",
    "price_history",
    "lineage_entries",
    "competitors",
)
"""Tables that a run waits for, in the order in which it writes to them."""
_WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"


def _database_url() -> str:
    base = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    return f"{base}/{connection.settings_dict['NAME']}"


@pytest.fixture
def shops() -> Iterator[SampleShops]:
    """Sample shops with a menu of five pages."""
    server = SampleShops(sample_shops(lambda: date(2026, 3, 2), max_items=ITEMS))
    server.max_page_size = ITEMS // PAGES + 1
    yield from serve(server)


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    """A fork server on the test's database."""
    environment = {
        **os.environ,
        "DATABASE_URL": _database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    server = ForkServer(environment, modules=("competitors.crawls",))
    yield server
    server.stop()


@pytest.mark.parametrize("moment", [*range(1, PAGES + 1), *TABLES])
def test_crawl_after_a_kill_completes_and_doubles_nothing(
    shops: SampleShops, forks: ForkServer, moment: int | str
) -> None:
    create_competitor(shops, "lakeside")

    _kill_crawl_at(moment, shops, forks)
    run = _crawl_when_unlocked()

    offers = CompetitorOffer.objects.count()
    assert run.status == Run.Status.SUCCEEDED
    assert Run.objects.exclude(status=Run.Status.SUCCEEDED).count() == 0
    assert offers > 0.95 * ITEMS
    assert PriceHistory.objects.count() == offers
    assert not _offers_with_several_observations()
    assert Competitor.objects.get().status == CrawlStatus.HEALTHY
    assert not Alert.objects.exists()
    assert (crawls.crawl("lakeside").new, PriceHistory.objects.count()) == (0, offers)


def test_pages_that_landed_before_a_kill_are_not_requested_again(
    shops: SampleShops, forks: ForkServer
) -> None:
    create_competitor(shops, "lakeside")
    _kill_crawl_at(4, shops, forks)
    shops.requests.clear()

    _crawl_when_unlocked()

    pages = [request.path.partition("page=")[2][0] for request in shops.menu_requests]
    assert pages == ["4", "5"]


def _kill_crawl_at(moment: int | str, shops: SampleShops, forks: ForkServer) -> None:
    """Start a crawl and kill -9 it at a page or a table; its crawling process ends as well."""
    with ExitStack() as stack:
        if isinstance(moment, str):
            gate = stack.enter_context(psycopg.connect(_database_url()))
            gate.execute(f"LOCK TABLE {moment} IN EXCLUSIVE MODE")
            stack.callback(gate.rollback)
        else:
            shops.block_from(moment)
        process = forks.run("from competitors import crawls; crawls.crawl('lakeside')")
        if isinstance(moment, str):
            with psycopg.connect(_database_url(), autocommit=True) as observer:
                wait_until(lambda: observer.execute(_WAITING, [moment]).fetchone(), 60)
        else:
            wait_until(lambda: shops.has_blocked_requests, 60)
        children = process.children(recursive=True)
        process.kill()
        shops.release()
        wait_until(lambda: not any(map(_is_alive, [process, *children])), 30)


def _is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; a zombie has ended, and waits for its parent to notice."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _crawl_when_unlocked() -> Run:
    """Crawl; the connection of a killed process holds its lock until its statement ends."""
    runs: list[Run] = []

    def has_crawled() -> bool:
        try:
            runs.append(crawls.crawl("lakeside"))
        except SourceBusy:
            return False
        return True

    wait_until(has_crawled, 60, every=0.5)
    return runs[0]


def _offers_with_several_observations() -> bool:
    counted = PriceHistory.objects.values("offer").annotate(count=Count("id"))
    return counted.filter(count__gt=1).exists()
