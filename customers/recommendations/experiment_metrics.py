"""Measurements of an experiment with scenarios, from the log of results and their feedback."""

from django.db import connection

from mlops.experiments import Measurements, Summary
from mlops.models import Experiment

_METRICS = ("clicked", "bought", "fallback", "milliseconds")
# Returns, for each variant, the number of visitors and, for each metric, their number with a value,
# its mean and its variance; and in a row without a variant the visitors seen in several variants.
#
# A visitor is the customer of a result, recorded under their consent to `history`, else a session
# that gave feedback on it, for a result that is cached for all sessions is logged without one.
_MEASURE = """
WITH results AS (
  SELECT r.id, r.variant, r.customer_id, nullif(r.session, '') AS session,
    (r.fallback_level >= 3)::int::float8 AS fallback, r.milliseconds
  FROM recommendations r
  WHERE r.experiment_id = %(experiment)s AND r.created_at >= %(started_at)s
), seen AS (
  SELECT r.variant, coalesce(r.customer_id::text, nullif(f.session, ''), r.session) AS visitor,
    r.id, r.fallback, r.milliseconds, f.kind
  FROM results r LEFT JOIN recommendation_feedback f ON f.recommendation_id = r.id
), outcomes AS (
  SELECT visitor, variant,
    coalesce(bool_or(kind = 'clicked'), false)::int::float8 AS clicked,
    coalesce(bool_or(kind = 'bought'), false)::int::float8 AS bought
  FROM seen WHERE visitor IS NOT NULL GROUP BY visitor, variant
), quality AS (
  SELECT visitor, variant, avg(fallback) AS fallback, avg(milliseconds) AS milliseconds
  FROM (SELECT DISTINCT visitor, variant, id, fallback, milliseconds FROM seen) each_result
  WHERE visitor IS NOT NULL GROUP BY visitor, variant
), mixed AS (
  SELECT visitor FROM outcomes GROUP BY visitor HAVING count(*) > 1
)
SELECT o.variant, count(*),
  count(o.clicked), avg(o.clicked), var_samp(o.clicked),
  count(o.bought), avg(o.bought), var_samp(o.bought),
  count(q.fallback), avg(q.fallback), var_samp(q.fallback),
  count(q.milliseconds), avg(q.milliseconds), var_samp(q.milliseconds)
FROM outcomes o JOIN quality q USING (visitor, variant)
WHERE o.visitor NOT IN (SELECT visitor FROM mixed)
GROUP BY o.variant
UNION ALL
SELECT NULL, count(*), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM mixed
"""


def measure_experiment(experiment: Experiment) -> Measurements:
    """Return visitors and metrics of each variant; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_MEASURE, {"experiment": experiment.pk, "started_at": experiment.started_at})
        rows = cursor.fetchall()
    units: dict[str, int] = {}
    metrics: dict[str, dict[str, Summary]] = {name: {} for name in _METRICS}
    mixed = 0
    for variant, count, *figures in rows:
        if variant is None:
            mixed = count
            continue
        units[variant] = count
        for index, name in enumerate(_METRICS):
            measured, mean, variance = figures[3 * index : 3 * index + 3]
            metrics[name][variant] = Summary(
                units=measured, mean=float(mean or 0), variance=float(variance or 0)
            )
    return Measurements(units=units, metrics=metrics, mixed=mixed)
