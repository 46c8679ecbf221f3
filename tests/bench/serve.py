"""A cold recommendation with the trained model against one without (at most 1.2 x).

A shop of `--size` products and 150 synthetic customers is created, the ranking model is trained on
it and deployed. Each round ranks the home page of 40 customers, uncached, with the model and with
the fixed weights in turn.

Further lines: scoring the candidates of each of these customers, with the largest forest that is
trained and with logistic weights, against the bare product of the same shapes (at most 2 x). Ours:
from features and codes of products to scores, similarities to the history included. The bare
product gathers the same rows of the products' vectors, multiplies them by as many profiles, and a
dense matrix as large as that of the candidates' features by one of weights: for the forest one
column for each split, as where trees are evaluated by products; for logistic weights one row for
each term. It neither compares nor standardizes, and takes no logarithm. p50 and p99 of ours.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from django.utils import timezone
from threadpoolctl import threadpool_limits

from customers.models import CustomerProfile
from customers.recommendations import RecommendationRequest, model_ranking, recommend
from customers.recommendations.model_ranking import PredictionInputs
from customers.recommendations.ranker import (
    FEATURES,
    MAX_LEAVES,
    RECOMMENDER,
    LinearScorer,
    Ranker,
    TreeScorer,
)
from customers.recommendations.ranker.items import Codes
from customers.recommendations.statistics import (
    update_product_neighbors,
    update_product_popularity,
    update_repeat_statistics,
)
from mlops.registry import FitContext, deploy, find_trainer
from mlops.registry.training_sets import freeze, read_frozen
from tests.bench.comparison import Comparison, measure_alternately
from tests.factories.registry import ModelVersionFactory
from tests.samples.shoppers import create_shop

SIZE = 800
MAX_COLD_RATIO = 1.2
MAX_SCORING_RATIO = 2.0
_CUSTOMERS = 150
_REQUESTS = 40
_REPEATS = 20


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
    inputs = _capture_inputs(customers)
    scorings = [
        _Scoring(name, replace(serving.model, scorer=scorer), inputs)
        for name, scorer in (
            ("forest", _forest(serving.model, inputs)),
            ("logistic weights", _logistic_weights()),
        )
    ]
    for number in range(rounds):
        ours, peer = measure_alternately(
            number, partial(_recommend, customers), partial(_recommend_without, customers)
        )
        cold.ratios.append(ours / peer)
        with_model.ratios.append(1000 * ours / len(customers))
        for scoring in scorings:
            scoring.measure()
        advance()
    return [cold, with_model, *(line for scoring in scorings for line in scoring.lines)]


class _Scoring:
    """Lines about scoring the candidates of customers by one ranker."""

    def __init__(self, name: str, ranker: Ranker, inputs: Sequence[PredictionInputs]) -> None:
        mean_count = sum(len(one.products) for one in inputs) / len(inputs)
        title = f"scoring a customer, {name}, {mean_count:.0f} candidates"
        self._ratio = Comparison(
            name=f"{title}, against the bare product of the same shapes",
            limit=MAX_SCORING_RATIO,
            is_ceiling=True,
        )
        self._p50 = Comparison(name=f"{title}, p50", unit="ms")
        self._p99 = Comparison(name=f"{title}, p99", unit="ms")
        self.lines = [self._ratio, self._p50, self._p99]
        self._calls = [(_score(ranker, one), _bare_product(ranker, one)) for one in inputs]

    def measure(self) -> None:
        """Add a round: ours and the bare product in turn, both on one thread."""
        with threadpool_limits(limits=1):
            measured = [
                measure_alternately(number, *calls)
                for number in range(_REPEATS)
                for calls in self._calls
            ]
        seconds, products = np.array(measured).T
        self._ratio.ratios.append(float(np.median(seconds) / np.median(products)))
        self._p50.ratios.append(1000 * float(np.median(seconds)))
        self._p99.ratios.append(1000 * float(np.percentile(seconds, 99)))


def _score(ranker: Ranker, inputs: PredictionInputs) -> Callable[[], object]:
    codes = _codes(ranker, inputs)
    return lambda: ranker.scores(inputs.features, ranker.items.features(*codes))


def _bare_product(ranker: Ranker, inputs: PredictionInputs) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    candidates, *_ = _codes(ranker, inputs)
    if isinstance(ranker.scorer, TreeScorer):
        weights = rng.random((len(FEATURES), len(ranker.scorer.thresholds)), dtype=np.float32)
    else:
        weights = rng.random(ranker.scorer.weights.shape, dtype=np.float32)
    matrix = rng.random((len(candidates), len(weights)), dtype=np.float32)
    vectors = ranker.items.weighted_vectors
    profiles = rng.random((vectors.shape[1], 2), dtype=np.float32)
    return lambda: (vectors[candidates] @ profiles, matrix @ weights)


def _codes(ranker: Ranker, inputs: PredictionInputs) -> tuple[Codes, Codes, Any, Codes]:
    return (
        ranker.codes(inputs.products),
        ranker.codes(inputs.seed_weights),
        np.fromiter(inputs.seed_weights.values(), dtype=np.float32),
        ranker.codes(inputs.disliked),
    )


def _capture_inputs(customers: list[CustomerProfile]) -> list[PredictionInputs]:
    """Return what the ranker scores for each customer."""
    with patch.object(model_ranking, "predict", wraps=model_ranking.predict) as spy:
        _recommend(customers)
    return [call.args[0] for call in spy.call_args_list]


def _forest(ranker: Ranker, inputs: Sequence[PredictionInputs]) -> TreeScorer:
    """Return as many trees, each with as many leaves, as training fits at most."""
    import lightgbm

    features = np.concatenate(
        [np.hstack([one.features, ranker.items.features(*_codes(ranker, one))]) for one in inputs]
    )
    labels = features.argsort(axis=0).argsort(axis=0).sum(axis=1) / len(features)
    parameters = {"num_leaves": MAX_LEAVES, "num_threads": 1, "use_missing": False, "verbose": -1}
    trees = find_trainer(RECOMMENDER.name).parameters["trees"]
    booster = lightgbm.train(parameters, lightgbm.Dataset(features, labels), trees)
    return TreeScorer.from_lightgbm(booster.dump_model())


def _logistic_weights() -> LinearScorer:
    terms = 2 * len(FEATURES)
    return LinearScorer(np.zeros(terms), np.ones(terms), np.linspace(-1, 1, terms))


def _prepare(size: int) -> list[CustomerProfile]:
    until = timezone.now() - timedelta(hours=1)
    shop = create_shop(customers=_CUSTOMERS, products=size, until=until, days=120)
    update_product_neighbors()
    update_product_popularity()
    update_repeat_statistics()
    # Fitted as by training, without the gates: how good it is says nothing about speed.
    trainer = find_trainer(RECOMMENDER.name)
    frozen = freeze(trainer.training_set, model=trainer.name, as_of=timezone.now())
    train, _, _ = trainer.split(read_frozen(frozen.key, frozen.checksum), until)
    context = FitContext(seed=0, parameters=trainer.parameters, record=lambda *_point: None)
    body = trainer.dump(trainer.fit(train, context))
    deploy(
        version=ModelVersionFactory.create(model=trainer.name, body=body),
        policy="measured for speed alone",
    )
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
