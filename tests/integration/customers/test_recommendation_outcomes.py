"""Click-through and purchase-through from the log of recommendations."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from customers.models import CustomerProfile
from mlops.models import OutcomeCount
from mlops.registry.outcomes import OUTCOME_METRICS, count_outcomes
from tests.factories.catalog import ProductFactory
from tests.factories.customers import (
    CustomerFactory,
    PurchaseFactory,
    RecommendationFactory,
    RecommendationFeedbackFactory,
)

pytestmark = pytest.mark.django_db
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SERVED_AT = _NOW - timedelta(days=2)
_LONG_AGO = _NOW - timedelta(days=30)


def _serve(*kinds: str, at: datetime = _SERVED_AT, **fields: Any) -> UUID:
    """Log a list, with feedback on one product at the same time."""
    values = {"scenario": "home", "model_version": "blend-2.17", **fields}
    served = RecommendationFactory.create(created_at=at, **values)
    for kind in kinds:
        _feedback(served.id, kind, at, product=served.products[0])
    return served.id


def _feedback(
    recommendation: UUID,
    kind: str,
    at: datetime,
    *,
    product: UUID | None = None,
    session: str = "",
) -> None:
    RecommendationFeedbackFactory.create(
        recommendation_id=recommendation,
        product_id=product or uuid4(),
        kind=kind,
        at=at,
        session=session,
    )


def _counted(name: str) -> dict[tuple[str, str, date], tuple[int, int]]:
    count_outcomes(OUTCOME_METRICS.get(f"recommendation.{name}"), now=_NOW)
    return {
        (row.segment, row.version, row.day): (row.successes, row.trials)
        for row in OutcomeCount.objects.filter(metric=name)
    }


def test_lists_are_counted_by_scenario_version_and_day() -> None:
    _serve("shown", "clicked")
    _serve("shown")
    _serve("shown", scenario="basket")
    _serve("shown", model_version="blend-3.18")
    _serve("shown", at=_SERVED_AT - timedelta(days=1))

    day = _SERVED_AT.date()
    assert _counted("click_through") == {
        ("home", "blend-2", day): (1, 2),
        ("basket", "blend-2", day): (0, 1),
        ("home", "blend-3", day): (0, 1),
        ("home", "blend-2", day - timedelta(days=1)): (0, 1),
    }


def test_list_with_several_clicks_is_one_success() -> None:
    recommendation = _serve("shown", "clicked")
    _feedback(recommendation, "clicked", _SERVED_AT)

    assert list(_counted("click_through").values()) == [(1, 1)]


def test_list_shown_in_two_sessions_is_counted_in_each() -> None:
    recommendation = _serve()
    _feedback(recommendation, "shown", _SERVED_AT, session="one")
    _feedback(recommendation, "clicked", _SERVED_AT, session="two")

    assert list(_counted("click_through").values()) == [(1, 2)]


def test_click_is_no_purchase() -> None:
    _serve("shown", "clicked")
    _serve("shown", "bought")

    assert list(_counted("purchase_through").values()) == [(1, 2)]
    assert list(_counted("click_through").values()) == [(2, 2)]


def test_list_that_was_not_shown_is_not_counted() -> None:
    _serve()

    assert _counted("click_through") == {}


def test_purchase_after_more_than_a_week_is_not_counted() -> None:
    _serve("shown", at=_NOW - timedelta(days=12))
    recommendation = _serve("shown", at=_NOW - timedelta(days=12))
    _feedback(recommendation, "bought", _NOW - timedelta(days=4))

    assert list(_counted("purchase_through").values()) == [(0, 2)]


def _predict(
    customer: CustomerProfile, product: Any, probability: float | None, **fields: Any
) -> None:
    """Log a list of one product with its probability."""
    values = {"scenario": "home", "model_version": "recommendation-3.17", **fields}
    RecommendationFactory.create(
        created_at=values.pop("created_at", _LONG_AGO),
        customer_id=customer.pk,
        products=[product.pk],
        probabilities=[probability],
        **values,
    )


def _bins() -> dict[tuple[str, str, int | None], tuple[int, int, float]]:
    count_outcomes(OUTCOME_METRICS.get("recommendation.predicted_purchase"), now=_NOW)
    return {
        (row.segment, row.version, row.bin): (
            row.successes,
            row.trials,
            round(row.predicted or 0.0, 3),
        )
        for row in OutcomeCount.objects.filter(metric="predicted_purchase")
    }


def test_purchases_are_counted_by_the_interval_of_their_probability() -> None:
    customer = CustomerFactory.create()
    likely, unlikely, basket = ProductFactory.create_batch(3)
    _predict(customer, likely, 0.25)
    _predict(customer, unlikely, 0.004)
    _predict(customer, basket, 1.0, scenario="basket")
    PurchaseFactory.create(
        customer=customer, product=likely, purchased_at=_LONG_AGO + timedelta(days=13)
    )

    assert _bins() == {
        ("home", "recommendation-3", 0): (0, 1, 0.004),
        ("home", "recommendation-3", 6): (1, 1, 0.25),
        ("basket", "recommendation-3", 9): (0, 1, 1.0),
    }


def test_purchase_of_another_time_product_or_customer_is_no_success() -> None:
    customer, other = CustomerFactory.create_batch(2)
    product, another = ProductFactory.create_batch(2)
    _predict(customer, product, 0.25)
    later = _LONG_AGO + timedelta(days=1)
    for fields in (
        {"purchased_at": _LONG_AGO - timedelta(hours=1)},
        {"purchased_at": _LONG_AGO + timedelta(days=15)},
        {"purchased_at": later, "product": another},
        {"purchased_at": later, "customer": other},
        {"purchased_at": later, "quantity": -1},
    ):
        PurchaseFactory.create(**{"customer": customer, "product": product, **fields})

    assert list(_bins().values()) == [(0, 1, 0.25)]


def test_product_counts_once_a_day_for_each_customer() -> None:
    customer = CustomerFactory.create()
    product = ProductFactory.create()
    _predict(customer, product, 0.25)
    _predict(customer, product, 0.9, created_at=_LONG_AGO + timedelta(minutes=5))
    _predict(customer, product, 0.22, created_at=_LONG_AGO + timedelta(days=1))

    count_outcomes(OUTCOME_METRICS.get("recommendation.predicted_purchase"), now=_NOW)

    counted = OutcomeCount.objects.filter(metric="predicted_purchase").order_by("day")
    assert list(counted.values_list("trials", "predicted")) == [(1, 0.25), (1, 0.22)]


def test_purchase_of_the_product_that_it_was_merged_into_is_a_success() -> None:
    customer = CustomerFactory.create()
    target = ProductFactory.create()
    merged = ProductFactory.create(merged_into=target)
    _predict(customer, merged, 0.25)
    PurchaseFactory.create(
        customer=customer, product=target, purchased_at=_LONG_AGO + timedelta(days=1)
    )

    assert list(_bins().values()) == [(1, 1, 0.25)]


def test_lists_without_customer_or_probability_are_no_cases() -> None:
    customer = CustomerFactory.create()
    product = ProductFactory.create()
    _predict(customer, product, None)
    RecommendationFactory.create(created_at=_LONG_AGO, probabilities=[0.5])
    RecommendationFactory.create(created_at=_LONG_AGO, customer_id=customer.pk)

    assert _bins() == {}
