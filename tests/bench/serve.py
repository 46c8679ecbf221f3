"""A cold recommendation with the trained model against one without (at most 1.2 x).

A shop of `--size` products and 150 synthetic customers is created, the ranking model is trained on
it and deployed. Each round ranks the home page of 40 customers, uncached, with the model and with
the fixed weights in turn. Further lines: scoring all candidates of a customer against the bare
numpy product of their features with one column for each tree (at most 2 x), and its p99.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from unittest.mock import patch

import numpy as np
from django.utils import timezone

from customers.models import CustomerProfile
from customers.recommendations import RecommendationRequest, recommend
from customers.recommendations.ranker import (
    FEATURES,
    QUERY_FEATURES,
    RECOMMENDER,
    Ranker,
    TreeScorer,
)
from customers.recommendations.statistics import (
    update_product_neighbors,
    update_product_popularity,
    update_repeat_statistics,
)
from mlops.registry import approve, deploy, find_trainer, retrain
from tests.bench.comparison import Comparison, measure_alternately, measure_seconds
from tests.samples.shoppers import create_shop

SIZE = 800
MAX_COLD_RATIO = 1.2
MAX_SCORING_RATIO = 2.0
_CUSTOMERS = 150
_REQUESTS = 40
_CANDIDATES = 500
_SCORINGS = 300


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratios of recommendations and of scoring, and milliseconds."""
    customers = _prepare(size)
    serving = RECOMMENDER.current()
    assert serving is not None, "the model is not deployed"
    cold = Comparison(
        name="a cold recommendation with the model, against one without",
        limit=MAX_COLD_RATIO,
        is_ceiling=True,
    )
    with_model = Comparison(name="a cold recommendation with the model", unit="ms")
    scoring = Comparison(
        name=f"scoring {_CANDIDATES} candidates, against the bare product of the same shapes",
        limit=MAX_SCORING_RATIO,
        is_ceiling=True,
    )
    p99 = Comparison(name=f"scoring {_CANDIDATES} candidates, p99", unit="ms")
    _recommend(customers)  # connections, caches, the model
    for number in range(rounds):
        ours, peer = measure_alternately(
            number, partial(_recommend, customers), partial(_recommend_without, customers)
        )
        cold.ratios.append(ours / peer)
        with_model.ratios.append(1000 * ours / len(customers))
        score, product = _scoring(serving.model)
        durations = [measure_seconds(score) for _ in range(_SCORINGS)]
        products = [measure_seconds(product) for _ in range(_SCORINGS)]
        scoring.ratios.append(statistics.median(durations) / statistics.median(products))
        p99.ratios.append(1000 * float(np.percentile(durations, 99)))
        advance()
    return [cold, with_model, scoring, p99]


def _prepare(size: int) -> list[CustomerProfile]:
    until = timezone.now() - timedelta(hours=1)
    shop = create_shop(customers=_CUSTOMERS, products=size, until=until, days=120)
    update_product_neighbors()
    update_product_popularity()
    update_repeat_statistics()
    trainer = find_trainer(RECOMMENDER.name)
    control = replace(trainer.control, shuffles=1)
    run = retrain(replace(trainer, control=control))
    if run.version.deployments.count() == 0:
        # A gate that is inconclusive in this small shop says nothing about speed.
        approve(version=run.version, approved_by="benchmark", reason="measured for speed alone")
        deploy(version=run.version, approved_by="benchmark")
    RECOMMENDER.outdate()
    return list(shop.customers.values())[:_REQUESTS]


def _recommend(customers: list[CustomerProfile]) -> None:
    for customer in customers:
        request = RecommendationRequest(customer=customer.pk, scenario="home")
        result = recommend(request, record=False)
        assert result.recommendations, "nothing was recommended"


def _recommend_without(customers: list[CustomerProfile]) -> None:
    with _without_model():
        _recommend(customers)


@contextmanager
def _without_model() -> Iterator[None]:
    with (
        patch.object(RECOMMENDER, "current", lambda _scope: None),
        patch.object(RECOMMENDER, "is_deployed", lambda _scope: False),
    ):
        yield


def _scoring(ranker: Ranker) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the scoring of a customer's features, and the bare product of the same shapes."""
    rng = np.random.default_rng(0)
    base = rng.random((_CANDIDATES, len(QUERY_FEATURES)), dtype=np.float32)
    items = rng.random((_CANDIDATES, len(FEATURES) - len(QUERY_FEATURES)), dtype=np.float32)
    features = np.hstack([base, items])
    columns = ranker.scorer.masks.shape[1] if isinstance(ranker.scorer, TreeScorer) else 1
    weights = rng.random((len(FEATURES), columns), dtype=np.float32)
    return partial(ranker.scores, base, items), partial(np.matmul, features, weights)
