"""Alerts about prices: one for each product and kind, closed when its cause is gone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Product
from competitors.models import CompetitorOffer, MinimumPrice, PriceGuardSettings
from competitors.services import price_alerts
from competitors.services.price_alerts import refresh_price_alerts
from mlops.models import Alert
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.competitors import CompetitorOfferFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HOUR = timedelta(hours=1)


@pytest.fixture
def product() -> Product:
    return ProductFactory.create(
        name="Pink Kush", price=Decimal("30.00"), weight_grams=Decimal("3.5")
    )


def _offer(product: Product, price: str, **fields: Any) -> CompetitorOffer:
    status = CompetitorOffer.MatchStatus.CONFIRMED
    return CompetitorOfferFactory.create(
        **{"product": product, "regular_price": Decimal(price), "match_status": status, **fields}
    )


def _open(code: str) -> list[Alert]:
    return list(Alert.objects.filter(code=code, closed_at=None))


def test_price_far_below_ours_is_one_alert_that_names_the_figures(product: Product) -> None:
    _offer(product, "24.00")
    _offer(product, "27.00")

    for _ in range(2):
        refresh_price_alerts()

    (alert,) = _open("price_undercut")
    assert (alert.subject, alert.severity) == (str(product.pk), "warning")
    assert "24.00, 20.0 % below our price of 30.00" in alert.message


@pytest.mark.parametrize(
    "change",
    [
        {"net_price": Decimal("25.80")},
        {"stock": "out"},
        {"last_seen_at": NOW - 100 * HOUR},
        {"confidence": Decimal("0.5")},
        {"product": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_alert_is_closed_when_the_price_is_not_far_below_ours(
    product: Product, change: dict[str, Any]
) -> None:
    offer = _offer(product, "20.00")
    refresh_price_alerts()
    assert _open("price_undercut")

    CompetitorOffer.objects.filter(pk=offer.pk).update(**change)
    refresh_price_alerts()

    assert not _open("price_undercut")


def test_share_of_an_undercut_is_a_limit_with_dates(product: Product) -> None:
    _offer(product, "24.00")
    PriceGuardSettings.objects.create(
        effective_on=timezone.localdate(), undercut_alert_percent=Decimal("20.01")
    )

    refresh_price_alerts()

    assert not _open("price_undercut")


def test_large_change_of_a_price_is_an_alert_for_a_day(product: Product) -> None:
    _offer(
        product, "26.00", previous_price=Decimal("40.00"), price_changed_at=timezone.now() - HOUR
    )
    _offer(
        product, "26.00", previous_price=Decimal("29.00"), price_changed_at=timezone.now() - HOUR
    )

    refresh_price_alerts()

    (alert,) = _open("price_jump")
    assert "went from 40.00 to 26.00 (-35.0 %)" in alert.message

    CompetitorOffer.objects.update(last_seen_at=timezone.now() + 24 * HOUR)
    refresh_price_alerts(now=timezone.now() + 24 * HOUR)
    assert not _open("price_jump")


def test_product_that_no_competitor_had_is_back_in_stock(product: Product) -> None:
    _offer(product, "28.00", restocked_at=timezone.now() - HOUR)
    _offer(product, "28.00", stock="out")

    refresh_price_alerts()

    (alert,) = _open("competitor_restocked")
    assert alert.message.startswith("Pink Kush: back in stock at ")


def test_product_that_another_competitor_had_is_not_news(product: Product) -> None:
    _offer(product, "28.00", restocked_at=timezone.now() - HOUR)
    _offer(product, "28.00")

    refresh_price_alerts()

    assert not _open("competitor_restocked")


def _minimum(amount: str, **fields: Any) -> None:
    values = {
        "province": "ON",
        "category": "",
        "basis": "package",
        "effective_on": timezone.localdate() - timedelta(days=30),
        **fields,
    }
    MinimumPrice.objects.create(amount=Decimal(amount), source="test", **values)


def test_our_price_below_a_provincial_minimum_is_an_error(product: Product) -> None:
    StoreFactory.create(province="ON")
    _minimum("9.00", basis="gram")

    refresh_price_alerts()

    (alert,) = _open("price_below_minimum")
    assert alert.severity == "error"
    assert "30.00 without tax is below the minimum of 31.50 in Ontario" in alert.message

    Product.objects.update(price=Decimal("31.50"))
    refresh_price_alerts()
    assert not _open("price_below_minimum")


@pytest.mark.parametrize(
    "minimum",
    [
        {"province": "AB"},
        {"category": "vapes"},
        {"effective_on": timezone.localdate() + timedelta(days=1)},
        {"expires_on": timezone.localdate() - timedelta(days=1)},
    ],
    ids=lambda minimum: next(iter(minimum)),
)
def test_minimum_that_does_not_apply_is_no_alert(product: Product, minimum: dict[str, Any]) -> None:
    StoreFactory.create(province="ON")
    _minimum("40.00", **minimum)

    refresh_price_alerts()

    assert not _open("price_below_minimum")


def test_newer_minimum_replaces_an_older_one(product: Product) -> None:
    StoreFactory.create(province="ON")
    _minimum("40.00")
    _minimum("20.00", effective_on=timezone.localdate())

    refresh_price_alerts()

    assert not _open("price_below_minimum")


def test_our_price_with_tax_is_compared_without(product: Product, settings: Any) -> None:
    settings.OWN_PRICES_INCLUDE_TAX_IN = frozenset({"ON"})
    StoreFactory.create(province="ON")
    _minimum("27.00")

    refresh_price_alerts()

    (alert,) = _open("price_below_minimum")
    assert "26.55 without tax is below the minimum of 27.00" in alert.message


def test_number_of_open_alerts_of_a_kind_is_limited_to_the_most_severe(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_alerts, "MAX_OPEN_ALERTS", 1)
    _offer(product, "24.00")
    worse = ProductFactory.create(price=Decimal("30.00"))
    _offer(worse, "15.00")

    refresh_price_alerts()
    assert [alert.subject for alert in _open("price_undercut")] == [str(worse.pk)]

    CompetitorOffer.objects.filter(product=worse).update(gone_at=timezone.now())
    refresh_price_alerts()
    assert [alert.subject for alert in _open("price_undercut")] == [str(product.pk)]
