"""Feedback on recommendation results."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext

from config.errors import BadInput
from config.scopes import KeyBinding
from customers.models import Recommendation, RecommendationFeedback
from customers.selectors.key_bindings import reaches_recommendation
from mlops.sql_arrays import array

_INSERT_FEEDBACK = """
INSERT INTO recommendation_feedback
  (recommendation_id, product_id, kind, session, scenario, store_id)
SELECT %s, item.product, item.kind, %s, %s, %s
FROM unnest(%s::uuid[], %s::text[]) AS item(product, kind)
ON CONFLICT (recommendation_id, product_id, kind, session) DO NOTHING
"""


def record_feedback(
    *,
    recommendation_id: UUID,
    feedback: Sequence[Mapping[str, str]],
    session: str = "",
    binding: KeyBinding | None = None,
) -> int:
    """
    Record outcomes of recommended products, and return how many are new. Safe to repeat.

    feedback: items with `product_id` and `type`. session: outcomes count once in each session; all
    without a session count as one. binding: of the key that sends it. Raises
    Recommendation.DoesNotExist, also for a response of a store or customer that the key does not
    reach, and BadInput for a product that was not recommended.
    """
    recommendation = Recommendation.objects.get(id=recommendation_id)
    if binding is not None and not reaches_recommendation(binding, recommendation):
        raise Recommendation.DoesNotExist
    for index, item in enumerate(feedback):
        if UUID(str(item["product_id"])) not in recommendation.products:
            raise BadInput(
                f"feedback.{index}.product_id", gettext("is not part of this recommendation")
            )
        if item["type"] not in RecommendationFeedback.Kind.values:
            allowed = ", ".join(RecommendationFeedback.Kind.values)
            raise BadInput(
                f"feedback.{index}.type",
                gettext("must be one of %(allowed)s") % {"allowed": allowed},
            )
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
