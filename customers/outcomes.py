"""
Outcomes of recommendations by scenario, version and day.

Click-through and purchase-through of lists, and purchases by the probability that was predicted.
"""

from datetime import timedelta

from django.utils.translation import gettext_lazy

from mlops.registry import OutcomeMetric, register_outcomes

_SETTLES_AFTER = timedelta(days=7)
# Returns, by scenario, version and day, the lists that were shown, and those with the outcome. A
# list counts once in each session: its products are not independent of each other. The last number
# of a logged version is that of the nightly store statistics.
_SHOWN_LISTS = """
SELECT shown.segment, shown.version, shown.day, count(*) AS trials,
  count(*) FILTER (WHERE shown.has_outcome) AS successes
FROM (
  SELECT r.scenario AS segment, regexp_replace(r.model_version, '\\.[0-9]+$', '') AS version,
    (r.created_at AT TIME ZONE 'UTC')::date AS day,
    bool_or(f.kind IN ({kinds})) AS has_outcome
  FROM recommendations r
  JOIN recommendation_feedback f ON f.recommendation_id = r.id
    AND f.at < r.created_at + interval '{days} days'
  WHERE r.created_at >= %(since)s::timestamp AT TIME ZONE 'UTC'
    AND r.created_at < %(until)s::timestamp AT TIME ZONE 'UTC'
  GROUP BY r.id, r.created_at, r.scenario, r.model_version, f.session
) shown
GROUP BY 1, 2, 3
"""
_PURCHASE_DAYS = 14
_EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Most probabilities of a purchase are small."""
# Returns, by scenario, version, day and interval of the probability, the products that were
# recommended to customers, and those that they bought within the time that the probability is of.
# A product counts once a day for each customer, at its first probability.
_PREDICTED_PURCHASES = """
WITH served AS (
  SELECT DISTINCT ON (segment, version, day, r.customer_id, e.effective_id)
    r.scenario AS segment, regexp_replace(r.model_version, '\\.[0-9]+$', '') AS version,
    (r.created_at AT TIME ZONE 'UTC')::date AS day, r.customer_id, e.effective_id AS product_id,
    r.created_at, predicted.probability
  FROM recommendations r
  CROSS JOIN LATERAL unnest(r.products, r.probabilities) AS predicted (product_id, probability)
  JOIN effective_products e ON e.product_id = predicted.product_id
  WHERE r.created_at >= %(since)s::timestamp AT TIME ZONE 'UTC'
    AND r.created_at < %(until)s::timestamp AT TIME ZONE 'UTC'
    AND r.customer_id IS NOT NULL AND predicted.probability IS NOT NULL
  ORDER BY segment, version, day, r.customer_id, e.effective_id, r.created_at, r.id
), outcomes AS (
  SELECT s.*, EXISTS (
    SELECT FROM purchases l
    JOIN effective_products e ON e.product_id = l.product_id
    WHERE l.customer_id = s.customer_id AND e.effective_id = s.product_id AND l.quantity > 0
      AND l.purchased_at >= s.created_at
      AND l.purchased_at < s.created_at + interval '{days} days'
  ) AS is_bought
  FROM served s
)
SELECT segment, version, day,
  width_bucket(probability, ARRAY[{edges}]::float8[]) AS bin,
  count(*) AS trials, count(*) FILTER (WHERE is_bought) AS successes,
  sum(probability) AS predicted
FROM outcomes
GROUP BY 1, 2, 3, 4
"""


def _sql(*kinds: str) -> str:
    quoted = ", ".join(f"'{kind}'" for kind in kinds)
    return _SHOWN_LISTS.format(kinds=quoted, days=_SETTLES_AFTER.days)


register_outcomes(
    OutcomeMetric(
        model="recommendation",
        name="click_through",
        title=gettext_lazy("Click-through"),
        # A client may report a purchase without the click before it.
        sql=_sql("clicked", "bought"),
        settles_after=_SETTLES_AFTER,
    ),
    OutcomeMetric(
        model="recommendation",
        name="purchase_through",
        title=gettext_lazy("Purchase-through"),
        sql=_sql("bought"),
        settles_after=_SETTLES_AFTER,
    ),
    OutcomeMetric(
        model="recommendation",
        name="predicted_purchase",
        title=gettext_lazy("Probability of a purchase within two weeks"),
        sql=_PREDICTED_PURCHASES.format(
            days=_PURCHASE_DAYS, edges=", ".join(map(str, _EDGES[1:-1]))
        ),
        settles_after=timedelta(days=_PURCHASE_DAYS),
        is_calibration=True,
        bin_edges=_EDGES,
    ),
)
