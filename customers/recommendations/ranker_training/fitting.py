"""Fit of the ranker: products, then trees or logistic weights, then the calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.ranker import (
    FEATURES,
    MAX_LEAVES,
    QUERY_FEATURES,
    ItemModel,
    LinearScorer,
    Ranker,
    TreeScorer,
)
from customers.recommendations.ranker_training.ranks import hits_by_rank
from customers.recommendations.ranker_training.tables import (
    codes_in,
    column,
    query_numbers,
    query_slices,
)
from customers.recommendations.statistics.co_purchase import MIN_BUYERS
from customers.recommendations.training.models import SpectralParameters, Spectrum
from mlops.registry import FitContext

_VALIDATION_SHARE = 0.25
_MAX_RANK_SHARE = 0.5
# More threads wait for each other beside the processes that serve.
_THREADS = 1
_TRUNCATION_LEVEL = 20
_EARLY_STOPPING = 20
_RIDGE = 10.0
_MIN_PENALTY = 1e-3
_MAX_LOGIT = 30.0
_MIN_DEVIATION = 1e-6
_NEWTON_STEPS = 30
_TOLERANCE = 1e-6
# A scorer of trees must be better than logistic weights by this much NDCG@10, since it is larger.
_MIN_TREE_GAIN = 0.001


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Rows of candidates: FEATURES, label and number of the query, which ascends."""

    features: NDArray[np.float32]
    labels: NDArray[np.bool_]
    queries: NDArray[np.int64]

    def select(self, mask: NDArray[np.bool_]) -> _Inputs:
        return _Inputs(self.features[mask], self.labels[mask], self.queries[mask])


def fit(table: pa.Table, context: FitContext) -> Ranker:
    """
    Return the ranker of the examples of all windows.

    The features of each window come from a product model that was fitted to the histories at its
    cut; the ranker contains one fitted to all windows and their labels. On a quarter of the
    customers, which is held out, the number of trees, and trees or logistic weights, are chosen by
    NDCG@10, and scores are calibrated; then the choice is fitted to all customers.
    """
    parts = [_inputs(window, context) for window in _windows(table)]
    inputs = _concatenate(parts)
    customers = np.concatenate([_customers(window) for window in _windows(table)])
    rng = np.random.default_rng(context.seed)
    distinct = np.unique(customers)
    held_out = rng.permutation(distinct)[: max(1, round(_VALIDATION_SHARE * len(distinct)))]
    is_validation = np.isin(customers, held_out)
    train, validation = inputs.select(~is_validation), inputs.select(is_validation)
    trees = _fit_trees(train, context, validation=validation)
    scores: dict[str, Any] = {
        "mix": validation.features[:, FEATURES.index("mix")],
        "linear": _fit_linear(train, context).score(validation.features),
        "trees": trees.predict(validation.features),
    }
    figures = {name: mean_ndcg(own, validation) for name, own in scores.items()}
    for name, figure in figures.items():
        context.record(f"validation NDCG@10: {name}", 0.0, figure)
    is_tree = figures["trees"] > figures["linear"] + _MIN_TREE_GAIN
    slope, intercept = _calibrate(scores["trees" if is_tree else "linear"], validation)
    scorer: TreeScorer | LinearScorer
    if is_tree:
        booster = _fit_trees(inputs, context, trees=max(trees.best_iteration, 1))
        scorer = TreeScorer.from_lightgbm(booster.dump_model())
    else:
        scorer = _fit_linear(inputs, context)
    return Ranker(
        items=fit_items(table, context, with_labels=True),
        scorer=scorer,
        slope=slope,
        intercept=intercept,
    )


def fit_items(table: pa.Table, context: FitContext, *, with_labels: bool = False) -> ItemModel:
    """
    Return the product model of the customers' products in a table of examples.

    with_labels: the products that they bought after the cut are theirs as well. Products of fewer
    than three customers are left out: their vectors could reveal what a person buys.
    """
    owned = column(table, "weight") > 0
    if with_labels:
        owned |= column(table, "label")
    names = {name for chunk in table["product"].chunks for name in chunk.dictionary.to_pylist()}
    products = np.array(sorted(names), dtype=str)
    columns = codes_in(table["product"], products)[owned]
    _, rows = np.unique(column(table, "customer")[owned], return_inverse=True)
    matrix = sparse.csr_array(
        (np.ones(len(rows), np.float32), (rows, columns)),
        shape=(int(rows.max(initial=-1)) + 1, len(products)),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    is_stored = np.diff(matrix.tocsc().indptr) >= MIN_BUYERS
    prices = np.zeros(len(products), dtype=np.float32)
    prices[codes_in(table["product"], products)] = np.log(np.maximum(column(table, "price"), 1.0))
    matrix = sparse.csr_array(matrix[:, np.flatnonzero(is_stored)])
    products, prices = products[is_stored], prices[is_stored]
    rank = min(int(context.parameters["rank"]), int(_MAX_RANK_SHARE * min(matrix.shape)))
    if rank < 1:
        empty = np.zeros((len(products), 1), dtype=np.float32)
        return ItemModel(
            products=products, vectors=empty, weighted_vectors=empty, log_prices=prices
        )
    parameters = SpectralParameters(rank=rank)
    spectrum = Spectrum.compute(
        matrix,
        rank=rank,
        customer_norm=parameters.customer_norm,
        product_norm=parameters.product_norm,
        seed=context.seed,
    )
    counts = spectrum.product_counts[:, None]
    # The linear part of the filter, of full rank, is left out: these vectors are all that serves.
    gains = parameters.gains(spectrum.squares) + spectrum.squares.astype(np.float32)
    return ItemModel(
        products=products,
        vectors=(spectrum.vectors * counts**-parameters.product_norm).astype(np.float32),
        weighted_vectors=(spectrum.vectors * gains * counts**parameters.product_exponent).astype(
            np.float32
        ),
        log_prices=prices,
    )


def item_features(items: ItemModel, table: pa.Table) -> NDArray[np.float32]:
    """Return ITEM_FEATURES of each row of examples, by the histories in their rows."""
    codes = codes_in(table["product"], items.products)
    weights = column(table, "weight")
    is_disliked = column(table, "is_disliked")
    features = []
    for rows in query_slices(query_numbers(table)):
        own = codes[rows]
        seeds = weights[rows] > 0
        features.append(
            items.features(own, own[seeds], weights[rows][seeds], own[is_disliked[rows]])
        )
    return np.concatenate(features) if features else np.zeros((0, 3), np.float32)


def base_features(table: pa.Table) -> NDArray[np.float32]:
    """Return QUERY_FEATURES of each row of examples."""
    return np.column_stack([column(table, name) for name in QUERY_FEATURES])


def mean_ndcg(scores: NDArray[Any], inputs: _Inputs) -> float:
    """Return the mean NDCG@10 over the queries of the inputs that have a positive label."""
    hits, counts = hits_by_rank(scores, inputs.labels, inputs.queries, k=10)
    measured = counts > 0
    if not measured.any():
        return 0.0
    return float(score_hits(hits[measured], counts[measured], k=10).ndcg.mean())


def _windows(table: pa.Table) -> list[pa.Table]:
    """Return the examples of each cut, oldest first."""
    cuts = pc.unique(table["occurred_at"]).sort()
    return [table.filter(pc.equal(table["occurred_at"], cut)) for cut in cuts]


def _inputs(window: pa.Table, context: FitContext) -> _Inputs:
    features = np.hstack([base_features(window), item_features(fit_items(window, context), window)])
    mask = column(window, "is_candidate")
    queries = query_numbers(window)
    return _Inputs(features[mask], column(window, "label")[mask], queries[mask])


def _customers(window: pa.Table) -> NDArray[Any]:
    return np.asarray(column(window, "customer")[column(window, "is_candidate")])


def _concatenate(parts: list[_Inputs]) -> _Inputs:
    offsets = np.cumsum([0, *(part.queries.max(initial=-1) + 1 for part in parts[:-1])])
    return _Inputs(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([p.queries + o for p, o in zip(parts, offsets, strict=True)]),
    )


def _sample(inputs: _Inputs, context: FitContext) -> _Inputs:
    """Return all positives, products bought before, and a sample of the other candidates."""
    rng = np.random.default_rng(context.seed)
    is_kept = inputs.labels | (inputs.features[:, FEATURES.index("purchases")] > 0)
    others = ~is_kept
    wanted = context.parameters["negatives_per_positive"] * int(inputs.labels.sum())
    share = min(1.0, wanted / max(int(others.sum()), 1))
    return inputs.select(is_kept | (others & (rng.random(len(others)) < share)))


def _fit_trees(
    inputs: _Inputs,
    context: FitContext,
    *,
    validation: _Inputs | None = None,
    trees: int | None = None,
) -> lightgbm.Booster:
    """Return LambdaRank trees; with a validation part, as many as rank it best."""
    parameters = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": _TRUNCATION_LEVEL,
        "metric": "ndcg",
        "eval_at": [10],
        "num_leaves": MAX_LEAVES,
        "learning_rate": context.parameters["learning_rate"],
        "min_data_in_leaf": context.parameters["min_rows_per_leaf"],
        "lambda_l2": 5.0,
        "use_missing": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": _THREADS,
        "seed": context.seed,
        "verbose": -1,
    }
    data = _dataset(_sample(inputs, context))
    count = trees or int(context.parameters["trees"])
    if validation is None:
        return lightgbm.train(parameters, data, count)
    return lightgbm.train(
        parameters,
        data,
        count,
        valid_sets=[_dataset(validation, reference=data)],
        callbacks=[
            lightgbm.early_stopping(_EARLY_STOPPING, verbose=False),
            lambda progress: context.record(
                "validation NDCG@10 by trees",
                float(progress.iteration + 1),
                float(progress.evaluation_result_list[0][2]),
            ),
        ],
    )


def _dataset(inputs: _Inputs, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        inputs.features,
        inputs.labels.astype(np.int32),
        group=np.unique(inputs.queries, return_counts=True)[1],
        reference=reference,
        feature_name=list(FEATURES),
    )


def _fit_linear(inputs: _Inputs, context: FitContext) -> LinearScorer:
    """Return logistic weights; fitted to the same sample as the trees."""
    sample = _sample(inputs, context)
    terms = LinearScorer.terms(sample.features)
    means = terms.mean(axis=0)
    deviations = terms.std(axis=0)
    deviations[deviations < _MIN_DEVIATION] = 1.0
    weights, _ = logistic_weights((terms - means) / deviations, sample.labels, ridge=_RIDGE)
    return LinearScorer(means, deviations, weights)


def logistic_weights(
    terms: NDArray[Any], labels: NDArray[np.bool_], *, ridge: float
) -> tuple[NDArray[np.float64], float]:
    """
    Return weights (terms,) and bias of a logistic regression.

    Newton steps on the likelihood with a ridge penalty, not of the bias.
    """
    design = np.column_stack([terms, np.ones(len(terms))]).astype(np.float64)
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = _MIN_PENALTY
    weights = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        logits = np.clip(design @ weights, -_MAX_LOGIT, _MAX_LOGIT)
        probabilities = 1.0 / (1.0 + np.exp(-logits))
        gradient = design.T @ (probabilities - labels) + penalty * weights
        curvature = (design * (probabilities * (1 - probabilities))[:, None]).T @ design
        step = np.linalg.solve(curvature + np.diag(penalty), gradient)
        weights -= step
        if np.abs(step).max() < _TOLERANCE:
            break
    return weights[:-1], float(weights[-1])


def _calibrate(scores: NDArray[Any], inputs: _Inputs) -> tuple[float, float]:
    """Return slope and intercept of the probability by score (Platt scaling)."""
    weights, bias = logistic_weights(scores[:, None], inputs.labels, ridge=_MIN_PENALTY)
    return float(weights[0]), bias
