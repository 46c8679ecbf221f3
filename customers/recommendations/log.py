"""Records of recommendation results."""

from django.db import connection

from customers.recommendations.request import RecommendationRequest
from customers.recommendations.result import RecommendationResult
from mlops.sql_arrays import array

# The customer is recorded only while they exist and consent to `history`. The row lock orders this
# statement and an erasure of the customer one after the other.
_INSERT_RECOMMENDATION = """
INSERT INTO recommendations (
  id, created_at, scenario, customer_id, session, store_id, model_version, fallback_level, products
)
VALUES (%s, %s, %s, (
  SELECT c.id FROM customer_profiles c WHERE c.id = %s AND EXISTS (
    SELECT FROM consents k
    WHERE k.customer_id = c.id AND k.purpose = 'history' AND k.withdrawn_at IS NULL
  )
  FOR KEY SHARE
), %s, %s, %s, %s, %s::uuid[])
"""


def record_recommendation(result: RecommendationResult, request: RecommendationRequest) -> None:
    """Record a result; its customer only with consent to `history`."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_RECOMMENDATION,
            [
                result.id,
                result.created_at,
                result.scenario.name,
                request.customer,
                request.session,
                request.store.pk if request.store else None,
                result.model_version,
                int(result.fallback_level),
                array(recommended.product.pk for recommended in result.recommendations),
            ],
        )
