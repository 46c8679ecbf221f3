"""Answers noted, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from config.errors import BadInput
from customers.models import Recommendation, RecommendationFeedback
from mlops.arrays import array

if TYPE_CHECKING:
    from customers.recommending.answering import Answer
    from customers.recommending.asking import Question

_NOTE = """
INSERT INTO recommendation_feedback (recommendation_id, product_id, kind, scenario, store_id)
SELECT %s, told.product, told.kind, %s, %s FROM unnest(%s::uuid[], %s::text[]) AS told(product, kind)
ON CONFLICT (recommendation_id, product_id, kind) DO NOTHING
"""


def keep(answer: "Answer", question: "Question") -> None:
    """Note what was answered to whom."""
    Recommendation.objects.create(
        id=answer.id, made_at=answer.made_at, scenario=answer.scenario.name, customer_id=question.customer,
        session=question.session, store_id=question.store.pk if question.store else None,
        model_version=answer.model_version, fallback_level=answer.level, products=[pick.product.pk for pick in answer.picks],
    )  # fmt: skip


def record_feedback(*, recommendation: UUID, told: Sequence[Mapping[str, str]]) -> int:
    """
    Note what became of recommended products, each kind once; return how much of it was new.

    told: product (a UUID) and kind. Raises Recommendation.DoesNotExist, and BadInput for a product that was not in it.
    """
    held = Recommendation.objects.get(id=recommendation)
    for place, one in enumerate(told):
        if UUID(str(one["product"])) not in held.products:
            raise BadInput(f"feedback.{place}.product", "was not in this recommendation")
        if one["kind"] not in RecommendationFeedback.Kind.values:
            raise BadInput(f"feedback.{place}.kind", f"must be one of {', '.join(RecommendationFeedback.Kind.values)}")
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            [
                recommendation, held.scenario, held.store_id, array(UUID(str(one["product"])) for one in told),
                array(one["kind"] for one in told),
            ],
        )  # fmt: skip
        return int(cursor.rowcount)
