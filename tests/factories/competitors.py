"""Factories of competitors, their offers and observations."""

from decimal import Decimal

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from competitors.models import Competitor, CompetitorLocation, CompetitorOffer, PriceHistory
from tests.factories.catalog import ProductFactory


class CompetitorFactory(DjangoModelFactory[Competitor]):
    """An enabled shop in Ontario with a Weedmaps menu."""

    class Meta:
        model = Competitor

    code = factory.Sequence(lambda number: f"shop-{number}")
    name = factory.Sequence(lambda number: f"Shop {number}")
    platform = Competitor.Platform.WEEDMAPS
    base_url = "http://127.0.0.1:9/menu"
    province = "ON"
    is_enabled = True


class CompetitorLocationFactory(DjangoModelFactory[CompetitorLocation]):
    """A location of a shop."""

    class Meta:
        model = CompetitorLocation

    competitor = factory.SubFactory(CompetitorFactory)
    platform_id = factory.Sequence(lambda number: str(1000 + number))
    name = factory.Sequence(lambda number: f"Location {number}")


class CompetitorOfferFactory(DjangoModelFactory[CompetitorOffer]):
    """An offer that was just observed, in stock at its regular price."""

    class Meta:
        model = CompetitorOffer

    competitor = factory.SubFactory(CompetitorFactory)
    external_id = factory.Sequence(lambda number: f"item-{number}")
    name = "Northern Lights"
    size = "3.5 g"
    weight_grams = Decimal("3.5")
    dried_equivalent_grams = Decimal("3.5")
    regular_price = Decimal("27.50")
    sale_price = None
    net_price = factory.LazyAttribute(
        lambda offer: offer.regular_price if offer.sale_price is None else offer.sale_price
    )
    stock = CompetitorOffer.Stock.IN_STOCK
    content_hash = "0" * 64
    last_seen_at = factory.LazyFunction(timezone.now)


class PriceHistoryFactory(DjangoModelFactory[PriceHistory]):
    """Observations of an offer that is in stock."""

    class Meta:
        model = PriceHistory

    class Params:
        sold_out = factory.Trait(in_stock=False)
        unmatched = factory.Trait(product=None)

    product = factory.SubFactory(ProductFactory)
    competitor = "shop-a"
    price = Decimal("27.50")
    in_stock = True
    scraped_at = factory.LazyFunction(timezone.now)
