"""Records of recommendation results."""

from django.db import connection, transaction

from customers.recommendations.request import RecommendationRequest
from customers.recommendations.result import RecommendationResult
from mlops.experiments import Assignment
from mlops.sql_arrays import array

# Locks the customer until the record is written, so that a withdrawal or an erasure at the same
# moment finds it. A separate statement: one that waits for a lock reads consents as they were
# before it waited.
_LOCK_CUSTOMER = "SELECT FROM customer_profiles WHERE id = %s FOR KEY SHARE"
# The customer is recorded only while they exist and consent to `history`.
_INSERT_RECOMMENDATION = """
INSERT INTO recommendations (
  id, created_at, scenario, customer_id, session, store_id, model_version, experiment_id, variant,
  milliseconds, fallback_level, products, probabilities
)
VALUES (%s, %s, %s, (
  SELECT c.id FROM customer_profiles c WHERE c.id = %s AND EXISTS (
    SELECT FROM consents k
    WHERE k.customer_id = c.id AND k.purpose = 'history' AND k.withdrawn_at IS NULL
  )
), %s, %s, %s, %s, %s, %s, %s, %s::uuid[], %s::float8[])
"""


def record_recommendation(
    result: RecommendationResult,
    request: RecommendationRequest,
    *,
    variant: Assignment | None = None,
    milliseconds: float,
) -> None:
    """
    Record a result with the predicted probabilities; its customer only with consent to `history`.

    variant: of the experiment that the result belongs to. milliseconds: time of the computation.
    """
    probabilities = [recommended.probability for recommended in result.recommendations]
    is_predicted = any(probability is not None for probability in probabilities)
    with transaction.atomic(), connection.cursor() as cursor:
        if request.customer:
            cursor.execute(_LOCK_CUSTOMER, [request.customer])
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
                variant.experiment_id if variant else None,
                variant.variant if variant else "",
                milliseconds,
                int(result.fallback_level),
                array(recommended.product.pk for recommended in result.recommendations),
                array(probabilities) if is_predicted else None,
            ],
        )
