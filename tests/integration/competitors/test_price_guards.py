"""Price guards: each refuses with its figures; approval sets the price and keeps the evidence."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from catalog.models import Product, ProductLock
from catalog.services.corrections import correct_products
from competitors.models import (
    CompetitorOffer,
    MinimumPrice,
    PriceApproval,
    PriceGuardSettings,
)
from competitors.services.price_guards import (
    PriceRefused,
    allowed_prices,
    approve_price,
    check_price,
    reject_price,
)
from tests.factories.catalog import ProductFactory, SupplierListingFactory

pytestmark = pytest.mark.django_db


def _refusals(product: Product, price: str) -> list[str]:
    return [result.code for result in check_price(product, Decimal(price)).refusals]


def test_price_within_all_limits_is_allowed(product: Product) -> None:
    assert _refusals(product, "29.00") == []


@pytest.mark.parametrize(
    ("price", "refusals"),
    [("19.99", ["cost", "margin", "daily_change"]), ("23.00", ["margin", "daily_change"])],
)
def test_price_below_cost_or_margin_is_refused(
    product: Product, price: str, refusals: list[str]
) -> None:
    assert _refusals(product, price) == refusals


def test_highest_current_wholesale_price_is_the_cost(product: Product) -> None:
    SupplierListingFactory.create(
        merge_key=product.merge_key, price=Decimal("26.00"), price_kind="wholesale"
    )

    assert _refusals(product, "29.00") == ["margin"]


def test_unknown_cost_is_refused() -> None:
    product = ProductFactory.create(price=Decimal(30))

    assert "cost_unknown" in _refusals(product, "30.00")


def test_minimum_price_in_force_counts_per_gram(product: Product) -> None:
    today = timezone.localdate()
    Product.objects.filter(pk=product.pk).update(weight_grams=Decimal("3.5"))
    product.refresh_from_db()
    for amount, first, last in (
        ("20.00", today - timedelta(days=60), today - timedelta(days=1)),
        ("8.50", today - timedelta(days=30), None),
        ("20.00", today + timedelta(days=1), None),
    ):
        MinimumPrice.objects.create(
            province="ON",
            category="dried_flower",
            basis="gram",
            amount=Decimal(amount),
            effective_on=first,
            expires_on=last,
            source="test",
        )

    assert _refusals(product, "29.74") == ["minimum_price"]
    assert _refusals(product, "29.75") == []


def test_minimum_price_of_an_unknown_size_is_refused(product: Product) -> None:
    Product.objects.filter(pk=product.pk).update(weight_grams=None)
    product.refresh_from_db()
    MinimumPrice.objects.create(
        province="ON", basis="gram", amount=1, effective_on=date(2020, 1, 1), source="test"
    )

    assert _refusals(product, "29.00") == ["minimum_price"]


def test_two_changes_in_a_day_count_together(product: Product, admin_user: User) -> None:
    correct_products(changes={product.pk: {"price": Decimal("28.00")}}, by=admin_user)
    product.refresh_from_db()

    assert _refusals(product, "26.90") == ["daily_change"]
    assert _refusals(product, "27.10") == []


@pytest.mark.parametrize(
    "change",
    [
        {"last_seen_at": timezone.now() - timedelta(days=30)},
        {"confidence": Decimal("0.5")},
        {"match_status": CompetitorOffer.MatchStatus.PROPOSED},
        {"stock": CompetitorOffer.Stock.OUT},
        {"is_tax_included": None},
        {"gone_at": timezone.now()},
        {"currency": "USD"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_offer_that_is_no_evidence_does_not_count(product: Product, change: dict[str, Any]) -> None:
    offer = product.competitor_offers.all()[0]
    CompetitorOffer.objects.filter(pk=offer.pk).update(**change)

    assert _refusals(product, "29.00") == ["evidence"]


def test_limits_apply_from_their_first_day(product: Product) -> None:
    today = timezone.localdate()
    PriceGuardSettings.objects.create(effective_on=today, min_margin_percent=40)
    PriceGuardSettings.objects.create(effective_on=today + timedelta(days=1), min_margin_percent=1)

    assert _refusals(product, "29.00") == ["margin"]


def test_approval_sets_and_locks_the_price_and_keeps_the_evidence(
    product: Product, admin_user: User
) -> None:
    approval = approve_price(product=product, new_price=Decimal("29.00"), by=admin_user)

    product.refresh_from_db()
    assert product.price == Decimal("29.00")
    assert ProductLock.objects.filter(product=product, field="price").exists()
    assert (approval.old_price, approval.decision) == (Decimal("30.00"), "approved")
    assert [offer["price"] for offer in approval.evidence["offers"]] == ["28.00", "31.00"]
    assert all(result["passed"] for result in approval.guard_results)


def test_refused_price_is_not_set_and_each_guard_is_explained(
    product: Product, admin_user: User
) -> None:
    with pytest.raises(PriceRefused) as refused:
        approve_price(product=product, new_price=Decimal("19.00"), by=admin_user)

    product.refresh_from_db()
    assert product.price == Decimal("30.00")
    assert dict(refused.value.errors)["cost"] == "19.00 is below the cost of 20.00."
    assert not PriceApproval.objects.exists()


def test_rejection_is_recorded_without_a_change(product: Product, admin_user: User) -> None:
    rejection = reject_price(
        product=product, new_price=Decimal("29.00"), by=admin_user, reason="stock is low"
    )

    product.refresh_from_db()
    assert product.price == Decimal("30.00")
    assert (rejection.decision, rejection.reason) == ("rejected", "stock is low")


@pytest.mark.parametrize("taxed", [(), ("ON",)], ids=["without tax", "with tax"])
def test_ends_of_the_allowed_range_are_those_of_the_guards(
    product: Product, taxed: tuple[str, ...]
) -> None:
    with override_settings(OWN_PRICES_INCLUDE_TAX_IN=taxed):
        allowed = allowed_prices(product)

        assert allowed
        assert (allowed.low_guard, allowed.high_guard) == ("daily_change", "daily_change")
        assert _refusals(product, str(allowed.low)) == []
        assert _refusals(product, str(allowed.high)) == []
        assert _refusals(product, str(allowed.low - Decimal("0.01"))) == ["daily_change"]
        assert _refusals(product, str(allowed.high + Decimal("0.01"))) == ["daily_change"]


def test_margin_floor_is_the_low_end_where_it_is_higher(product: Product) -> None:
    PriceGuardSettings.objects.create(effective_on=timezone.localdate(), min_margin_percent=30)

    allowed = allowed_prices(product)

    assert allowed
    assert (allowed.low, allowed.low_guard) == (Decimal("28.58"), "margin")
    assert _refusals(product, "28.58") == []


def test_unknown_cost_allows_no_price() -> None:
    assert allowed_prices(ProductFactory.create(price=Decimal(30))) is None
