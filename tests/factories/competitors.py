"""Factories of competitors' offers."""

from decimal import Decimal

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from competitors.models import PriceHistory
from tests.factories.catalog import ProductFactory


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
