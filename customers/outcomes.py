"""Outcomes of recommendations: click-through and purchase-through by scenario, version and day."""

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
)
