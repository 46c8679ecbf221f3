"""Price position: our prices beside fresh, confident ones; series; gaps in the assortment."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from catalog.models import Product
from competitors.models import CompetitorOffer
from competitors.selectors.assortment_gaps import products_not_carried, products_only_ours
from competitors.selectors.competitor_prices import competitor_prices, product_with_merged
from competitors.selectors.price_position import (
    SORTS,
    Keyset,
    Position,
    PositionFilters,
    PricePosition,
    count_positions,
    price_position,
    price_positions,
)
from competitors.selectors.price_series import price_series
from tests.factories.catalog import ProductFactory, StoreFactory, StoreStockFactory
from tests.factories.competitors import (
    CompetitorFactory,
    CompetitorLocationFactory,
    CompetitorOfferFactory,
    PriceHistoryFactory,
)

pytestmark = pytest.mark.django_db
Status = CompetitorOffer.MatchStatus


@pytest.fixture
def product() -> Product:
    return ProductFactory.create(name="Pink Kush", price=Decimal("30.00"))


def _offer(product: Product | None, price: str = "25.00", **fields: Any) -> CompetitorOffer:
    values = {"match_status": Status.CONFIRMED, **fields}
    return CompetitorOfferFactory.create(product=product, regular_price=Decimal(price), **values)


def _position(product: Product, **filters: Any) -> PricePosition:
    (found,) = price_positions(PositionFilters(product_ids=[product.pk], **filters))
    return found


def test_position_has_minimum_median_maximum_rank_and_index(product: Product) -> None:
    for price in ("20.00", "25.00", "40.00", "50.00"):
        _offer(product, price)

    position = _position(product)

    assert (position.min_price, position.median_price, position.max_price) == (
        Decimal("20.00"),
        Decimal("32.50"),
        Decimal("50.00"),
    )
    assert (position.rank, position.index, position.position) == (3, Decimal("0.9231"), "below")


@pytest.mark.parametrize(
    ("price", "expected"),
    [("25.00", "above"), ("29.75", "at"), ("30.30", "at"), ("31.00", "below")],
)
def test_position_is_at_within_one_percent(
    product: Product, price: str, expected: Position
) -> None:
    _offer(product, price)

    assert _position(product).position == expected
    assert [row.product_id for row in price_positions(PositionFilters(position=expected))] == [
        product.pk
    ]
    assert count_positions()[expected] == 1


def test_competitor_with_several_locations_counts_once_by_its_lowest_price(
    product: Product,
) -> None:
    chain = CompetitorFactory.create()
    for price in ("20.00", "22.00", "24.00"):
        location = CompetitorLocationFactory.create(competitor=chain)
        _offer(product, price, competitor=chain, location=location)
    _offer(product, "40.00")

    position = _position(product)

    assert (position.competitors, position.median_price) == (2, Decimal("30.00"))


@pytest.mark.parametrize(
    "change",
    [
        {"last_seen_at": timezone.now() - timedelta(hours=73)},
        {"confidence": Decimal("0.79")},
        {"match_status": Status.PROPOSED},
        {"stock": "out"},
        {"gone_at": timezone.now()},
        {"net_price": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_offer_that_is_no_evidence_gives_no_position(
    product: Product, change: dict[str, Any]
) -> None:
    _offer(product, **change)

    position = _position(product)

    assert (position.competitors, position.position, position.rank) == (0, "none", None)


def test_offer_of_a_merged_product_counts_for_its_survivor(product: Product) -> None:
    _offer(ProductFactory.create(merged_into=product), "20.00")

    assert _position(product).min_price == Decimal("20.00")
    assert len(price_positions()) == 1


def test_our_price_is_compared_without_tax(product: Product, settings: Any) -> None:
    settings.OWN_PRICES_INCLUDE_TAX_IN = frozenset({"ON"})
    StoreFactory.create(province="ON")
    Product.objects.update(price=Decimal("33.90"))
    _offer(product, "30.00")

    position = _position(product)

    assert (position.own_price, position.own_net_price, position.position) == (
        Decimal("33.90"),
        Decimal("30.00"),
        "at",
    )
    assert _position(product, province="AB").own_net_price is None


def test_product_without_our_price_has_no_position(product: Product) -> None:
    Product.objects.update(price=None)
    _offer(product, "30.00")

    position = _position(product)

    assert (position.median_price, position.position) == (Decimal("30.00"), "none")
    assert (position.rank, position.difference) == (None, None)


def test_filters_select_offers_and_products(product: Product) -> None:
    east, west = CompetitorFactory.create(province="ON"), CompetitorFactory.create(province="ON")
    calgary = CompetitorLocationFactory.create(competitor=west, province="AB")
    _offer(product, "20.00", competitor=east)
    _offer(product, "40.00", competitor=west, location=calgary)
    ProductFactory.create(name="Wedding Cake", brand="Other", category="vapes")

    assert _position(product, province="AB").median_price == Decimal("40.00")
    assert _position(product, competitor=east.code).median_price == Decimal("20.00")
    assert _position(product, location=calgary.pk).median_price == Decimal("40.00")
    assert [row.name for row in price_positions(PositionFilters(brand="Other"))] == ["Wedding Cake"]
    assert [row.name for row in price_positions(PositionFilters(categories=["vapes"]))] == [
        "Wedding Cake"
    ]
    assert [row.name for row in price_positions(PositionFilters(search="kush"))] == ["Pink Kush"]
    assert price_positions(PositionFilters(search="_ink%")) == []


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_pages_hold_each_row_once_in_the_order_of_the_whole(sort: str) -> None:
    for number in range(7):
        price = None if number == 3 else Decimal(30 + number % 3)
        product = ProductFactory.create(name=f"Product {number % 4}", price=price)
        if number % 2:
            _offer(product, f"{20 + number // 3}.00")
    column = sort.removeprefix("-")

    rows: list[PricePosition] = []
    page = Keyset(limit=2)
    while found := price_positions(sort=sort, page=page):
        rows += found
        page = Keyset(limit=2, after=(found[-1].sort_value(column), found[-1].product_id))

    everything = price_positions(sort=sort)
    assert rows == everything
    assert len({row.product_id for row in rows}) == 7

    last = rows[-1]
    before = Keyset(limit=2, after=(last.sort_value(column), last.product_id), is_backward=True)
    assert price_positions(sort=sort, page=before) == everything[-3:-1][::-1]


def test_position_of_an_unknown_product_is_none() -> None:
    assert price_position(UUID(int=0)) is None


def test_series_has_the_prices_of_each_step_and_competitor(product: Product) -> None:
    for day, hour, competitor, price in (
        (2, 12, "a", "30.00"),
        (2, 20, "a", "28.00"),
        (4, 12, "a", "29.00"),
        (4, 12, "b", "31.00"),
        (12, 12, "a", "27.00"),
    ):
        PriceHistoryFactory.create(
            product=product,
            competitor=competitor,
            price=Decimal(price),
            scraped_at=datetime(2026, 11, day, hour, tzinfo=UTC),
        )

    weeks = price_series([product.pk], start=date(2026, 11, 1), end=date(2026, 11, 30), step="week")
    days = price_series([product.pk], start=date(2026, 11, 2), end=date(2026, 11, 4))

    assert [(p.start.day, p.competitor, p.min_price, p.max_price, p.last_price) for p in weeks] == [
        (2, "a", Decimal("28.00"), Decimal("30.00"), Decimal("29.00")),
        (2, "b", Decimal("31.00"), Decimal("31.00"), Decimal("31.00")),
        (9, "a", Decimal("27.00"), Decimal("27.00"), Decimal("27.00")),
    ]
    assert [(p.start.day, p.competitor, p.observations) for p in days] == [
        (2, "a", 2),
        (4, "a", 1),
        (4, "b", 1),
    ]


def test_series_of_a_product_includes_those_merged_into_it(product: Product) -> None:
    merged = ProductFactory.create(merged_into=product)
    PriceHistoryFactory.create(product=merged, scraped_at=datetime(2026, 11, 2, 12, tzinfo=UTC))

    ids = product_with_merged(product)

    assert len(price_series(ids, start=date(2026, 11, 1), end=date(2026, 11, 30))) == 1


def test_prices_of_a_product_come_with_unit_prices_cheapest_first(product: Product) -> None:
    dear = _offer(product, "28.00", weight_grams=Decimal("3.5"))
    cheap = _offer(product, "21.00", confidence=Decimal("0.5"))
    _offer(product, gone_at=timezone.now())

    prices = competitor_prices(product.pk)

    assert [price.offer for price in prices] == [cheap, dear]
    assert [price.is_evidence for price in prices] == [False, True]
    assert prices[1].unit_prices is not None
    assert prices[1].unit_prices.per_gram == Decimal("8.0000")


@pytest.fixture
def stocked() -> Product:
    """Return a product in stock in an Ontario store."""
    product = ProductFactory.create(name="Stocked")
    StoreStockFactory.create(store=StoreFactory.create(province="ON"), product=product, quantity=3)
    return product


def test_gaps_are_what_others_sell_and_our_stores_do_not_have(
    product: Product, stocked: Product
) -> None:
    _offer(product, "25.00")
    _offer(stocked, "25.00")
    for competitor in (CompetitorFactory.create(), CompetitorFactory.create()):
        for brand in ("Tweed", "TWEED"):
            _offer(
                None,
                "10.00",
                name="Bakerstreet",
                brand=brand,
                competitor=competitor,
                match_status=Status.UNMATCHED,
            )
    _offer(None, match_status=Status.PROPOSED)

    gaps = products_not_carried()

    assert [(gap.product_id, gap.name, gap.competitors, gap.offers) for gap in gaps] == [
        (None, "Bakerstreet", 2, 4),
        (product.pk, "Pink Kush", 1, 1),
    ]


def test_gaps_of_a_province_are_of_its_competitors_and_stores(stocked: Product) -> None:
    _offer(stocked, competitor=CompetitorFactory.create(province="AB"))

    assert [gap.product_id for gap in products_not_carried(province="AB")] == [stocked.pk]
    assert products_not_carried(province="ON") == []


def test_products_only_ours_are_in_stock_and_listed_by_no_one(
    product: Product, stocked: Product
) -> None:
    assert [row.product_id for row in products_only_ours()] == [stocked.pk]

    _offer(ProductFactory.create(merged_into=stocked), "25.00", net_price=None)

    assert products_only_ours() == []
