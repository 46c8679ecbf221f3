"""Offers of crawls: saved once, observed once, gone after three complete crawls."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.offers import ExtractedOffer, OfferRecord, Stock
from competitors.ingest.records import MenuRecord
from competitors.models import Competitor, CompetitorOffer, PriceHistory
from competitors.pipelines import pipeline_version
from competitors.services.crawl_guard import conclude_crawl, survey_offers
from competitors.services.offer_repeats import find_repeated_offers
from competitors.services.offers import offers_checksum, preview_offers, save_offers
from mlops.models import OutboxEvent, QuarantinedRecord, Run
from mlops.pipelines.definitions import Pipeline, RawResponse, SourceAccess
from mlops.pipelines.errors import FeedSuspicious, RecordRejected
from mlops.pipelines.runner import process_landed_runs, run_source
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import CompetitorFactory, CompetitorLocationFactory

pytestmark = pytest.mark.django_db(transaction=True)
SOURCE = "competitor:corner"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Item = dict[str, Any]
Menu = Mapping[str, Sequence[Item]]
"""Items by bundle, "location/page"."""


class _JsonPlatform:
    """Pages that are lists of items in JSON."""

    code, label, version = "sample", "Sample", 1

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        item = record.payload
        if "price" not in item:
            raise RecordRejected("is missing", "regular_price")
        return ExtractedOffer(
            external_id=item["id"],
            name=item.get("name", "Pink Kush"),
            category="Flower",
            size=item.get("size", "3.5 g"),
            regular_price=Decimal(item["price"]),
            sale_price=Decimal(item["sale"]) if "sale" in item else None,
            currency=item.get("currency", "CAD"),
            tax_included=item.get("tax"),
            stock=Stock(item.get("stock", "in_stock")),
        )


class _MenuSource:
    """A competitor whose pages are given, received at a time."""

    code, label, base_url = SOURCE, "Corner", "http://127.0.0.1:9"

    def __init__(self, menu: Menu, at: datetime) -> None:
        self.menu, self.at = menu, at
        self.platform: Any = _JsonPlatform()

    def fetch(self, _client: Any, *, limit: int | None) -> Iterator[RawResponse]:
        for bundle, items in list(self.menu.items())[:limit]:
            yield RawResponse(
                bundle=bundle,
                role="page",
                url=f"{self.base_url}/{bundle}",
                status=200,
                content_type="application/json",
                body=json.dumps(list(items)).encode(),
                fetched_at=self.at,
            )

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[MenuRecord]:
        for page in bundle:
            for item in json.loads(page.body):
                yield MenuRecord(
                    record=OfferRecord(external_id=item["id"], payload=item),
                    platform=self.platform,
                    source=SOURCE,
                    location=page.bundle.rpartition("/")[0],
                    capture_hash=sha256(page.body).hexdigest(),
                    observed_at=page.fetched_at,
                )

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[MenuRecord]:
        yield MenuRecord(
            record=OfferRecord(external_id=payload["external_id"], payload=payload["item"]),
            platform=self.platform,
            source=SOURCE,
            location=payload["location"],
        )


def _pipeline(menu: Menu, at: datetime) -> Pipeline:
    source: Any = _MenuSource(menu, at)
    return Pipeline(
        name="competitors.offers",
        source=lambda _code: source,
        access=lambda _code: SourceAccess(),
        survey=survey_offers,
        stages=(read_offer, clean_offer),
        repeats=find_repeated_offers,
        preview=preview_offers,
        save=save_offers,
        conclude=conclude_crawl,
        checksum=offers_checksum,
        version=lambda _code: "1",
        output_table="competitor_offers",
    )


def _crawl(menu: Menu | Sequence[Item], *, at: datetime = NOON, **options: Any) -> Run:
    pages: Menu = menu if isinstance(menu, Mapping) else {"/page-0001": menu}
    return run_source(_pipeline(pages, at), code=SOURCE, **options)


def _items(count: int, **changes: Any) -> list[Item]:
    return [{"id": f"v-{n}", "price": f"{20 + n}.00", **changes} for n in range(count)]


def _changes() -> list[list[str]]:
    return [event.data["changes"] for event in OutboxEvent.objects.order_by("id")]


@pytest.fixture
def corner() -> Competitor:
    return CompetitorFactory.create(code="corner")


def test_new_offers_are_saved_with_one_observation_each(corner: Competitor) -> None:
    run = _crawl(_items(3, tax=False))

    offer = CompetitorOffer.objects.get(external_id="v-1")
    row = offer.history.get()
    assert (run.new, run.read, PriceHistory.objects.count()) == (3, 3, 3)
    assert (row.competitor, row.price, row.in_stock, row.scraped_at) == (
        corner.code,
        Decimal("21.00"),
        True,
        NOON,
    )
    assert (row.unit_price, row.extractor_version) == (Decimal("6.0000"), "sample-1")
    assert len(row.capture_hash) == 64


def test_unit_price_is_without_the_tax_of_the_province(corner: Competitor) -> None:
    _crawl([{"id": "v-1", "price": "39.55", "tax": True}])

    assert PriceHistory.objects.get().unit_price == Decimal("10.0000")  # HST of 13 % in Ontario
    assert CompetitorOffer.objects.get().net_price == Decimal("35.00")


def test_another_province_gives_another_net_price(corner: Competitor) -> None:
    _crawl([{"id": "v-1", "price": "39.55", "tax": True}])
    Competitor.objects.update(province="AB")

    _crawl(
        [{"id": "v-1", "price": "39.55", "tax": True}],
        at=NOON + timedelta(hours=1),
        full_refresh=True,
    )

    assert CompetitorOffer.objects.get().net_price == Decimal("37.67")
    assert PriceHistory.objects.count() == 1


@pytest.mark.parametrize("unknown", [{"currency": "USD", "tax": False}, {"tax": None}])
def test_price_in_another_currency_or_of_unknown_tax_has_no_unit_price(
    corner: Competitor, unknown: Item
) -> None:
    _crawl(_items(1, **unknown))

    assert PriceHistory.objects.get().unit_price is None


def test_second_crawl_of_the_day_writes_no_price_rows(corner: Competitor) -> None:
    _crawl(_items(3))

    later = _crawl(_items(3), at=NOON + timedelta(hours=6))

    assert (later.unchanged, PriceHistory.objects.count()) == (3, 3)
    assert set(CompetitorOffer.objects.values_list("last_seen_at", flat=True)) == {
        NOON + timedelta(hours=6)
    }


def test_processing_unchanged_pages_again_writes_no_price_rows(corner: Competitor) -> None:
    _crawl(_items(3))

    again = _crawl(_items(3), at=NOON + timedelta(hours=1), full_refresh=True)

    assert (again.unchanged, PriceHistory.objects.count()) == (3, 3)


def test_unchanged_offer_is_observed_once_a_day(corner: Competitor) -> None:
    _crawl(_items(1))
    tomorrow = NOON + timedelta(days=1)

    _crawl(_items(1), at=tomorrow)
    _crawl(_items(1), at=tomorrow + timedelta(hours=3))

    assert list(
        PriceHistory.objects.order_by("scraped_at").values_list("scraped_at", "price", "stock")
    ) == [(NOON, Decimal("20.00"), "in_stock"), (tomorrow, Decimal("20.00"), "in_stock")]


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({"price": "18.00"}, [["price"]]),
        ({"sale": "15.00"}, [["price"]]),
        ({"tax": True}, [["price"]]),
        ({"stock": "out"}, [["out_of_stock"]]),
        ({"stock": "low"}, []),
        ({"price": "18.00", "stock": "out"}, [["price", "out_of_stock"]]),
    ],
)
def test_each_change_gives_one_observation_and_one_event(
    corner: Competitor, change: Item, changes: list[list[str]]
) -> None:
    _crawl(_items(1))

    for hour in (1, 2):
        _crawl([{"id": "v-0", "price": "20.00", **change}], at=NOON + timedelta(hours=hour))

    assert PriceHistory.objects.count() == 2
    assert _changes() == changes


def test_back_in_stock_is_an_event(corner: Competitor) -> None:
    _crawl(_items(1, stock="out"))

    _crawl(_items(1, stock="low"), at=NOON + timedelta(hours=1))

    event = OutboxEvent.objects.get()
    assert (event.topic, event.type, event.data["changes"]) == (
        "price_changes",
        "competitor_offer",
        ["back_in_stock"],
    )
    assert (event.data["previous_stock"], event.data["stock"]) == ("out", "low")
    assert CompetitorOffer.objects.get().restocked_at == NOON + timedelta(hours=1)


def test_changed_price_leaves_the_one_before(corner: Competitor) -> None:
    _crawl(_items(1))

    _crawl(_items(1, sale="15.00"), at=NOON + timedelta(hours=1))

    offer = CompetitorOffer.objects.get()
    assert (offer.previous_price, offer.price) == (Decimal("20.00"), Decimal("15.00"))
    assert offer.price_changed_at == NOON + timedelta(hours=1)


def test_new_name_makes_the_offer_due_for_matching(corner: Competitor) -> None:
    _crawl(_items(1))
    CompetitorOffer.objects.update(matched_at=timezone.now())

    _crawl(_items(1, price="18.00"), at=NOON + timedelta(hours=1))
    assert CompetitorOffer.objects.get().matched_at is not None

    _crawl(_items(1, price="18.00", name="Blue Dream"), at=NOON + timedelta(hours=2))
    assert CompetitorOffer.objects.get().matched_at is None


def test_observations_of_a_matched_offer_name_its_product(corner: Competitor) -> None:
    _crawl(_items(1))
    product = ProductFactory.create()
    CompetitorOffer.objects.update(product=product)

    _crawl(_items(1, price="18.00"), at=NOON + timedelta(hours=1))

    assert PriceHistory.objects.latest("scraped_at").product == product


def test_observation_waits_for_a_match_in_progress_and_names_its_product(
    corner: Competitor,
) -> None:
    _crawl(_items(1))
    product = ProductFactory.create()

    def crawl_elsewhere() -> None:
        try:
            _crawl(_items(1, price="18.00"), at=NOON + timedelta(hours=1))
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            CompetitorOffer.objects.update(product=product)
            crawl = pool.submit(crawl_elsewhere)
            with pytest.raises(TimeoutError):
                crawl.result(timeout=2)
        crawl.result(timeout=30)

    assert PriceHistory.objects.latest("scraped_at").product == product


def test_older_page_changes_nothing(corner: Competitor) -> None:
    _crawl(_items(1))

    _crawl(_items(1, price="18.00"), at=NOON - timedelta(hours=1))

    assert CompetitorOffer.objects.get().regular_price == Decimal("20.00")
    assert PriceHistory.objects.count() == 1


def test_page_read_differently_corrects_its_observation(corner: Competitor) -> None:
    _crawl(_items(1))

    _crawl(_items(1, price="2.00"), accept=True)

    assert PriceHistory.objects.get().price == Decimal("2.00")


def test_offer_is_gone_after_three_complete_crawls_without_it(corner: Competitor) -> None:
    _crawl(_items(2))
    for day in (1, 2):
        assert _crawl(_items(1), at=NOON + timedelta(days=day)).gone == 0
    assert CompetitorOffer.objects.get(external_id="v-1").missed_crawls == 2

    run = _crawl(_items(1), at=NOON + timedelta(days=3))

    assert run.gone == 1
    assert CompetitorOffer.objects.get(external_id="v-1").gone_at is not None
    assert _changes() == [["gone"]]


def test_partial_crawl_counts_no_offer_as_missed(corner: Competitor) -> None:
    pages = {"/page-0001": _items(1), "/page-0002": [{"id": "v-9", "price": "9.00"}]}
    _crawl(pages)

    _crawl(pages, at=NOON + timedelta(days=1), limit=1)

    assert CompetitorOffer.objects.get(external_id="v-9").missed_crawls == 0


def test_crawl_in_between_resets_the_count(corner: Competitor) -> None:
    for day, count in enumerate((2, 1, 1, 2, 1, 1)):
        _crawl(_items(count), at=NOON + timedelta(days=day))

    offer = CompetitorOffer.objects.get(external_id="v-1")
    assert (offer.missed_crawls, offer.gone_at) == (2, None)


def test_offer_listed_again_is_back_in_stock(corner: Competitor) -> None:
    for day, count in enumerate((2, 1, 1, 1)):
        _crawl(_items(count), at=NOON + timedelta(days=day))

    _crawl(_items(2), at=NOON + timedelta(days=4))

    offer = CompetitorOffer.objects.get(external_id="v-1")
    assert (offer.missed_crawls, offer.gone_at) == (0, None)
    assert offer.restocked_at == NOON + timedelta(days=4)
    assert _changes() == [["gone"], ["back_in_stock"]]


def test_end_of_a_crawl_that_is_repeated_counts_once(corner: Competitor) -> None:
    _crawl(_items(2))

    def end_and_die(**arguments: Any) -> int:
        conclude_crawl(**arguments)
        raise KeyboardInterrupt

    killed = _pipeline({"/page-0001": _items(1)}, NOON + timedelta(days=1))
    with pytest.raises(KeyboardInterrupt):
        run_source(replace(killed, conclude=end_and_die), code=SOURCE)

    assert process_landed_runs(killed) == 1
    assert CompetitorOffer.objects.get(external_id="v-1").missed_crawls == 1


def test_locations_have_offers_of_their_own(corner: Competitor) -> None:
    for platform_id in ("east", "west"):
        CompetitorLocationFactory.create(competitor=corner, platform_id=platform_id)

    run = _crawl({"east/page-0001": _items(2), "west/page-0001": _items(2, price="30.00")})

    assert (run.new, run.repeated, run.rejected) == (4, 0, 0)
    assert CompetitorOffer.objects.filter(location__platform_id="west").count() == 2


def test_offers_of_a_location_that_was_not_crawled_are_not_missed(corner: Competitor) -> None:
    for platform_id in ("east", "west"):
        CompetitorLocationFactory.create(competitor=corner, platform_id=platform_id)
    _crawl({"east/page-0001": _items(2), "west/page-0001": _items(2)})

    _crawl({"east/page-0001": _items(1)}, at=NOON + timedelta(days=1))

    missed = CompetitorOffer.objects.filter(missed_crawls=1)
    assert [(o.location and o.location.platform_id, o.external_id) for o in missed] == [
        ("east", "v-1")
    ]


def test_equal_records_with_one_id_leave_one_offer(corner: Competitor) -> None:
    run = _crawl({"/page-0001": _items(2), "/page-0002": _items(1)})

    assert (run.read, run.new, run.repeated, run.rejected) == (3, 2, 1, 0)


def test_records_with_one_id_and_two_prices_are_refused_with_the_prices(
    corner: Competitor,
) -> None:
    run = _crawl([*_items(2), {"id": "v-1", "price": "19.00"}])

    record = QuarantinedRecord.objects.order_by("id").first()
    assert (run.new, run.rejected, CompetitorOffer.objects.count()) == (1, 2, 1)
    assert record is not None
    assert record.reason == (
        "the id v-1 stands on 2 records with different regular_price (21.00, 19.00)"
    )


def test_offer_with_two_prices_is_listed_and_not_observed(corner: Competitor) -> None:
    _crawl(_items(2))

    _crawl([*_items(2), {"id": "v-1", "price": "19.00"}], at=NOON + timedelta(days=1))

    offer = CompetitorOffer.objects.get(external_id="v-1")
    assert (offer.missed_crawls, offer.last_seen_at, offer.history.count()) == (0, NOON, 1)


def test_refused_record_is_listed_and_not_observed(corner: Competitor) -> None:
    _crawl(_items(2))

    run = _crawl([*_items(1), {"id": "v-1"}], at=NOON + timedelta(days=1))

    offer = CompetitorOffer.objects.get(external_id="v-1")
    assert run.rejected == 1
    assert (offer.missed_crawls, offer.last_seen_at, offer.history.count()) == (0, NOON, 1)


@pytest.mark.parametrize(
    "menu",
    [[], _items(5), _items(12, price="99.00"), [{"id": f"v-{n}"} for n in range(12)]],
    ids=["empty", "halved", "prices jump", "without prices"],
)
def test_implausible_crawl_changes_nothing(corner: Competitor, menu: list[Item]) -> None:
    _crawl(_items(12))
    before = list(CompetitorOffer.objects.order_by("pk").values())

    with pytest.raises(FeedSuspicious):
        _crawl(menu, at=NOON + timedelta(days=1))

    assert list(CompetitorOffer.objects.order_by("pk").values()) == before
    assert (PriceHistory.objects.count(), OutboxEvent.objects.count()) == (12, 0)


def test_location_that_loses_its_offers_is_implausible(corner: Competitor) -> None:
    for platform_id in ("east", "west"):
        CompetitorLocationFactory.create(
            competitor=corner, platform_id=platform_id, name=platform_id
        )
    _crawl({"east/page-0001": _items(30), "west/page-0001": _items(10)})

    with pytest.raises(FeedSuspicious, match=r"10 of 10 offers of .*, west, would be missing"):
        _crawl({"east/page-0001": _items(30), "west/page-0001": []}, at=NOON + timedelta(days=1))


def test_first_crawl_of_an_empty_menu_is_refused(corner: Competitor) -> None:
    with pytest.raises(FeedSuspicious, match="is empty"):
        _crawl([])


def test_good_crawl_sets_the_usual_number_of_offers(corner: Competitor) -> None:
    for day, count in enumerate((4, 6, 5)):
        _crawl(_items(count), at=NOON + timedelta(days=day))

    corner.refresh_from_db()
    assert corner.usual_offers == 5
    assert corner.last_good_crawl_at is not None


def test_preview_shows_changed_values_and_writes_nothing(corner: Competitor) -> None:
    _crawl(_items(1))
    source: Any = _MenuSource({"/page-0001": _items(1, price="18.00")}, NOON)
    (page,) = source.fetch(None, limit=None)

    differences = preview_offers(
        listings=[clean_offer(read_offer(record)) for record in source.parse([page])]
    )

    assert [(d.key, d.before, d.after) for d in differences] == [
        ("v-0", {"regular_price": "20"}, {"regular_price": "18"})
    ]
    assert CompetitorOffer.objects.get().regular_price == Decimal("20.00")


@pytest.mark.parametrize(
    "change", [{"is_tax_included": True}, {"province": "AB"}, {"language": "fr"}], ids=str
)
def test_settings_that_pages_are_read_by_change_the_version(
    corner: Competitor, change: dict[str, Any]
) -> None:
    before = pipeline_version(SOURCE)
    assert pipeline_version(SOURCE) == before

    Competitor.objects.update(**change)

    assert pipeline_version(SOURCE) != before


def test_province_of_a_location_changes_the_version(corner: Competitor) -> None:
    location = CompetitorLocationFactory.create(competitor=corner)
    before = pipeline_version(SOURCE)

    corner.locations.filter(pk=location.pk).update(province="BC")

    assert pipeline_version(SOURCE) != before


def test_checksum_follows_the_content(corner: Competitor) -> None:
    first = _crawl(_items(2)).checksum_out

    same = _crawl(_items(2), at=NOON + timedelta(hours=1)).checksum_out
    changed = _crawl(_items(2, stock="low"), at=NOON + timedelta(hours=2)).checksum_out

    assert first == same != changed
