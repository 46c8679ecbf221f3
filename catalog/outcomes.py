"""Outcomes of the matching model: its probabilities against the verdicts of staff."""

from django.utils.translation import gettext_lazy

from mlops.registry import OutcomeMetric, register_outcomes

# Returns the pairs that staff decided by tenth of the probability; a score is a probability in
# percent, except where products have one GTIN, which is scored by a rule.
_DECIDED_PAIRS = """
SELECT '' AS segment, algorithm AS version, (decided_at AT TIME ZONE 'UTC')::date AS day,
  least(9, floor(score / 10))::int AS bin, count(*) AS trials,
  count(*) FILTER (WHERE verdict = 'same') AS successes, (sum(score) / 100)::float8 AS predicted
FROM match_decisions
WHERE decided_by_id IS NOT NULL AND verdict IN ('same', 'different')
  AND NOT reasons @> '["same GTIN"]'
  AND decided_at >= %(since)s::timestamp AT TIME ZONE 'UTC'
  AND decided_at < %(until)s::timestamp AT TIME ZONE 'UTC'
GROUP BY 1, 2, 3, 4
"""

register_outcomes(
    OutcomeMetric(
        model="matching",
        name="same_product",
        title=gettext_lazy("Probability of one product, decided by staff"),
        sql=_DECIDED_PAIRS,
        is_calibration=True,
    )
)
