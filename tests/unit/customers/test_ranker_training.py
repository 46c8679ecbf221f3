"""Training of the ranking model: examples as of a cut, fit, evaluation and baselines."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from customers.recommendations.ranker import QUERY_FEATURES, Ranker, TreeScorer
from customers.recommendations.ranker_training import BASELINES, evaluate, fit, split_by_time
from customers.recommendations.ranker_training.examples import build_examples
from customers.recommendations.ranker_training.fitting import (
    fit_items,
    item_features,
    logistic_weights,
)
from customers.recommendations.ranker_training.ranks import hits_by_rank
from customers.recommendations.ranker_training.tables import column, query_numbers
from customers.training import BASELINE_NAMES
from mlops.registry import FitContext, find_trainer, paired_bootstrap
from mlops.registry.training import _shared_keys
from tests.samples.shoppers import generate_events, generate_products

_UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
_CUT = _UNTIL - timedelta(days=14)
_PARAMETERS = {
    "rank": 16,
    "trees": 40,
    "learning_rate": 0.1,
    "min_rows_per_leaf": 20,
    "negatives_per_positive": 10,
}


def _context() -> FitContext:
    return FitContext(seed=0, parameters=_PARAMETERS, record=lambda *_point: None)


@cache
def _events() -> pd.DataFrame:
    products = generate_products(count=80)
    return generate_events(products, customers=150, until=_UNTIL, days=150)


@cache
def _split() -> tuple[pa.Table, pa.Table]:
    train, test, _ = split_by_time(_events(), _UNTIL)
    return train, test


@cache
def _fitted() -> Ranker:
    return Ranker.load(fit(_split()[0], _context()).dump())


class _Scores:
    """A model that gives fixed scores."""

    def __init__(self, scores: Any) -> None:
        self._scores = np.asarray(scores, dtype=float)

    def scores(self, _table: pa.Table) -> Any:
        return self._scores


def test_examples_depend_on_no_event_after_the_cut() -> None:
    events = _events()
    rng = np.random.default_rng(0)
    is_after = (events["occurred_at"] > _CUT).to_numpy()
    changed = events.copy()
    # Other purchases afterwards, but by the same customers, so that the rows are the same.
    changed.loc[is_after, "product"] = rng.permutation(changed.loc[is_after, "product"])
    known = [*QUERY_FEATURES, "weight", "price", "is_disliked"]

    before = build_examples(events, cut=_CUT, until=_UNTIL).to_pandas()
    after = build_examples(changed, cut=_CUT, until=_UNTIL).to_pandas()

    key = ["customer", "product"]
    candidates = [frame[frame["is_candidate"]] for frame in (before, after)]
    both = candidates[0].merge(candidates[1], on=key, suffixes=("", "_changed"))
    assert len(both) > 10_000
    assert not both["label"].equals(both["label_changed"])
    for name in known:
        np.testing.assert_array_equal(both[name], both[f"{name}_changed"])


def test_labels_are_the_purchases_after_the_cut() -> None:
    events = _events()
    after = events[(events["occurred_at"] > _CUT) & (events["kind"] == "purchase")]
    expected = len(after.drop_duplicates(["customer", "product"]))

    examples = build_examples(events, cut=_CUT, until=_UNTIL)

    # Customers and products without an event before the cut cannot be predicted.
    assert 0.95 * expected <= column(examples, "label").sum() <= expected


def test_windows_that_are_trained_on_end_before_the_test_window() -> None:
    train, test = _split()

    cuts = sorted(set(train["occurred_at"].to_pylist()))

    assert cuts == [_CUT - timedelta(days=14 * number) for number in (3, 2, 1)]
    assert set(test["occurred_at"].to_pylist()) == {_CUT}


def test_parts_are_compared_although_products_are_first_sold_in_between() -> None:
    products = generate_products(count=400)
    events = generate_events(products, customers=20, until=_UNTIL, days=120)

    train, test, _ = split_by_time(events, _UNTIL)

    assert set(test["product"].to_pylist()) - set(train["product"].to_pylist())
    assert _shared_keys(train, test, find_trainer("recommendation").training_set.key) == 0
    assert evaluate(fit(train, _context()), test).metrics["candidate_roc_auc"] > 0.8


def test_disliked_products_are_no_candidates() -> None:
    _, test = _split()

    is_disliked = column(test, "is_disliked")

    assert is_disliked.sum() > 5
    assert not (is_disliked & column(test, "is_candidate")).any()


def test_products_of_fewer_than_three_customers_have_no_vectors() -> None:
    _, test = _split()
    owners = test.to_pandas()
    owners = owners[owners["weight"] > 0].groupby("product", observed=True)["customer"].nunique()

    items = fit_items(test, _context())

    assert 1 < owners.min() + 1 <= owners.max()
    assert set(items.products) == set(owners[owners >= 3].index)


def test_ranker_beats_every_baseline_beyond_noise() -> None:
    train, test = _split()
    ranker = evaluate(_fitted(), test)

    for name, fit_baseline in BASELINES.items():
        baseline = evaluate(fit_baseline(train, _context()), test)
        gain = ranker.samples["ndcg@10"] - baseline.samples["ndcg@10"]
        low, _, _ = paired_bootstrap(gain, seed=0)
        assert low > 0, name


def test_registered_baselines_exist() -> None:
    assert tuple(BASELINES) == BASELINE_NAMES


def test_same_seed_gives_the_same_artifact() -> None:
    train, _ = _split()

    assert fit(train, _context()).dump() == fit(train, _context()).dump()


def test_probabilities_are_calibrated() -> None:
    _, test = _split()
    ranker = _fitted()
    is_candidate = column(test, "is_candidate")
    base = np.column_stack([column(test, name) for name in QUERY_FEATURES])

    probabilities = ranker.probabilities(ranker.scores(base, item_features(ranker.items, test)))

    bought = column(test, "label")[is_candidate]
    assert probabilities[is_candidate].mean() == pytest.approx(bought.mean(), rel=0.3)
    likely = probabilities[is_candidate] > 0.3
    predicted = probabilities[is_candidate][likely].mean()
    assert bought[likely].mean() == pytest.approx(predicted, abs=0.2)


def test_scorer_on_this_shop_is_of_trees() -> None:
    assert isinstance(_fitted().scorer, TreeScorer)


def test_auc_is_over_the_whole_catalogue() -> None:
    _, test = _split()
    first = test.slice(0, int(np.searchsorted(query_numbers(test), 1)))
    rng = np.random.default_rng(1)
    scores = np.round(rng.random(first.num_rows), 1)  # with ties

    measured = evaluate(_Scores(scores), first).metrics["roc_auc"]

    labels, is_candidate = column(first, "label"), column(first, "is_candidate")
    size = int(column(first, "product_count")[0])
    all_scores = np.full(size, -1.0)
    all_scores[: first.num_rows] = np.where(is_candidate, scores, -1.0)
    all_labels = np.zeros(size, dtype=bool)
    all_labels[: first.num_rows] = labels
    assert measured == pytest.approx(roc_auc_score(all_labels, all_scores))


def test_candidate_auc_is_the_mean_over_customers() -> None:
    _, test = _split()
    scores = np.round(np.random.default_rng(1).random(test.num_rows), 1)

    measured = evaluate(_Scores(scores), test).metrics["candidate_roc_auc"]

    frame = test.select(["customer", "is_candidate", "label"]).to_pandas()
    frame = frame.assign(score=scores)[frame["is_candidate"]]
    expected = [
        roc_auc_score(own["label"], own["score"])
        for _, own in frame.groupby("customer")
        if own["label"].nunique() > 1
    ]
    assert measured == pytest.approx(np.mean(expected))


def test_product_that_no_source_proposes_cannot_be_a_hit() -> None:
    scores = np.array([0.9, -np.inf, 0.5])
    labels = np.array([False, True, True])

    hits, counts = hits_by_rank(scores, labels, np.zeros(3, dtype=np.int64), k=3)

    assert hits.tolist() == [[False, True, False]]
    assert counts.tolist() == [2]


def test_slices_are_by_store_and_cold_start() -> None:
    _, test = _split()

    metrics = evaluate(_fitted(), test).metrics

    stores = {name for name in metrics if name.startswith("ndcg@10 store ")}
    assert stores == {
        f"ndcg@10 store {code}"
        for code in ("danforth", "queen-west", "sainte-catherine", "whyte-ave")
    }
    assert 0 <= metrics["ndcg@10 cold start"] <= 1


def test_logistic_weights_recover_the_truth() -> None:
    rng = np.random.default_rng(2)
    terms = rng.normal(size=(20_000, 3))
    truth = np.array([1.0, -0.5, 0.0])
    labels = rng.random(20_000) < 1 / (1 + np.exp(-(terms @ truth - 1.0)))

    weights, bias = logistic_weights(terms, labels, ridge=1.0)

    assert weights == pytest.approx(truth, abs=0.08)
    assert bias == pytest.approx(-1.0, abs=0.08)


def test_window_without_purchases_has_no_examples() -> None:
    events = _events()

    examples = build_examples(events, cut=_UNTIL, until=_UNTIL + timedelta(days=14))

    assert examples.num_rows == 0
