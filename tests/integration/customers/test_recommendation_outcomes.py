"""Click-through and purchase-through from the log of recommendations."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mlops.models import OutcomeCount
from mlops.registry.outcomes import OUTCOME_METRICS, count_outcomes
from tests.factories.customers import RecommendationFactory, RecommendationFeedbackFactory

pytestmark = pytest.mark.django_db
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SERVED_AT = _NOW - timedelta(days=2)


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
