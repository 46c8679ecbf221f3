"""Sample metrics of outcomes, whose counts follow from their parameters alone."""

from typing import Any

from mlops.registry import OutcomeMetric

# Every day has so many trials; from the day `turns` on another number of them succeeds.
_RATE_SQL = """
SELECT 'home' AS segment, 'v1' AS version, day::date AS day, {trials}::bigint AS trials,
  (CASE WHEN day >= '{turns}' THEN {after} ELSE {before} END)::bigint AS successes
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '1 day', '1 day') day
"""
# Ten bins of 100 cases each day, of which a share succeeds that is `bias` off the probability.
_CALIBRATION_SQL = """
SELECT '' AS segment, 'v1' AS version, day::date AS day, bin::int AS bin, {cases}::bigint AS trials,
  round({cases} * least(1, greatest(0, bin / 10.0 + 0.05 + {bias})))::bigint AS successes,
  {cases} * (bin / 10.0 + 0.05) AS predicted
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '1 day', '1 day') day,
  generate_series(0, 9) bin
"""


def rate(
    *,
    trials: int = 500,
    before: int = 100,
    after: int = 100,
    turns: str = "2000-01-01",
    **fields: Any,
) -> OutcomeMetric:
    """Return a rate of `before` successes a day, `after` from a day on."""
    sql = _RATE_SQL.format(trials=trials, before=before, after=after, turns=turns)
    return OutcomeMetric(
        **{"model": "sample", "name": "click_through", "title": "Clicks", "sql": sql, **fields}
    )


def calibration(*, bias: float = 0.0, cases: int = 100) -> OutcomeMetric:
    """Return a calibration whose observed shares are `bias` off the probabilities."""
    return OutcomeMetric(
        model="sample",
        name="probability",
        title="Probability",
        sql=_CALIBRATION_SQL.format(bias=bias, cases=cases),
        is_calibration=True,
    )
