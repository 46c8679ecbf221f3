"""Competitors' prices over REST: contents, pages, errors, permissions, cache."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product
from competitors.api.price_cache import COMPETITOR_PRICE_CACHE
from competitors.models import CompetitorOffer
from config.api.keys import ApiKey
from config.cache import invalidation
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import (
    CompetitorFactory,
    CompetitorLocationFactory,
    CompetitorOfferFactory,
    PriceHistoryFactory,
)
from tests.integration.catalog.test_products_api import create_api_client
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
POSITIONS = "/api/v1/price-position/"


@pytest.fixture
def client() -> APIClient:
    return create_api_client("staff", ("prices:read",), rate="6000/min")


@pytest.fixture
def product() -> Product:
    return ProductFactory.create(name="Pink Kush", price=Decimal("30.00"))


@pytest.fixture
def listening() -> Iterator[None]:
    """Start the listener for changes, with which caches are used."""
    COMPETITOR_PRICE_CACHE.clear_local()
    wait_until(invalidation.is_listening)
    yield
    invalidation.stop()


def _offer(product: Product, price: str = "25.00", **fields: Any) -> CompetitorOffer:
    status = CompetitorOffer.MatchStatus.CONFIRMED
    return CompetitorOfferFactory.create(
        **{"product": product, "regular_price": Decimal(price), "match_status": status, **fields}
    )


def _prices(product: Product) -> str:
    return f"/api/v1/products/{product.pk}/competitor-prices/"


def _history(product: Product) -> str:
    return f"/api/v1/products/{product.pk}/price-history/"


def test_prices_of_a_product_come_with_our_position(client: APIClient, product: Product) -> None:
    offer = _offer(product, "24.00", weight_grams=Decimal("3.5"), sale_price=Decimal("21.00"))
    _offer(product, "40.00")

    body = client.get(_prices(product)).json()

    assert body["position"]["median_price"] == "30.50"
    first = body["results"][0]
    assert (first["offer_id"], first["price"], first["regular_price"]) == (
        str(offer.pk),
        "21.00",
        "24.00",
    )
    assert (first["price_per_gram"], first["is_evidence"]) == ("6.0000", True)


def test_offer_without_net_price_has_no_unit_prices(client: APIClient, product: Product) -> None:
    _offer(product, net_price=None, is_tax_included=None)

    (offer,) = client.get(_prices(product)).json()["results"]

    assert (offer["price_per_gram"], offer["is_evidence"]) == (None, False)


def test_id_of_a_merged_product_returns_the_offers_of_both(
    client: APIClient, product: Product
) -> None:
    merged = ProductFactory.create(merged_into=product)
    _offer(merged)

    body = client.get(_prices(merged)).json()

    assert (body["product_id"], len(body["results"])) == (str(product.pk), 1)


def test_key_of_a_province_receives_the_offers_there(product: Product) -> None:
    client = create_api_client("staff", ("prices:read",))
    ApiKey.objects.update(provinces=["AB"])
    _offer(product, "25.00", competitor=CompetitorFactory.create(province="ON"))
    _offer(product, "26.00", competitor=CompetitorFactory.create(province="AB"))

    body = client.get(_prices(product)).json()

    assert [offer["price"] for offer in body["results"]] == ["26.00"]
    assert body["position"]["competitor_count"] == 1
    assert client.get(POSITIONS).json()["results"][0]["median_price"] == "26.00"
    assert client.get(POSITIONS, {"province": "ON"}).json()["errors"][0]["field"] == "province"


@pytest.mark.usefixtures("listening")
def test_prices_are_cached_until_one_is_observed(client: APIClient, product: Product) -> None:
    offer = _offer(product)
    client.get(_prices(product))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(_prices(product))
    assert not [q for q in queries if "competitor_offers" in q["sql"]]

    CompetitorOffer.objects.filter(pk=offer.pk).update(
        net_price=Decimal("19.00"), content_hash="1" * 64
    )

    wait_until(lambda: client.get(_prices(product)).json()["position"]["min_price"] == "19.00")


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("change", ["observed", "gone", "unmatched", "own price"])
def test_each_change_of_prices_drops_the_cached_ones(
    client: APIClient, product: Product, change: str
) -> None:
    offer = _offer(product)
    etag = client.get(_prices(product)).headers["ETag"]
    rows = CompetitorOffer.objects.filter(pk=offer.pk)

    key = f" {product.pk}"
    assert COMPETITOR_PRICE_CACHE.get_local(key) is not None

    if change == "observed":
        PriceHistoryFactory.create(product=product, offer=offer)
    elif change == "gone":
        rows.update(gone_at=timezone.now())
    elif change == "unmatched":
        rows.update(product=None, match_status="unmatched")
    else:
        Product.objects.update(price=Decimal("31.00"))

    wait_until(lambda: COMPETITOR_PRICE_CACHE.get_local(key) is None)
    is_same = client.get(_prices(product)).headers["ETag"] == etag
    assert is_same is (change == "observed")


def test_unchanged_prices_are_not_sent_again(client: APIClient, product: Product) -> None:
    _offer(product)
    response = client.get(_prices(product))

    again = client.get(_prices(product), HTTP_IF_NONE_MATCH=response.headers["ETag"])

    assert (again.status_code, again.content) == (304, b"")
    assert response.headers["Cache-Control"] == "private, no-cache"


def test_history_has_a_point_for_each_step_and_competitor(
    client: APIClient, product: Product
) -> None:
    for day, price in ((2, "30.00"), (3, "28.00")):
        PriceHistoryFactory.create(
            product=product,
            competitor="high-street",
            price=Decimal(price),
            scraped_at=datetime(2026, 11, day, 12, tzinfo=UTC),
        )

    body = client.get(
        _history(product), {"from": "2026-11-01", "to": "2026-11-30", "step": "week"}
    ).json()

    (point,) = body["results"]
    assert (body["start_date"], body["end_date"], body["step"]) == (
        "2026-11-01",
        "2026-11-30",
        "week",
    )
    assert (point["min_price"], point["max_price"], point["last_price"]) == (
        "28.00",
        "30.00",
        "28.00",
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from"),
        ({"from": "2020-01-01", "to": "2026-11-01"}, "from"),
        ({"step": "hour"}, "step"),
        ({"steps": "day"}, "steps"),
    ],
)
def test_history_names_the_parameter_that_is_not_valid(
    client: APIClient, product: Product, query: dict[str, str], field: str
) -> None:
    response = client.get(_history(product), query)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sort": "size"}, "sort"),
        ({"category": "vapes,hats"}, "category"),
        ({"position": "beside"}, "position"),
        ({"province": "XX"}, "province"),
        ({"location_id": "7"}, "location_id"),
        ({"cursor": "x"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"brand": "\x00"}, "brand"),
        ({"flavor": "mint"}, "flavor"),
    ],
)
def test_positions_name_the_parameter_that_is_not_valid(
    client: APIClient, query: dict[str, str], field: str
) -> None:
    response = client.get(POSITIONS, query)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("sort", ["name", "-index"])
def test_cursors_lead_forth_and_back(client: APIClient, sort: str) -> None:
    for number in range(5):
        product = ProductFactory.create(name=f"Product {number}", price=Decimal(30))
        if number:
            _offer(product, f"{20 + number}.00")
    query = {"sort": sort, "limit": "2"}
    pages = [client.get(POSITIONS, query).json()]

    while cursor := pages[-1]["next_cursor"]:
        pages.append(client.get(POSITIONS, {**query, "cursor": cursor}).json())
    back = client.get(POSITIONS, {**query, "cursor": pages[-1]["previous_cursor"]}).json()

    names = [row["name"] for page in pages for row in page["results"]]
    assert sorted(names) == [f"Product {number}" for number in range(5)]
    assert [len(page["results"]) for page in pages] == [2, 2, 1]
    assert back["results"] == pages[1]["results"]


def test_cursor_of_another_sort_is_refused(client: APIClient) -> None:
    for _ in range(2):
        ProductFactory.create()
    cursor = client.get(POSITIONS, {"limit": "1"}).json()["next_cursor"]

    response = client.get(POSITIONS, {"limit": "1", "sort": "-index", "cursor": cursor})

    assert (response.status_code, response.json()["type"]) == (
        400,
        "urn:cultivar:problem:invalid_cursor",
    )


def test_positions_are_filtered(client: APIClient, product: Product) -> None:
    competitor = CompetitorFactory.create()
    location = CompetitorLocationFactory.create(competitor=competitor)
    _offer(product, "25.00", competitor=competitor, location=location)
    ProductFactory.create(name="Vape", brand="Other", category="vapes", price=Decimal(20))

    def names(**query: str) -> list[str]:
        return [row["name"] for row in client.get(POSITIONS, query).json()["results"]]

    assert names(position="above") == ["Pink Kush"]
    assert names(position="none") == ["Vape"]
    assert names(category="vapes,edibles", brand="Other") == ["Vape"]
    assert names(position="above", location_id=str(location.pk)) == ["Pink Kush"]
    assert names(position="above", competitor="elsewhere") == []


def test_competitors_come_with_state_offers_and_locations(
    client: APIClient, product: Product
) -> None:
    competitor = CompetitorFactory.create(status="blocked", status_reason="a challenge page")
    CompetitorLocationFactory.create(competitor=competitor, name="Queen West")
    _offer(product, competitor=competitor)
    _offer(product, competitor=competitor, gone_at=timezone.now())

    (row,) = client.get("/api/v1/competitors/").json()["results"]

    assert (row["status"], row["status_reason"], row["offer_count"]) == (
        "blocked",
        "a challenge page",
        1,
    )
    assert [location["name"] for location in row["locations"]] == ["Queen West"]


@pytest.mark.parametrize(
    ("audience", "scopes"), [("verified", ("prices:read",)), ("staff", ("catalog:read",))]
)
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/competitors/",
        POSITIONS,
        "/api/v1/products/0d2f7d4a-6a43-4a38-9f3d-1f4f6a2b7c11/competitor-prices/",
        "/api/v1/products/0d2f7d4a-6a43-4a38-9f3d-1f4f6a2b7c11/price-history/",
    ],
)
def test_prices_need_a_staff_key_with_the_scope(
    audience: str, scopes: tuple[str, ...], path: str
) -> None:
    assert create_api_client(audience, scopes).get(path).status_code == 403


@pytest.mark.parametrize("path", ["competitor-prices", "price-history"])
def test_unknown_product_is_not_found(client: APIClient, path: str) -> None:
    unknown = "0d2f7d4a-6a43-4a38-9f3d-1f4f6a2b7c11"

    assert client.get(f"/api/v1/products/{unknown}/{path}/").status_code == 404
    assert client.get(f"/api/v1/products/7/{path}/").status_code == 400


def test_age_of_evidence_is_read_each_time(client: APIClient, product: Product) -> None:
    _offer(product, last_seen_at=timezone.now() - timedelta(hours=73))

    assert client.get(POSITIONS).json()["results"][0]["position"] == "none"
