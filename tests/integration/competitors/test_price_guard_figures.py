"""Figures of the price guards: taxes of several provinces, minimum prices, evidence, records."""

from datetime import UTC, date, datetime, timedelta
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
    GuardResult,
    PriceRefused,
    allowed_prices,
    approve_price,
    check_price,
    net_price,
    reject_price,
)
from mlops.models import RowChange
from tests.factories.catalog import ProductFactory, StoreFactory, SupplierListingFactory
from tests.integration.competitors.conftest import create_confirmed_offer

pytestmark = pytest.mark.django_db
LONG_AGO = date(2020, 1, 1)
TAXED = override_settings(OWN_PRICES_INCLUDE_TAX_IN=("AB", "ON"))


def _minimum(amount: str, **fields: Any) -> MinimumPrice:
    values = {"province": "ON", "basis": "package", "effective_on": LONG_AGO, "source": "test"}
    return MinimumPrice.objects.create(amount=Decimal(amount), **{**values, **fields})


def _limits(**fields: Any) -> None:
    PriceGuardSettings.objects.create(effective_on=timezone.localdate(), **fields)


def _result(product: Product, price: str, code: str) -> GuardResult:
    (result,) = (one for one in check_price(product, Decimal(price)).results if one.code == code)
    return result


def _refusals(product: Product, price: str) -> list[str]:
    return [result.code for result in check_price(product, Decimal(price)).refusals]


# Taxes: 13 % in Ontario, 5 % in Alberta


def test_lowest_price_without_tax_of_all_provinces_must_cover_the_cost(product: Product) -> None:
    StoreFactory.create(province="AB")

    with TAXED:
        cost = _result(product, "29.00", "cost")

    assert cost.figures == {"price": "25.66", "cost": "20.00"}


def test_price_without_tax_is_that_of_the_province_with_the_highest_tax(product: Product) -> None:
    StoreFactory.create(province="AB")

    with TAXED:
        assert net_price(product, Decimal("22.60")) == Decimal("20.00")
    assert net_price(product, Decimal("22.60")) == Decimal("22.60")


def test_price_without_stores_is_without_tax() -> None:
    with TAXED:
        assert net_price(ProductFactory.create(), Decimal("22.60")) == Decimal("22.60")


def test_price_without_tax_is_that_of_a_day(product: Product) -> None:
    with TAXED:
        price = net_price(product, Decimal("22.60"), now=datetime(2026, 5, 1, tzinfo=UTC))

    assert price == Decimal("20.00")


def test_floors_with_tax_are_those_of_the_highest_tax(product: Product) -> None:
    StoreFactory.create(province="AB")
    _limits(min_margin_percent=0, max_daily_change_percent=50)

    with TAXED:
        allowed = allowed_prices(product)

        assert allowed
        assert (allowed.low, allowed.low_guard) == (Decimal("22.60"), "margin")
        assert (allowed.high, allowed.high_guard) == (Decimal("45.00"), "daily_change")
        assert _refusals(product, "22.60") == []
        assert _refusals(product, "22.59") == ["cost", "margin"]


def test_margin_with_tax_is_of_the_price_without_it(product: Product) -> None:
    _limits(min_margin_percent=20, max_daily_change_percent=50)

    with TAXED:
        allowed = allowed_prices(product)

    assert allowed
    assert (allowed.low, allowed.low_guard) == (Decimal("28.25"), "margin")


def test_range_without_stores_is_without_tax() -> None:
    product = ProductFactory.create(price=Decimal("30.00"))
    SupplierListingFactory.create(
        merge_key=product.merge_key, price=Decimal("20.00"), price_kind="wholesale"
    )
    _limits(min_margin_percent=0, max_daily_change_percent=50)

    with TAXED:
        allowed = allowed_prices(product)

    assert allowed
    assert allowed.low == Decimal("20.00")


# Minimum prices


def test_minimum_price_is_the_low_end_with_its_tax(product: Product) -> None:
    _minimum("26.00", category="dried_flower")

    with TAXED:
        allowed = allowed_prices(product)

        assert allowed
        assert (allowed.low, allowed.low_guard) == (Decimal("29.38"), "minimum_price")
        assert _refusals(product, "29.38") == []
        assert _refusals(product, "29.37") == ["minimum_price"]


def test_unknown_size_under_a_minimum_price_allows_no_price(product: Product) -> None:
    Product.objects.filter(pk=product.pk).update(weight_grams=None)
    product.refresh_from_db()
    _minimum("1.00", basis="gram")

    assert allowed_prices(product) is None
    figures = _result(product, "29.00", "minimum_price").figures
    assert figures == {"province": "ON", "price": "29.00", "floor": "?"}


@pytest.mark.parametrize(
    ("basis", "quantities", "floor"),
    [
        ("package", {}, "25.00"),
        ("gram", {"weight_grams": Decimal("3.5")}, "87.50"),
        ("gram_equivalent", {"dried_equivalent_grams": Decimal("2.0")}, "50.00"),
    ],
)
def test_minimum_price_counts_by_its_basis(
    product: Product, basis: str, quantities: dict[str, Any], floor: str
) -> None:
    Product.objects.filter(pk=product.pk).update(weight_grams=None, dried_equivalent_grams=None)
    Product.objects.filter(pk=product.pk).update(**quantities)
    product.refresh_from_db()
    _minimum("25.00", basis=basis)

    assert _result(product, "29.00", "minimum_price").figures["floor"] == floor


@pytest.mark.parametrize(
    "fields",
    [
        {"province": "AB"},
        {"category": "vapes"},
        {"effective_on": LONG_AGO, "expires_on": LONG_AGO},
    ],
    ids=["other province", "other category", "expired"],
)
def test_other_minimum_prices_do_not_count(product: Product, fields: dict[str, Any]) -> None:
    _minimum("99.00", **fields)

    assert "minimum_price" not in [
        result.code for result in check_price(product, Decimal("29.00")).results
    ]


def test_minimum_price_of_every_category_counts_without_one(product: Product) -> None:
    Product.objects.filter(pk=product.pk).update(category=None)
    product.refresh_from_db()
    _minimum("29.50")
    _minimum("10.00", category="vapes")

    assert _refusals(product, "29.49") == ["minimum_price"]
    allowed = allowed_prices(product)
    assert allowed
    assert allowed.low == Decimal("29.50")


def test_newest_minimum_price_of_a_basis_counts(product: Product) -> None:
    _minimum("10.00")
    _minimum("29.50", effective_on=LONG_AGO + timedelta(days=1))

    assert _refusals(product, "29.49") == ["minimum_price"]


# Daily change


def test_change_is_a_share_of_the_price_before(product: Product) -> None:
    change = _result(product, "33.00", "daily_change")

    assert (change.passed, change.figures) == (True, {"change": "10.0", "limit": "10.00"})
    assert _refusals(product, "33.01") == ["daily_change"]


def test_product_without_a_price_has_no_daily_change(product: Product) -> None:
    Product.objects.filter(pk=product.pk).update(price=None)
    RowChange.objects.all().delete()
    product.refresh_from_db()

    change = _result(product, "90.00", "daily_change")

    assert (change.passed, change.figures) == (True, {"change": "–", "limit": "–"})
    assert allowed_prices(product) is None


def test_range_is_of_the_price_a_day_ago(product: Product, admin_user: User) -> None:
    correct_products(changes={product.pk: {"price": Decimal("28.00")}}, by=admin_user)
    product.refresh_from_db()

    allowed = allowed_prices(product)

    assert allowed
    assert (allowed.low, allowed.high) == (Decimal("27.00"), Decimal("33.00"))


def test_change_of_more_than_a_day_ago_does_not_count(product: Product, admin_user: User) -> None:
    correct_products(changes={product.pk: {"price": Decimal("28.00")}}, by=admin_user)
    product.refresh_from_db()
    tomorrow = timezone.now() + timedelta(hours=24, minutes=1)

    check = check_price(product, Decimal("30.80"), now=tomorrow)
    allowed = allowed_prices(product, now=tomorrow)

    assert "daily_change" not in [result.code for result in check.refusals]
    assert allowed
    assert allowed.high == Decimal("30.80")


def test_changes_of_other_products_and_fields_do_not_count(
    product: Product, admin_user: User
) -> None:
    other = ProductFactory.create(price=Decimal("90.00"))
    correct_products(changes={other.pk: {"price": Decimal("80.00")}}, by=admin_user)
    correct_products(changes={product.pk: {"name": "Other name"}}, by=admin_user)
    product.refresh_from_db()

    assert _refusals(product, "33.00") == []


# Margin and cost


def test_margin_is_of_the_price(product: Product) -> None:
    margin = _result(product, "30.00", "margin")

    assert (margin.passed, margin.figures) == (True, {"margin": "33.3", "limit": "15.00"})


def test_margin_at_the_limit_passes(product: Product) -> None:
    _limits(min_margin_percent=20, max_daily_change_percent=50)

    assert _refusals(product, "25.00") == []
    assert _refusals(product, "24.99") == ["margin"]


def test_price_of_zero_has_no_margin(product: Product) -> None:
    margin = _result(product, "0.00", "margin")

    assert (margin.passed, margin.figures["margin"]) == (False, "-100.0")


# Evidence


def test_evidence_counts_competitors_and_names_the_limits(product: Product) -> None:
    first = product.competitor_offers.order_by("regular_price")[0]
    create_confirmed_offer(product, competitor=first.competitor, regular_price=Decimal("29.00"))

    evidence = _result(product, "29.00", "evidence")

    assert (evidence.passed, evidence.figures) == (
        True,
        {"count": "2", "limit": "2", "hours": "72"},
    )


def test_offers_are_listed_with_their_origin_cheapest_first(product: Product) -> None:
    first, second = product.competitor_offers.order_by("regular_price")
    CompetitorOffer.objects.filter(pk=second.pk).update(sale_price=Decimal("27.00"))
    CompetitorOffer.objects.filter(pk=first.pk).update(capture_hash="abc")
    first.refresh_from_db()

    offers = check_price(product, Decimal("29.00")).offers

    assert [offer.price for offer in offers] == [Decimal("27.00"), Decimal("28.00")]
    assert (offers[1].competitor, offers[1].province) == (
        first.competitor.code,
        first.competitor.province,
    )
    assert (offers[1].observed_at, offers[1].capture_hash) == (first.last_seen_at, "abc")
    assert offers[1].is_tax_included is False


def test_offers_of_other_products_and_without_a_price_are_no_evidence(product: Product) -> None:
    create_confirmed_offer(ProductFactory.create(), regular_price=Decimal("5.00"))
    create_confirmed_offer(product, regular_price=None, sale_price=None)

    assert len(check_price(product, Decimal("29.00")).offers) == 2


def test_offers_of_merged_products_are_evidence(product: Product) -> None:
    merged = ProductFactory.create()
    create_confirmed_offer(merged, regular_price=Decimal("5.00"))
    Product.objects.filter(pk=merged.pk).update(merged_into=product)

    assert check_price(product, Decimal("29.00")).offers[0].price == Decimal("5.00")


# Explanations and records


@pytest.mark.parametrize(
    ("code", "passed", "figures", "text"),
    [
        ("cost_unknown", False, {}, "No supplier states a current wholesale price"),
        ("cost", True, {"price": "9", "cost": "8"}, "9 covers the cost of 8."),
        ("cost", False, {"price": "7", "cost": "8"}, "7 is below the cost of 8."),
        ("margin", True, {"margin": "9", "limit": "8"}, "The margin of 9 % reaches 8 %."),
        ("margin", False, {"margin": "7", "limit": "8"}, "The margin of 7 % is below 8 %."),
        (
            "minimum_price",
            True,
            {"price": "9", "floor": "8", "province": "ON"},
            "9 reaches the minimum of 8 in ON.",
        ),
        (
            "minimum_price",
            False,
            {"price": "7", "floor": "8", "province": "ON"},
            "7 is below the minimum of 8 in ON",
        ),
        ("daily_change", True, {"change": "5", "limit": "8"}, "5 % in a day is within 8 %."),
        ("daily_change", False, {"change": "9", "limit": "8"}, "9 % in a day exceeds 8 %."),
        ("evidence", True, {"count": "2", "hours": "72", "limit": "2"}, "2 competitors were"),
        ("evidence", False, {"count": "1", "hours": "72", "limit": "2"}, "Only 1 competitors"),
    ],
)
def test_every_result_is_explained_with_its_figures(
    code: str, passed: bool, figures: dict[str, str], text: str
) -> None:
    assert text in GuardResult(code=code, passed=passed, figures=figures).explain()


def test_approval_records_evidence_results_and_person(product: Product, admin_user: User) -> None:
    ProductFactory.create()

    approval = approve_price(
        product=product, new_price=Decimal("29.00"), by=admin_user, reason="matches"
    )

    approval.refresh_from_db()
    limits = PriceGuardSettings.objects.latest("effective_on")
    first = product.competitor_offers.order_by("regular_price")[0]
    assert (approval.product, approval.decided_by, approval.reason) == (
        product,
        admin_user,
        "matches",
    )
    assert (approval.old_price, approval.new_price) == (Decimal("30.00"), Decimal("29.00"))
    assert approval.evidence["cost"] == "20.00"
    assert approval.evidence["limits"] == {
        "effective_on": limits.effective_on.isoformat(),
        "min_margin_percent": "15.00",
        "max_daily_change_percent": "10.00",
    }
    assert approval.evidence["offers"][0] == {
        "competitor": first.competitor.code,
        "price": "28.00",
        "is_tax_included": False,
        "province": first.competitor.province,
        "observed_at": first.last_seen_at.isoformat(),
        "capture_hash": first.capture_hash,
    }
    assert approval.guard_results[0] == {
        "code": "cost",
        "passed": True,
        "figures": {"price": "29.00", "cost": "20.00"},
        "explanation": "29.00 covers the cost of 20.00.",
    }


@pytest.mark.parametrize(("reason", "recorded"), [("", "approved price"), ("sale", "sale")])
def test_lock_of_an_approved_price_names_the_reason(
    product: Product, admin_user: User, reason: str, recorded: str
) -> None:
    approve_price(product=product, new_price=Decimal("29.00"), by=admin_user, reason=reason)

    lock = ProductLock.objects.get(product=product, field="price")
    assert (lock.locked_by, lock.reason) == (admin_user, recorded)


def test_approval_overrides_an_earlier_lock(product: Product, admin_user: User) -> None:
    approve_price(product=product, new_price=Decimal("29.00"), by=admin_user)
    approve_price(product=product, new_price=Decimal("28.50"), by=admin_user)

    product.refresh_from_db()
    assert product.price == Decimal("28.50")


def test_approval_checks_the_present_row(product: Product, admin_user: User) -> None:
    # The price of the object is old; the row has another one since this morning.
    Product.objects.filter(pk=product.pk).update(price=Decimal("50.00"))
    RowChange.objects.all().delete()

    with pytest.raises(PriceRefused) as refused:
        approve_price(product=product, new_price=Decimal("29.00"), by=admin_user)

    assert [code for code, _ in refused.value.errors] == ["daily_change"]
    assert str(refused.value) == "The price is not allowed."
    assert refused.value.code == "price_refused"


def test_rejection_of_a_price_without_cost_records_that(admin_user: User) -> None:
    product = ProductFactory.create(price=Decimal("30.00"))

    rejection = reject_price(
        product=product, new_price=Decimal("29.00"), by=admin_user, reason="no cost"
    )

    rejection.refresh_from_db()
    assert rejection.evidence["cost"] is None
    assert rejection.decided_by == admin_user
    assert [result["code"] for result in rejection.guard_results] == [
        "cost_unknown",
        "daily_change",
        "evidence",
    ]
    assert PriceApproval.objects.get() == rejection
