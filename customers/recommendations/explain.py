"""Why a product is recommended to somebody, and why it is not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from catalog.models import Product
from catalog.selectors import products_in_order
from customers.models import Rule
from customers.recommendations.filters import Blocked, blocked
from customers.recommendations.pipeline import language_of, order, weigh
from customers.recommendations.reasons import anchors_of, explain
from customers.recommendations.request import Question, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What becomes of a product in an answer.

    place: from 1; None where it is not shown. blocked: what keeps it out. least_score: of the last one shown; a product that
    nothing blocks and that is not shown scores less, or its brand has its share already.
    """

    product: Product
    place: int | None
    score: float
    parts: dict[str, float]
    blocked: list[Blocked]
    least_score: float
    rules: tuple[Rule, ...]
    reasons: list[dict[str, Any]]


def judge(question: Question, *, product: UUID, now: datetime | None = None) -> Verdict:
    """Return why a product is in the answer to a question, or why not. Raises Unknown."""
    weighed = weigh(question, also=[product], now=now or timezone.now())
    facts = weighed.facts.get(product)
    row = Product.objects.defer("search_document").filter(pk=product).first()
    if row is None or facts is None:
        raise Unknown("This product is not known.")
    shown = order(weighed)
    place = next((number for number, one in enumerate(shown, start=1) if one.key == product), None)
    scored = next((one for one in weighed.kept if one.key == product), None)
    anchors = products_in_order(
        [str(pk) for pk in anchors_of(weighed.found.seeds, weighed.setting.question.products)]
    )
    return Verdict(
        product=row,
        place=place,
        score=scored.score if scored else 0.0,
        parts=scored.parts if scored else {},
        blocked=[*weighed.bars, *blocked(facts, weighed.setting)],
        least_score=shown[-1].score if shown else 0.0,
        rules=weighed.moved.get(product, ()),
        reasons=explain(
            row,
            parts=scored.parts if scored else {},
            anchors=anchors,
            language=language_of(weighed.setting),
        ),
    )
