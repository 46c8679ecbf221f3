"""Records of recommendation results, and feedback on them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from config.errors import BadInput
from customers.models import Recommendation, RecommendationFeedback
from mlops.sql_arrays import array

if TYPE_CHECKING:
    from customers.recommendations.request import RecommendationRequest
    from customers.recommendations.result import RecommendationResult

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
_INSERT_FEEDBACK = """
INSERT INTO recommendation_feedback
  (recommendation_id, product_id, kind, session, scenario, store_id)
SELECT %s, item.product, item.kind, %s, %s, %s
FROM unnest(%s::uuid[], %s::text[]) AS item(product, kind)
ON CONFLICT (recommendation_id, product_id, kind, session) DO NOTHING
"""


def record_recommendation(result: "RecommendationResult", request: "RecommendationRequest") -> None:
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


def record_feedback(
    *, recommendation_id: UUID, feedback: Sequence[Mapping[str, str]], session: str = ""
) -> int:
    """
    Record outcomes of recommended products, and return how many are new. Safe to repeat.

    feedback: items with `product_id` and `type`. session: outcomes count once in each session; all
    without a session count as one. Raises Recommendation.DoesNotExist, and BadInput for a product
    that was not recommended.
    """
    recommendation = Recommendation.objects.get(id=recommendation_id)
    for index, item in enumerate(feedback):
        if UUID(str(item["product_id"])) not in recommendation.products:
            raise BadInput(f"feedback.{index}.product_id", "is not part of this recommendation")
        if item["type"] not in RecommendationFeedback.Kind.values:
            allowed = ", ".join(RecommendationFeedback.Kind.values)
            raise BadInput(f"feedback.{index}.type", f"must be one of {allowed}")
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_FEEDBACK,
            [
                recommendation_id,
                session,
                recommendation.scenario,
                recommendation.store_id,
                array(UUID(str(item["product_id"])) for item in feedback),
                array(item["type"] for item in feedback),
            ],
        )
        return int(cursor.rowcount)
