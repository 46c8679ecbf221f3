"""Fixtures of competitors: a server of sample shops, and a competitor that it serves."""

import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Product
from competitors.models import Competitor, CompetitorOffer
from tests.factories.catalog import ProductFactory, StoreFactory, SupplierListingFactory
from tests.factories.competitors import (
    CompetitorFactory,
    CompetitorLocationFactory,
    CompetitorOfferFactory,
)
from tests.samples.competitors.server import SampleShops
from tests.samples.competitors.shops import SHOPS, sample_shops

DAY = date(2026, 3, 2)
MAX_ITEMS = 230
"""Three pages of a Weedmaps menu."""


@pytest.fixture
def shops() -> Iterator[SampleShops]:
    """The sample shops on a free port, with the prices of one day."""
    yield from serve(SampleShops(sample_shops(lambda: DAY, max_items=MAX_ITEMS)))


@pytest.fixture
def lakeside(shops: SampleShops) -> Competitor:
    """A competitor with a Weedmaps menu of several pages, crawled at full speed."""
    return create_competitor(shops, "lakeside")


@pytest.fixture
def product() -> Product:
    """A product that costs 20, sells for 30 in Ontario, and has two fresh offers."""
    StoreFactory.create(province="ON")
    product = ProductFactory.create(price=Decimal("30.00"), category="dried_flower")
    SupplierListingFactory.create(
        merge_key=product.merge_key, price=Decimal("20.00"), price_kind="wholesale"
    )
    for price in ("28.00", "31.00"):
        create_confirmed_offer(product, regular_price=Decimal(price))
    return product


def create_confirmed_offer(product: Product, **fields: Any) -> CompetitorOffer:
    """Return an offer that staff matched with the product; its price is without tax."""
    values: dict[str, Any] = {
        "product": product,
        "match_status": CompetitorOffer.MatchStatus.CONFIRMED,
        "is_tax_included": False,
        **fields,
    }
    return CompetitorOfferFactory.create(**values)


def serve(server: SampleShops) -> Iterator[SampleShops]:
    """Run a server in a thread while the generator is open."""
    # The short interval of polling lets `shutdown` return at once.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.release()
    server.shutdown()


def create_competitor(shops: SampleShops, code: str) -> Competitor:
    """Return the competitor of a sample shop."""
    shop = next(shop for shop in SHOPS if shop.code == code)
    competitor = CompetitorFactory.create(
        code=code,
        name=shop.name,
        platform=shop.platform,
        base_url=f"{shops.url}/{code}",
        requests_per_minute=6_000,
        options={"currency": "CAD"},
    )
    if shop.location:
        CompetitorLocationFactory.create(
            competitor=competitor, platform_id=shop.location, name=shop.name
        )
    return competitor
