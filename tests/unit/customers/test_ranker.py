"""The served ranking model: trees as tables, features, and the artifact."""

import io
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from customers.recommendations.ranker import (
    FEATURES,
    ITEM_FEATURES,
    MAX_LEAVES,
    QUERY_FEATURES,
    UNKNOWN,
    ItemModel,
    LinearScorer,
    Ranker,
    RankingQuery,
    TreeScorer,
    aligned,
    candidate_rows,
    query_features,
)


def _fit_trees(*, leaves: int = MAX_LEAVES, trees: int = 30) -> tuple[Any, NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(3000, 6)).astype(np.float32)
    inputs[:, 3] = np.round(inputs[:, 3])  # many equal values, which thresholds touch
    inputs[rng.random(len(inputs)) < 0.3, 4] = 999.0
    truth = (
        inputs[:, 0] * inputs[:, 1] + np.sin(3 * inputs[:, 2]) + inputs[:, 3] - inputs[:, 4] / 99
    )
    booster = lightgbm.train(
        {"num_leaves": leaves, "verbose": -1, "use_missing": False, "num_threads": 1},
        lightgbm.Dataset(inputs, truth),
        trees,
    )
    return booster, inputs


def _items(count: int = 4) -> ItemModel:
    rng = np.random.default_rng(2)
    return ItemModel(
        products=np.array([f"00000000-0000-0000-0000-00000000000{n}" for n in range(count)]),
        vectors=rng.normal(size=(count, 3)).astype(np.float32),
        weighted_vectors=rng.normal(size=(count, 3)).astype(np.float32),
        log_prices=np.array([np.log(10), np.log(20), 0.0, np.log(40)], dtype=np.float32)[:count],
    )


def _ranker() -> Ranker:
    size = 2 * len(FEATURES)
    scorer = LinearScorer(np.zeros(size), np.ones(size), np.linspace(-1, 1, size))
    return Ranker(items=_items(), scorer=scorer, slope=0.5, intercept=-2.0)


def _query(**changes: Any) -> RankingQuery:
    fields: dict[str, Any] = {
        "rows": candidate_rows({"a": 0, "b": 1, "c": 2}, ["a", "b", "a", "c", "x"]),
        "is_purchase": np.array([True, True, True, False, True]),
        "quantities": np.array([1.0, -1.0, 2.0, 1.0, 1.0]),
        "days": np.array([10.0, 15.0, 30.0, 3.0, 50.0]),
        "weights": np.array([1.0, 0.0, 1.0, 0.5, 1.0]),
        "mix": np.array([0.3, 0.1, 0.0]),
        "scores": {
            "repurchase": aligned({"a": 0.2}, "abc", 0.0),
            "popularity": aligned({"b": 0.7}, "abc", 0.0),
        },
        "lifts": aligned({"b": 2.0}, "abc", 1.0),
        "orders_per_buyer": aligned({"a": 1.8}, "abc", 1.3),
    }
    return RankingQuery(**{**fields, **changes})


def _feature(name: str, query: RankingQuery) -> list[float]:
    values: list[float] = query_features(query)[:, QUERY_FEATURES.index(name)].tolist()
    return values


def test_tables_score_as_lightgbm_does() -> None:
    booster, inputs = _fit_trees()

    scores = TreeScorer.from_lightgbm(booster.dump_model()).score(inputs)

    np.testing.assert_allclose(scores, booster.predict(inputs), rtol=0, atol=2e-5)


def test_tables_score_values_on_a_threshold_as_lightgbm_does() -> None:
    booster, _ = _fit_trees()
    scorer = TreeScorer.from_lightgbm(booster.dump_model())
    on_thresholds = np.zeros((len(scorer.thresholds), 6))
    for feature in range(6):
        rows = slice(scorer.starts[feature], scorer.starts[feature + 1])
        on_thresholds[rows, feature] = scorer.thresholds[rows]
    # LightGBM reads values closer to 0 than its own threshold of 1e-35 as 0.
    on_thresholds[np.abs(on_thresholds) < 1e-30] = 0

    scores = scorer.score(on_thresholds)

    np.testing.assert_allclose(scores, booster.predict(on_thresholds), rtol=0, atol=2e-5)


def test_tree_of_too_many_leaves_is_refused() -> None:
    booster, _ = _fit_trees(leaves=MAX_LEAVES + 1, trees=1)

    with pytest.raises(ValueError, match="17 leaves of at most 16"):
        TreeScorer.from_lightgbm(booster.dump_model())


def test_linear_scores_are_those_of_its_terms() -> None:
    rng = np.random.default_rng(4)
    inputs = (rng.random((50, 6)) * [1, 1, 1, 30, 500, 999]).astype(np.float32)
    terms = LinearScorer.terms(inputs)
    scorer = LinearScorer(terms.mean(axis=0), terms.std(axis=0), rng.normal(size=12))

    scores = scorer.score(inputs)

    expected = ((terms - scorer.means) / scorer.deviations) @ scorer.weights
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


def test_features_of_a_query_are_one_matrix_by_columns() -> None:
    features = query_features(_query())

    assert features.dtype == np.float32
    assert features.flags.f_contiguous


def test_linear_scorer_with_arrays_of_unequal_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="same sizes"):
        LinearScorer(np.zeros(4), np.ones(4), np.zeros(6))


def test_artifact_restores_the_ranker() -> None:
    ranker = _ranker()
    inputs = np.random.default_rng(3).random((5, len(FEATURES)))
    base, item = inputs[:, : len(QUERY_FEATURES)], inputs[:, len(QUERY_FEATURES) :]

    restored = Ranker.load(ranker.dump())

    scores = restored.scores(base, item)
    np.testing.assert_array_equal(scores, ranker.scores(base, item))
    np.testing.assert_array_equal(restored.probabilities(scores), ranker.probabilities(scores))
    np.testing.assert_array_equal(restored.items.vectors, ranker.items.vectors)


def test_equal_scores_are_in_the_order_of_the_mix() -> None:
    size = 2 * len(FEATURES)
    constant = LinearScorer(np.zeros(size), np.ones(size), np.zeros(size))
    ranker = Ranker(items=_items(), scorer=constant, slope=1.0, intercept=0.0)
    base = np.zeros((3, len(QUERY_FEATURES)))
    base[:, QUERY_FEATURES.index("mix")] = [0.001, 0.2, 0.01]

    scores = ranker.scores(base, np.zeros((3, len(ITEM_FEATURES))))

    assert np.argsort(-scores).tolist() == [1, 2, 0]
    assert np.ptp(scores) < 1e-3


def test_artifact_of_other_features_is_refused() -> None:
    body = _ranker().dump()
    with np.load(io.BytesIO(body)) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    stored["features"] = stored["features"][::-1]
    buffer = io.BytesIO()
    np.savez(buffer, **stored)

    with pytest.raises(ValueError, match="other features"):
        Ranker.load(buffer.getvalue())


def test_artifact_with_arrays_of_unequal_sizes_is_refused() -> None:
    body = _ranker().dump()
    with np.load(io.BytesIO(body)) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    stored["items.log_prices"] = stored["items.log_prices"][:-1]
    buffer = io.BytesIO()
    np.savez(buffer, **stored)

    with pytest.raises(ValueError, match="same sizes"):
        Ranker.load(buffer.getvalue())


def test_source_scores_are_features() -> None:
    query = _query()

    assert _feature("repurchase", query) == pytest.approx([0.2, 0, 0])
    assert _feature("popularity", query) == pytest.approx([0, 0.7, 0])
    assert _feature("segment_lift", query) == [1, 2, 1]


def test_repeat_rhythm_is_a_feature() -> None:
    query = _query()

    assert _feature("purchases", query) == [2, 0, 0]
    assert _feature("days_since_purchase", query) == [10, 999, 999]
    assert _feature("purchase_gap", query) == [20, 999, 999]
    assert _feature("gaps_since_purchase", query) == [0.5, 999, 999]
    # Of three visits, two were since the first purchase.
    assert _feature("share_of_visits", query) == [1.0, 0.0, 0.0]


def test_returns_are_negative_feedback() -> None:
    assert _feature("returns", _query()) == [0, 1, 0]


def test_views_and_baskets_are_interest() -> None:
    expected = 0.5 * 2 ** (-3 / 15)

    assert _feature("interest", _query()) == pytest.approx([0, 0, expected])


def test_similarity_is_that_of_the_weighted_history() -> None:
    items = _items()
    history, weights = np.array([0, UNKNOWN, 1]), np.array([0.5, 0.2, 0.3])

    features = items.features(np.array([3, UNKNOWN]), history, weights, np.array([2, UNKNOWN]))

    profile = 0.5 * items.vectors[0] + 0.3 * items.vectors[1]
    expected = [items.weighted_vectors[3] @ profile, items.weighted_vectors[3] @ items.vectors[2]]
    assert features[0, :2] == pytest.approx(expected)
    assert features[1].tolist() == [0, 0, 0]


def test_price_distance_is_from_the_mean_price_of_the_history() -> None:
    items = _items()
    column = ITEM_FEATURES.index("price_distance")
    # Product 2 has no price: it neither counts in the mean nor has a distance.
    features = items.features(
        np.array([3, 2]), np.array([0, 1, 2]), np.array([0.25, 0.25, 0.5]), np.array([], int)
    )

    mean = (np.log(10) + np.log(20)) / 2
    assert features[:, column] == pytest.approx([np.log(40) - mean, 0])
