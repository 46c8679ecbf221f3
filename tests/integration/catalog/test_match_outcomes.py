"""Calibration of the matching model by the verdicts of staff."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from catalog.models import MatchDecision
from mlops.models import OutcomeCount
from mlops.registry.outcomes import OUTCOME_METRICS, count_outcomes

pytestmark = pytest.mark.django_db
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _decide(pair: str, score: str, verdict: str, by: Any, **fields: Any) -> None:
    MatchDecision.objects.create(
        left_key=f"a-{pair}",
        right_key=f"b-{pair}",
        score=Decimal(score),
        verdict=verdict,
        algorithm="match-7",
        decided_by=by,
        decided_at=datetime(2026, 11, 19, 12, tzinfo=UTC),
        **{"reasons": ["same brand"], **fields},
    )


def test_verdicts_of_staff_are_counted_by_probability(admin_user: User) -> None:
    _decide("1", "62", "same", admin_user)
    _decide("2", "66", "different", admin_user)
    _decide("3", "100", "same", admin_user)

    count_outcomes(OUTCOME_METRICS.get("matching.same_product"), now=_NOW)

    low, high = OutcomeCount.objects.order_by("bin")
    assert (low.bin, low.trials, low.successes) == (6, 2, 1)
    assert low.predicted == pytest.approx(1.28)
    assert (high.bin, high.trials, high.successes) == (9, 1, 1)


def test_verdicts_that_say_nothing_about_the_model_are_left_out(admin_user: User) -> None:
    _decide("1", "62", "same", None)
    _decide("2", "62", "open", admin_user)
    _decide("3", "98", "same", admin_user, reasons=["same GTIN", "same brand"])

    count_outcomes(OUTCOME_METRICS.get("matching.same_product"), now=_NOW)

    assert not OutcomeCount.objects.exists()
