"""Crawls of a served menu: offers, repeated crawls, conditional requests, replay, dry run."""

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from competitors import crawls
from competitors.ingest.platforms.registry import find_platform
from competitors.models import Competitor, CompetitorOffer, CrawlStatus, PriceHistory
from competitors.pipelines import OFFERS
from mlops.models import Alert, QuarantinedRecord, RawRecord, Run
from mlops.pipelines.replay import replay
from tests.integration.competitors.conftest import DAY, MAX_ITEMS, create_competitor
from tests.samples.competitors.server import SampleShops
from tests.samples.competitors.shops import SHOPS, shop_items, weedmaps_document

pytestmark = pytest.mark.django_db(transaction=True)
LAKESIDE = SHOPS[0]


def _move_prices(shops: SampleShops, day: date) -> None:
    """Serve the prices of another day."""
    documents = [weedmaps_document(item) for item in shop_items(LAKESIDE, day)[:MAX_ITEMS]]
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: documents}


def test_crawl_saves_an_offer_and_an_observation_for_each_item(
    lakeside: Competitor, shops: SampleShops
) -> None:
    items = shops.shops["lakeside"].items[LAKESIDE.location]()

    run = crawls.crawl("lakeside")

    assert run.status == Run.Status.SUCCEEDED
    assert run.read == len(items)
    assert run.new + run.rejected + run.repeated == len(items)
    assert CompetitorOffer.objects.count() == PriceHistory.objects.count() == run.new
    assert run.new > 0.95 * len(items)


def test_good_crawl_leaves_the_competitor_healthy_with_its_next_crawl(
    lakeside: Competitor,
) -> None:
    crawls.crawl("lakeside")

    lakeside.refresh_from_db()
    assert (lakeside.status, lakeside.status_reason) == (CrawlStatus.HEALTHY, "")
    assert lakeside.next_crawl_at is not None
    assert lakeside.usual_offers
    assert lakeside.robots_allowed is True
    assert not Alert.objects.exists()


def test_second_crawl_writes_no_price_row(lakeside: Competitor) -> None:
    crawls.crawl("lakeside")
    rows = PriceHistory.objects.count()

    run = crawls.crawl("lakeside")

    assert (run.new, run.changed) == (0, 0)
    assert run.unchanged == CompetitorOffer.objects.count()
    assert PriceHistory.objects.count() == rows


def test_unchanged_pages_are_confirmed_by_their_etag(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    shops.requests.clear()

    run = crawls.crawl("lakeside")

    assert {request.status for request in shops.menu_requests} == {304}
    pages = run.raw_records.filter(role="page")
    assert all(pages.values_list("is_unmodified", flat=True))


def test_full_refresh_requests_pages_unconditionally(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    shops.requests.clear()

    crawls.crawl("lakeside", full_refresh=True)

    assert {request.status for request in shops.menu_requests} == {200}


def test_page_whose_stored_bytes_are_gone_is_requested_again(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    RawRecord.objects.update(content_hash="0" * 64)
    shops.requests.clear()

    run = crawls.crawl("lakeside")

    statuses = Counter(request.status for request in shops.menu_requests)
    assert statuses[304] == statuses[200] == 3
    assert run.unchanged == CompetitorOffer.objects.count()


def test_moved_prices_write_one_row_for_each_changed_offer(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    rows = PriceHistory.objects.count()
    _move_prices(shops, date(2026, 3, 3))

    run = crawls.crawl("lakeside")

    assert run.changed > 0
    assert PriceHistory.objects.count() == rows + run.changed


def test_every_page_is_stored_before_it_is_read(lakeside: Competitor, shops: SampleShops) -> None:
    shops.fault = "drift"

    with pytest.raises(Exception, match="menu"):
        crawls.crawl("lakeside")

    page = RawRecord.objects.exclude(role="robots").get()
    assert (page.bundle, page.role) == (f"{LAKESIDE.location}/page-0001", "page")


def test_offer_names_page_and_parser_it_was_read_from(lakeside: Competitor) -> None:
    crawls.crawl("lakeside")

    offer = CompetitorOffer.objects.latest("pk")
    assert RawRecord.objects.filter(content_hash=offer.capture_hash).exists()
    assert offer.extractor_version == f"weedmaps-{find_platform('weedmaps').version}"


def test_replay_reads_stored_pages_by_a_newer_parser_without_a_request(
    lakeside: Competitor, shops: SampleShops, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawled = crawls.crawl("lakeside")
    shops.requests.clear()
    parser = type(find_platform("weedmaps"))
    read_record = parser.read_record
    monkeypatch.setattr("competitors.pipelines.rules_fingerprint", lambda: "newer")
    monkeypatch.setattr(
        parser,
        "read_record",
        lambda self, record: replace(read_record(self, record), brand="Read Again"),
    )

    run = crawls.replay(crawled)

    assert run.changed == CompetitorOffer.objects.filter(brand="Read Again").count() > 0
    assert PriceHistory.objects.count() == crawled.new
    assert shops.requests == []


def test_replay_by_the_same_parser_changes_nothing(lakeside: Competitor) -> None:
    crawled = crawls.crawl("lakeside")

    run = crawls.replay(crawled)

    assert (run.new, run.changed, run.gone) == (0, 0, 0)
    assert not CompetitorOffer.objects.filter(missed_crawls__gt=0).exists()


def test_dry_run_writes_nothing(lakeside: Competitor) -> None:
    result = crawls.dry_run("lakeside")

    assert result.run.new > 0
    assert not Run.objects.exists()
    assert not CompetitorOffer.objects.exists()
    assert not RawRecord.objects.exists()


def test_limited_crawl_shows_nothing_about_what_is_gone(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    shops.requests.clear()

    run = crawls.crawl("lakeside", limit=50)

    assert run.is_partial
    assert len(shops.menu_requests) == 1
    assert not CompetitorOffer.objects.filter(missed_crawls__gt=0).exists()


def test_missing_item_is_gone_after_three_complete_crawls(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    documents = list(shops.shops["lakeside"].items[LAKESIDE.location]())
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: documents[1:]}

    gone = [crawls.crawl("lakeside").gone for _ in range(3)]

    assert gone == [0, 0, 1]


def test_quarantined_record_is_replayed_from_its_payload(
    lakeside: Competitor, shops: SampleShops
) -> None:
    documents = [weedmaps_document(item) for item in shop_items(LAKESIDE, DAY)[:30]]
    documents[0]["attributes"]["prices"]["price_unit"] = -1
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: documents}
    crawls.crawl("lakeside")
    record = QuarantinedRecord.objects.get()
    payload = {**record.payload, "item": {**record.payload["item"], "listed_price": 31}}

    new = replay(OFFERS, record=record, by=None, payload=payload)

    assert new == 1
    assert CompetitorOffer.objects.filter(regular_price=31).exists()


def test_shopify_menu_is_crawled_by_the_same_spider(shops: SampleShops) -> None:
    create_competitor(shops, "north-star")

    run = crawls.crawl("north-star")

    items = shops.shops["north-star"].items[""]()
    assert run.read == len(items)
    assert run.new > 0.95 * len(items)


def test_dutchie_menu_is_crawled_by_posts_that_are_stored_with_their_pages(
    shops: SampleShops,
) -> None:
    create_competitor(shops, "old-mill")

    run = crawls.crawl("old-mill")

    items = shops.shops["old-mill"].items["old-mill"]()
    assert run.read == len(items)
    assert run.new > 0.95 * len(items)
    assert {request.method for request in shops.menu_requests} == {"POST"}
    assert Counter(run.raw_records.values_list("role", flat=True)) == {
        "robots": 1,
        "page": len(shops.menu_requests),
        "request": len(shops.menu_requests),
    }


@pytest.mark.parametrize(
    ("share", "monitor"),
    [(0.7, "rejected records"), (0.9, "")],
)
def test_monitors_decide_whether_a_good_crawl_leaves_the_shop_healthy(
    lakeside: Competitor, shops: SampleShops, share: float, monitor: str
) -> None:
    documents = [weedmaps_document(item) for item in shop_items(LAKESIDE, DAY)[:100]]
    for document in documents[int(share * 100) :]:
        document["attributes"]["prices"]["price_unit"] = -1
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: documents}

    run = crawls.crawl("lakeside")

    lakeside.refresh_from_db()
    assert (run.new, run.rejected) == (share * 100, 100 - share * 100)
    assert lakeside.status == (CrawlStatus.DEGRADED if monitor else CrawlStatus.HEALTHY)
    assert lakeside.status_reason.startswith(monitor)
    assert Alert.objects.filter(code="crawl_degraded", closed_at=None).exists() == bool(monitor)


def test_fewer_offers_than_usual_make_the_shop_degraded(
    lakeside: Competitor, shops: SampleShops
) -> None:
    crawls.crawl("lakeside")
    documents = list(shops.shops["lakeside"].items[LAKESIDE.location]())[:150]
    shops.shops["lakeside"].items = {LAKESIDE.location: lambda: documents}

    crawls.crawl("lakeside")

    lakeside.refresh_from_db()
    assert lakeside.status == CrawlStatus.DEGRADED
    assert lakeside.status_reason == "comparison with past crawls: 150 offers, usually 230"
