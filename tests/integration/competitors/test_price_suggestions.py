"""Suggested prices: by the deployed model, inside the guards, decided by a person."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from catalog.models import Product, ProductLock
from competitors.models import (
    CompetitorOffer,
    MinimumPrice,
    PriceApproval,
    PriceGuardSettings,
    PriceOutcome,
    PriceSuggestion,
)
from competitors.pricing.reasons import PriceReason
from competitors.pricing.served import PRICING
from competitors.selectors.price_suggestions import suggestions_to_decide
from competitors.services.price_guards import PriceRefused, check_price
from competitors.services.price_suggestions import (
    SuggestionNotPending,
    SuggestionOutdated,
    approve_suggestion,
    approve_suggestions,
    measure_outcomes,
    reject_suggestion,
    suggest_prices,
)
from config.errors import BadInput
from mlops.models import RowChange
from tests.factories.catalog import StoreFactory
from tests.factories.competitors import CompetitorOfferFactory
from tests.factories.customers import PurchaseFactory
from tests.integration.competitors.price_suggestions import (
    create_product,
    create_suggestion,
    deploy_price_model,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    # The deployments of another test may still be remembered, although their rows are gone.
    PRICING.outdate()
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _suggestions(**conditions: Any) -> list[PriceSuggestion]:
    return list(PriceSuggestion.objects.filter(**conditions))


def test_without_a_deployed_model_nothing_is_suggested() -> None:
    create_product()

    assert suggest_prices() == {"without_model": 1}
    assert not _suggestions()


def test_suggestion_lies_near_what_competitors_ask() -> None:
    suggestion = create_suggestion(price="31.00", offers=("28.00", "29.00"))

    assert Decimal("27.90") <= suggestion.suggested_price < 31
    assert suggestion.market_low <= suggestion.market_price <= suggestion.market_high
    assert suggestion.provinces == ["ON"]
    assert [offer["price"] for offer in suggestion.evidence] == ["28.00", "29.00"]


def test_suggestion_passes_every_guard() -> None:
    suggestion = create_suggestion()

    assert check_price(suggestion.product, suggestion.suggested_price).is_allowed


def test_suggestion_changes_no_price() -> None:
    suggestion = create_suggestion(price="32.00")

    suggestion.product.refresh_from_db()
    assert suggestion.product.price == Decimal("32.00")


@pytest.mark.parametrize(
    ("fields", "guard"),
    [
        ({"price": "50.00", "offers": ("20", "21"), "cost": "10.00"}, "daily_change"),
        ({"price": "31.00", "offers": ("24", "25"), "cost": "25.00"}, "margin"),
    ],
)
def test_guard_that_limits_a_suggestion_is_named(fields: Any, guard: str) -> None:
    suggestion = create_suggestion(**fields)

    assert suggestion.limited_by == guard
    assert suggestion.suggested_price > suggestion.market_price


def test_provincial_minimum_limits_a_suggestion() -> None:
    MinimumPrice.objects.create(
        province="ON", basis="gram", amount=9, effective_on=date(2020, 1, 1), source="test"
    )

    suggestion = create_suggestion(price="34.00", offers=("25", "26"))

    assert (suggestion.limited_by, suggestion.suggested_price) == (
        "minimum_price",
        Decimal("31.50"),
    )


def test_prices_with_tax_are_suggested_as_our_stores_show_them() -> None:
    without_tax = create_suggestion(price="40.00")

    with override_settings(OWN_PRICES_INCLUDE_TAX_IN=("ON",)):
        suggest_prices()
        Product.objects.update(price=Decimal("42.00"))
        suggest_prices()

    (with_tax,) = _suggestions(status="pending")
    assert with_tax.market_price == pytest.approx(
        without_tax.market_price * Decimal("1.13"), abs=0.01
    )
    net = with_tax.suggested_price / Decimal("1.13")
    assert with_tax.margin_percent == pytest.approx(100 * (net - 20) / net, abs=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"last_seen_at": timezone.now() - timedelta(days=30)},
        {"confidence": Decimal("0.5")},
        {"is_tax_included": None, "net_price": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_offers_that_are_no_evidence_give_no_suggestion(change: dict[str, Any]) -> None:
    deploy_price_model()
    create_product()
    CompetitorOffer.objects.update(**change)

    suggest_prices()

    assert not _suggestions()


def test_unknown_cost_gives_no_suggestion() -> None:
    deploy_price_model()
    product = create_product()
    Product.objects.filter(pk=product.pk).update(merge_key="without-listing")

    assert suggest_prices() == {"not_allowed": 1, "superseded": 0}


def test_price_at_the_market_needs_no_suggestion() -> None:
    PriceGuardSettings.objects.create(
        effective_on=timezone.localdate(), max_daily_change_percent=100
    )
    suggestion = create_suggestion()
    Product.objects.filter(pk=suggestion.product_id).update(price=suggestion.market_price)

    counts = suggest_prices()

    assert counts["at_market"] == 1
    assert not _suggestions(status="pending")


def test_second_run_changes_nothing() -> None:
    suggestion = create_suggestion()

    counts = suggest_prices()

    assert counts == {"unchanged": 1, "superseded": 0}
    assert _suggestions() == [suggestion]


def test_new_prices_of_competitors_supersede_a_suggestion() -> None:
    suggestion = create_suggestion(price="31.00", offers=("28", "29"))
    CompetitorOffer.objects.update(regular_price=Decimal(40), net_price=Decimal(40))

    suggest_prices()

    (pending,) = _suggestions(status="pending")
    suggestion.refresh_from_db()
    assert suggestion.status == "superseded"
    assert pending.suggested_price > 31


def test_suggestion_without_evidence_any_more_is_superseded() -> None:
    create_suggestion()
    CompetitorOffer.objects.update(gone_at=timezone.now())

    suggest_prices()

    assert not _suggestions(status="pending")


def test_reasons_start_from_competitors_and_contain_no_effects() -> None:
    suggestion = create_suggestion(effects=["relaxing"], effects_source="reported")

    texts = [PriceReason(**reason).explain() for reason in suggestion.reasons]

    assert suggestion.reasons[0]["code"] == "competitors_start"
    assert "$29.00" in texts[0]
    assert not [text for text in texts if "effect" in text.lower() or "relaxing" in text.lower()]


def test_elasticity_is_stated_where_sales_allow_it() -> None:
    store = StoreFactory.create(code="queen-west")
    products = [create_product(offers=()) for _ in range(12)]
    for number, product in enumerate(products):
        for week in range(8):
            is_cheap = (week + number) % 2 == 0
            PurchaseFactory.create(
                anonymous=True,
                product=product,
                store=store,
                quantity=9 if is_cheap else 6,
                unit_price=Decimal(20 if is_cheap else 25),
                days_ago=7 * week + 3,
            )

    suggestion = create_suggestion()

    assert suggestion.elasticity["low"] <= suggestion.elasticity["value"] < -1


def test_no_elasticity_is_claimed_without_price_variation() -> None:
    assert create_suggestion().elasticity == {}


def test_approval_sets_the_price_with_lock_and_history(admin_user: User) -> None:
    suggestion = create_suggestion()

    approve_suggestion(suggestion_id=suggestion.pk, by=admin_user, reason="market fell")

    suggestion.refresh_from_db()
    product = Product.objects.get(pk=suggestion.product_id)
    assert product.price == suggestion.suggested_price
    assert ProductLock.objects.filter(product=product, field="price").exists()
    assert RowChange.objects.filter(row_id=product.pk, before__has_key="price").exists()
    assert (suggestion.status, suggestion.decided_by) == ("approved", admin_user)
    assert suggestion.approval
    assert suggestion.approval.reason == "market fell"


def test_rejection_is_a_row_and_sets_no_price(admin_user: User) -> None:
    suggestion = create_suggestion(price="32.00")

    reject_suggestion(suggestion_id=suggestion.pk, by=admin_user, reason="brand position")

    suggestion.refresh_from_db()
    suggestion.product.refresh_from_db()
    assert suggestion.status == "rejected"
    assert suggestion.product.price == Decimal("32.00")
    assert PriceApproval.objects.get().decision == "rejected"


@pytest.mark.parametrize("decide", [approve_suggestion, reject_suggestion])
def test_decision_needs_a_reason(decide: Any, admin_user: User) -> None:
    suggestion = create_suggestion()

    with pytest.raises(BadInput, match="reason"):
        decide(suggestion_id=suggestion.pk, by=admin_user, reason=" ")


def test_suggestion_is_decided_once(admin_user: User) -> None:
    suggestion = create_suggestion()
    reject_suggestion(suggestion_id=suggestion.pk, by=admin_user, reason="no")

    with pytest.raises(SuggestionNotPending):
        approve_suggestion(suggestion_id=suggestion.pk, by=admin_user, reason="yes")


def test_suggestion_for_another_price_is_not_approved(admin_user: User) -> None:
    suggestion = create_suggestion()
    Product.objects.filter(pk=suggestion.product_id).update(price=Decimal("30.50"))

    with pytest.raises(SuggestionOutdated):
        approve_suggestion(suggestion_id=suggestion.pk, by=admin_user, reason="yes")


def test_guards_are_checked_again_at_approval(admin_user: User) -> None:
    suggestion = create_suggestion()
    PriceGuardSettings.objects.create(effective_on=timezone.localdate(), min_margin_percent=90)

    with pytest.raises(PriceRefused):
        approve_suggestion(suggestion_id=suggestion.pk, by=admin_user, reason="yes")

    suggestion.refresh_from_db()
    assert suggestion.status == "pending"


def test_refused_suggestions_of_a_bulk_approval_stay_pending(admin_user: User) -> None:
    good = create_suggestion()
    other = create_product()
    suggest_prices()
    refused = PriceSuggestion.objects.get(product=other)
    CompetitorOffer.objects.filter(product=other).update(gone_at=timezone.now())

    decision = approve_suggestions(suggestions=[good, refused], by=admin_user, reason="weekly")

    refused.refresh_from_db()
    assert decision.done == 1
    assert [name for name, _reason in decision.refused] == [other.name]
    assert refused.status == "pending"


def _approved(admin_user: User, *, days_ago: float) -> PriceApproval:
    suggestion = create_suggestion()
    approval = approve_suggestion(
        suggestion_id=suggestion.pk, by=admin_user, reason="market fell"
    ).approval
    assert approval
    decided_at = timezone.now() - timedelta(days=days_ago)
    PriceApproval.objects.filter(pk=approval.pk).update(decided_at=decided_at)
    return approval


def test_outcome_compares_equal_periods_before_and_after(admin_user: User) -> None:
    approval = _approved(admin_user, days_ago=10.5)
    for days_ago, quantity in ((25, 100), (15, 4), (8, 6), (1, 3)):
        PurchaseFactory.create(
            anonymous=True, product=approval.product, quantity=quantity, days_ago=days_ago
        )
    PurchaseFactory.create(anonymous=True, product=approval.product, quantity=-1, days_ago=2)

    measure_outcomes()

    outcome = PriceOutcome.objects.get(approval=approval)
    assert (outcome.days, outcome.is_complete) == (10, False)
    assert (outcome.units_before, outcome.units_after) == (4, 8)


def test_outcome_is_measured_again_until_it_is_complete(admin_user: User) -> None:
    approval = _approved(admin_user, days_ago=10)
    measure_outcomes()
    later = timezone.now() + timedelta(days=30)

    measure_outcomes(now=later)

    outcome = PriceOutcome.objects.get(approval=approval)
    assert (outcome.days, outcome.is_complete) == (28, True)
    assert measure_outcomes(now=later) == {"measured": 0}


def test_outcome_is_not_measured_in_the_first_week(admin_user: User) -> None:
    _approved(admin_user, days_ago=5)

    assert measure_outcomes() == {"measured": 0}


def test_pending_suggestions_are_work_that_waits() -> None:
    create_suggestion()

    assert suggestions_to_decide().count == 1


def test_prices_of_other_provinces_count_where_none_of_ours_has_any() -> None:
    deploy_price_model()
    product = create_product(price="31.00", offers=())
    for _ in range(2):
        offer = CompetitorOfferFactory.create(
            product=product, match_status="confirmed", is_tax_included=False
        )
        offer.competitor.province = "AB"
        offer.competitor.save()

    suggest_prices()

    (suggestion,) = _suggestions()
    assert suggestion.provinces == ["AB"]
