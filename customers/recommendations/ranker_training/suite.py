"""Checks of the pipeline with a candidate: hard filters without exception, and latency."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.utils import timezone

from catalog.models import Store
from customers.models import CustomerProfile, Purchase, Scenario
from customers.recommendations.context import RecommendationContext, load_context
from customers.recommendations.filters import blocking_reasons, request_blocking_reasons
from customers.recommendations.model_ranking import RankerChoice
from customers.recommendations.pipeline import Ranking, rank_eligible_products, select_products
from customers.recommendations.product_facts import load_product_facts
from customers.recommendations.ranker import RECOMMENDER, Ranker
from customers.recommendations.request import RecommendationRequest

_CUSTOMERS = 40
_STORES = 3
_LIMIT = 20
_TIMED_CASES = 10


def count_filter_violations(model: Ranker, _test: Any) -> tuple[int, int]:
    """
    Return the number of recommended products that were checked, and of those that are blocked.

    For the newest buyers with history, in up to three stores. Their facts are read again after the
    ranking.
    """
    cases = violations = 0
    for context in _contexts():
        ranking = rank_case(model, context)
        selected = [candidate.key for candidate in select_products(ranking, context)]
        facts = load_product_facts(selected, context.store_ids)
        cases += len(selected)
        violations += sum(
            product not in facts or bool(blocking_reasons(facts[product], context))
            for product in selected
        )
    return cases, violations


def ranking_cases() -> list[RecommendationContext]:
    """Return contexts of the newest buyers with history, of which the latency is measured."""
    return list(islice(_contexts(), _TIMED_CASES))


def rank_case(model: Ranker | None, context: RecommendationContext) -> Ranking:
    """Rank the products of a context by a model, or by the fixed weights of the sources."""
    version = f"{RECOMMENDER.name}-candidate"
    choice = RankerChoice(ranker=model, version=version) if model else RankerChoice()
    return rank_eligible_products(context, choice=choice)


def _contexts() -> Iterator[RecommendationContext]:
    now = timezone.now()
    newest = (
        Purchase.objects.exclude(customer=None)
        .order_by("-purchased_at")
        .values_list("customer", flat=True)[: 20 * _CUSTOMERS]
    )
    customers = list(dict.fromkeys(newest))[:_CUSTOMERS]
    existing = set(CustomerProfile.objects.filter(pk__in=customers).values_list("pk", flat=True))
    stores = list(Store.objects.order_by("code")[:_STORES])
    for customer in customers:
        for store in stores:
            if customer in existing:
                request = RecommendationRequest(
                    customer=customer, scenario=Scenario.Name.HOME, store=store, limit=_LIMIT
                )
                context = load_context(request, now=now)
                if context.history and not request_blocking_reasons(context):
                    yield context
