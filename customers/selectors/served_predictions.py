"""SQL of the probabilities that the recommendation model served."""

# Returns the logged probabilities of a version in a period, and what they depend on: the customer,
# else the visit. The last number of a logged version is that of the nightly store statistics.
SERVED_PREDICTIONS = """
SELECT served.probability AS prediction,
  coalesce(r.customer_id::text, nullif(r.session, ''), r.id::text) AS unit
FROM recommendations r
CROSS JOIN LATERAL unnest(r.probabilities) AS served (probability)
WHERE r.created_at >= %(since)s AND r.created_at < %(until)s
  AND r.model_version LIKE concat('recommendation-', %(number)s::int, '.%%')
  AND served.probability IS NOT NULL
"""
