"""Answers noted, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from config.errors import BadInput
from customers.models import Recommendation, RecommendationFeedback
from mlops.sql_arrays import array

if TYPE_CHECKING:
    from customers.recommendations.request import Question
    from customers.recommendations.result import Answer

# Whose it was, only while they are there and agree that their history is kept: an erasure waits for this, or this for it.
_KEEP = """
INSERT INTO recommendations (id, made_at, scenario, customer_id, session, store_id, model_version, fallback_level, products)
VALUES (%s, %s, %s, (
  SELECT c.id FROM customer_profiles c WHERE c.id = %s
    AND EXISTS (SELECT FROM consents k WHERE k.customer_id = c.id AND k.purpose = 'history' AND k.withdrawn_at IS NULL)
  FOR KEY SHARE
), %s, %s, %s, %s, %s::uuid[])
"""
_NOTE = """
INSERT INTO recommendation_feedback (recommendation_id, product_id, kind, session, scenario, store_id)
SELECT %s, told.product, told.kind, %s, %s, %s FROM unnest(%s::uuid[], %s::text[]) AS told(product, kind)
ON CONFLICT (recommendation_id, product_id, kind, session) DO NOTHING
"""


def keep(answer: "Answer", question: "Question") -> None:
    """Note what was answered, and to whom, if they agreed that their history is kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            [
                answer.id,
                answer.made_at,
                answer.scenario.name,
                question.customer,
                question.session,
                question.store.pk if question.store else None,
                answer.model_version,
                answer.level,
                array(pick.product.pk for pick in answer.picks),
            ],
        )


def record_feedback(
    *, recommendation: UUID, told: Sequence[Mapping[str, str]], session: str = ""
) -> int:
    """
    Note what became of recommended products, each kind once in each visit; return how much of it was new.

    told: product (a UUID) and kind. session: the visit, without which all are one. Raises Recommendation.DoesNotExist, and
    BadInput for a product that was not in it.
    """
    held = Recommendation.objects.get(id=recommendation)
    for place, one in enumerate(told):
        if UUID(str(one["product"])) not in held.products:
            raise BadInput(f"feedback.{place}.product", "was not in this recommendation")
        if one["kind"] not in RecommendationFeedback.Kind.values:
            raise BadInput(
                f"feedback.{place}.kind",
                f"must be one of {', '.join(RecommendationFeedback.Kind.values)}",
            )
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            [
                recommendation,
                session,
                held.scenario,
                held.store_id,
                array(UUID(str(one["product"])) for one in told),
                array(one["kind"] for one in told),
            ],
        )
        return int(cursor.rowcount)
