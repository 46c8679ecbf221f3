"""Outcomes of what models served: incremental counts, intervals, alerts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mlops.models import Alert, MetricThreshold, OutcomeCount, OutcomeProgress
from mlops.registry.outcomes import (
    CALIBRATION_CODE,
    DROP_CODE,
    FAILURE_CODE,
    LOW_CODE,
    OUTCOME_METRICS,
    Bin,
    calibration_error,
    count_outcomes,
    evaluate_outcomes,
    update_outcomes,
)
from mlops.registry.reports import calibration_reports, rate_report
from tests.samples.outcomes import calibration, rate

pytestmark = pytest.mark.django_db
_NOW = datetime(2026, 11, 20, 4, 25, tzinfo=UTC)
_TURN = "2026-11-13"


@pytest.fixture
def only_registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes metrics the only registered ones."""

    def register(*metrics: Any) -> None:
        monkeypatch.setattr(OUTCOME_METRICS, "_registry", {one.key: one for one in metrics})
        monkeypatch.setattr(OUTCOME_METRICS, "_is_discovered", True)

    return register


def _open_codes() -> set[str]:
    return set(Alert.objects.filter(closed_at=None).values_list("code", flat=True))


def _days() -> tuple[date, date]:
    days = OutcomeCount.objects.order_by("day").values_list("day", flat=True)
    return days[0], days[len(days) - 1]


def test_first_count_goes_back_half_a_year() -> None:
    written = count_outcomes(rate(), now=_NOW)

    assert written == OutcomeCount.objects.count() == 180
    assert _days() == (date(2026, 5, 25), date(2026, 11, 20))


def test_next_count_reads_only_what_may_have_changed() -> None:
    metric = rate(settles_after=timedelta(days=7))
    count_outcomes(metric, now=_NOW)

    written = count_outcomes(metric, now=_NOW + timedelta(days=1))

    # Seven days that have not settled, the day that was not over, and the new one.
    assert written == 9
    assert OutcomeCount.objects.count() == 181


def test_count_is_safe_to_repeat() -> None:
    count_outcomes(rate(), now=_NOW)

    count_outcomes(rate(), now=_NOW)

    assert OutcomeCount.objects.count() == 180


def test_late_outcomes_are_counted_until_their_day_settles() -> None:
    settles = timedelta(days=3)
    count_outcomes(rate(settles_after=settles), now=_NOW)

    count_outcomes(rate(before=200, after=200, settles_after=settles), now=_NOW)

    changed = OutcomeCount.objects.filter(successes=200).order_by("day")
    assert [one.day.day for one in changed] == [17, 18, 19, 20]


def test_metric_that_cannot_be_counted_alerts_and_the_others_go_on(only_registered: Any) -> None:
    only_registered(replace(rate(), name="broken", sql="SELECT 1 AS wrong"), rate())

    counts = update_outcomes(now=_NOW)

    assert counts == {"sample.broken": -1, "sample.click_through": 180}
    assert Alert.objects.get(code=FAILURE_CODE, closed_at=None).subject == "sample.broken"
    assert not OutcomeProgress.objects.filter(metric="broken").exists()


def test_drop_opens_an_alert_that_recovery_closes() -> None:
    fallen = rate(after=60, turns=_TURN)
    count_outcomes(fallen, now=_NOW)
    evaluate_outcomes(fallen, now=_NOW)
    message = Alert.objects.get(code=DROP_CODE, closed_at=None).message

    OutcomeCount.objects.update(successes=100)
    evaluate_outcomes(fallen, now=_NOW)

    assert message == (
        "sample click_through home fell by 40%, from 20.0% of the 28 days before to 12.0% of the"
        " last 7."
    )
    assert DROP_CODE not in _open_codes()


def test_drop_below_the_threshold_opens_none() -> None:
    metric = rate(after=85, turns=_TURN)
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert DROP_CODE not in _open_codes()


def test_large_drop_of_few_trials_opens_none() -> None:
    metric = rate(trials=3, before=1, after=0, turns="2026-11-18")
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert DROP_CODE not in _open_codes()


def test_days_that_have_not_settled_open_none() -> None:
    metric = rate(after=10, turns=_TURN, settles_after=timedelta(days=7))
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert DROP_CODE not in _open_codes()


def test_threshold_of_a_segment_takes_precedence() -> None:
    MetricThreshold.objects.create(name="model.outcome_drop", source="sample home", value=0.5)
    metric = rate(after=60, turns=_TURN)
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert DROP_CODE not in _open_codes()


@pytest.mark.parametrize(("limit", "is_open"), [(0.19, False), (0.25, True)])
def test_rate_surely_below_its_threshold_opens_an_alert(limit: float, is_open: bool) -> None:
    MetricThreshold.objects.create(name="model.click_through", side="below", value=limit)
    metric = rate()
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert (LOW_CODE in _open_codes()) == is_open


def test_rate_below_its_threshold_within_noise_opens_none() -> None:
    MetricThreshold.objects.create(name="model.click_through", side="below", value=0.21)
    metric = rate(trials=20, before=4, after=4)
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert LOW_CODE not in _open_codes()


def test_false_alarms_of_a_rate_are_rare() -> None:
    rng = np.random.default_rng(11)
    metric = rate(trials=200, before=40, after=40)
    count_outcomes(metric, now=_NOW)
    rows = list(OutcomeCount.objects.all())
    MetricThreshold.objects.filter(name="model.outcome_drop").update(value=0.0)
    alarms = 0

    for _ in range(60):
        for row in rows:
            row.successes = int(rng.binomial(200, 0.2))
        OutcomeCount.objects.bulk_update(rows, ["successes"])
        evaluate_outcomes(metric, now=_NOW)
        alarms += DROP_CODE in _open_codes()

    # Promised: .5 % a day, although every difference is above this threshold.
    assert alarms <= 3


@pytest.mark.parametrize(("bias", "is_open"), [(0.0, False), (-0.2, True), (0.05, False)])
def test_probabilities_that_are_off_open_an_alert(bias: float, is_open: bool) -> None:
    metric = calibration(bias=bias)
    count_outcomes(metric, now=_NOW)

    evaluate_outcomes(metric, now=_NOW)

    assert (CALIBRATION_CODE in _open_codes()) == is_open


def test_calibration_report_has_predicted_and_observed_shares() -> None:
    metric = calibration(bias=-0.2)
    count_outcomes(metric, now=_NOW)

    (report,) = calibration_reports(metric, since=date(2026, 11, 1), now=_NOW)

    last = report.bins[-1]
    assert last.mean_predicted == pytest.approx(0.95)
    assert last.observed.value == pytest.approx(0.75)
    assert report.error.value > report.error.noise


def test_calibration_error_of_few_cases_is_within_noise() -> None:
    bins = [Bin(number, 3, min(3, number // 3), 3 * (number / 10 + 0.05)) for number in range(10)]

    error = calibration_error(bins)

    assert error.value < error.noise


def test_rate_report_has_shares_by_day_and_version() -> None:
    metric = rate(settles_after=timedelta(days=7))
    count_outcomes(metric, now=_NOW)

    report = rate_report(metric, since=date(2026, 11, 18), now=_NOW)

    assert [day.day for day, _ in report.by_day["home"]] == [18, 19, 20]
    assert (report.by_version[0].share.successes, report.by_version[0].share.trials) == (300, 1_500)
    assert report.settled == date(2026, 11, 13)
