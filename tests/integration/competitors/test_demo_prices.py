"""Made-up prices of demonstration shops: plausible, repeatable, never of a real shop."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from competitors.models import Competitor, CompetitorOffer, PriceHistory
from tests.factories.competitors import CompetitorFactory, CompetitorOfferFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer() -> CompetitorOffer:
    """An offer of a shop that this computer serves."""
    competitor = CompetitorFactory.create(code="lakeside", base_url="http://127.0.0.1:8001/shop")
    return CompetitorOfferFactory.create(
        competitor=competitor, regular_price=Decimal("29.99"), is_tax_included=False
    )


def _load(*codes: str) -> None:
    call_command("load_demo_prices", *codes, "--days", "70", stdout=StringIO())


def test_offer_gets_an_observation_for_each_week(offer: CompetitorOffer) -> None:
    _load("lakeside")

    observations = list(offer.history.order_by("scraped_at"))
    assert len(observations) == 10
    assert all(o.scraped_at and o.scraped_at < offer.first_seen_at for o in observations)
    assert {found.is_tax_included for found in observations} == {False}


def test_prices_stay_around_the_price_of_today(offer: CompetitorOffer) -> None:
    _load("lakeside")

    prices = [found.regular_price for found in offer.history.all()]
    assert all(22 < price < 38 for price in prices if price)
    assert len(set(prices)) > 1


def test_loading_again_adds_nothing(offer: CompetitorOffer) -> None:
    _load("lakeside")

    _load("lakeside")

    assert PriceHistory.objects.count() == 10


@pytest.mark.parametrize("address", ["https://shop.example/menu", "http://localhost.example/"])
def test_real_shop_is_refused(offer: CompetitorOffer, address: str) -> None:
    Competitor.objects.update(base_url=address)

    with pytest.raises(CommandError, match="real shop"):
        _load("lakeside")

    assert not PriceHistory.objects.exists()


def test_unknown_shop_is_refused() -> None:
    with pytest.raises(CommandError, match="unknown"):
        _load("nowhere")
