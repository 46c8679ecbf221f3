"""Offline recommender training: splits, models, metrics, search, blend and artifact."""

import hashlib
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.training import blend, search
from customers.recommendations.training.data import (
    Interactions,
    hold_out,
    read_split_by_file,
    read_split_by_time,
)
from customers.recommendations.training.evaluation import (
    evaluate,
    largest,
    rank_products,
    score_ranking,
)
from customers.recommendations.training.linear_algebra import right_singular_vectors
from customers.recommendations.training.models import (
    BuyAgain,
    Ease,
    ItemNeighbors,
    Model,
    Popularity,
    RandomOrder,
    SpectralParameters,
)
from customers.recommendations.training.search import fit_spectral_filter, search_parameters
from customers.recommendations.training.trainer import train
from customers.recommendations.training.two_tower import TrainingDiverged

_GROUPS, _CUSTOMERS, _PRODUCTS = 6, 240, 120
_SEED = 20261128


def _planted(*, shuffled: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return customers and products: six groups buy a sixth of the products each."""
    rng = np.random.default_rng(_SEED)
    size = _PRODUCTS // _GROUPS
    customers, products = [], []
    for customer in range(_CUSTOMERS):
        group = customer % _GROUPS
        own = group * size + rng.choice(size, 10, replace=False)
        customers += [customer] * 11
        products += [*own, rng.integers(_PRODUCTS)]
    if shuffled:
        products = rng.permutation(products).tolist()
    return np.array(customers), np.array(products)


def _interactions(*, shuffled: bool = False) -> Interactions:
    customers, products = _planted(shuffled=shuffled)
    whole = sparse.csr_array(
        (np.ones(len(customers), dtype=np.float32), (customers, products)),
        shape=(_CUSTOMERS, _PRODUCTS),
    )
    whole.sum_duplicates()
    everything = Interactions(
        orders=whole,
        relevant=sparse.csr_array(whole.shape, dtype=np.float32),
        can_repeat=False,
        customers=np.arange(_CUSTOMERS),
        products=np.arange(_PRODUCTS),
    )
    return hold_out(everything, customer_share=1.0, item_share=0.2, seed=1)


def _write_files(tmp_path: Path) -> tuple[Path, Path]:
    customers, products = _planted()
    frame = pd.DataFrame({"customer": customers, "product": products}).drop_duplicates()
    is_test = np.arange(len(frame)) % 5 == 0
    events, split = tmp_path / "events.parquet", tmp_path / "split.parquet"
    frame[~is_test].to_parquet(events)
    frame[is_test].to_parquet(split)
    return events, split


def _run(*options: str) -> str:
    out = StringIO()
    call_command("train_recommender", *options, stdout=out)
    return out.getvalue()


# --- metrics -------------------------------------------------------------------------------------


def test_metrics_of_hits_follow_their_definitions() -> None:
    hits = np.array([[True, False, True, False], [False, False, False, False]])

    scores = score_hits(hits, np.array([5, 1]), k=3)

    ideal = 1 + 1 / np.log2(3) + 0.5
    assert scores.recall.tolist() == [0.4, 0.0]
    assert scores.capped_recall.tolist() == pytest.approx([2 / 3, 0.0])
    assert scores.ndcg.tolist() == pytest.approx([1.5 / ideal, 0.0])
    assert scores.hit_rate.tolist() == [1.0, 0.0]
    assert scores.average_precision.tolist() == pytest.approx([(1 + 2 / 3) / 3, 0.0])


def test_hits_behind_k_are_ignored() -> None:
    hits = np.array([[False, False, True]])

    assert score_hits(hits, np.array([1]), k=2).recall.tolist() == [0.0]


@pytest.mark.parametrize("columns", [30, 64 * 50, 64 * 50 + 7])
def test_largest_equals_a_stable_sort(columns: int) -> None:
    rng = np.random.default_rng(_SEED)
    scores = rng.integers(0, 40, (20, columns)).astype(np.float32)

    assert (largest(scores, 10) == np.argsort(-scores, axis=1, kind="stable")[:, :10]).all()


def test_coverage_and_novelty_of_a_ranking() -> None:
    orders = sparse.csr_array(np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=np.float32))
    relevant = sparse.csr_array(np.array([[0, 0, 1, 0], [0, 1, 0, 0]], dtype=np.float32))
    data = Interactions(
        orders=orders,
        relevant=relevant,
        can_repeat=True,
        customers=np.arange(2),
        products=np.arange(4),
    )

    figures = score_ranking(np.array([[0, 1], [0, 1]]), data, np.arange(2), seed=0)

    assert figures["coverage@20"].value == 0.5
    assert figures["novelty@20"].value == pytest.approx(0.5)  # 0 bits and 1 bit
    assert figures["recall@20"].value == 0.5


def test_bootstrap_interval_has_the_width_of_the_standard_error() -> None:
    data = _interactions()
    ranking = rank_products(Popularity.fit(data.orders), data, data.test_customers, k=20)

    figure = score_ranking(ranking, data, data.test_customers, seed=0)["hit_rate@20"]

    expected = 1.96 * np.sqrt(figure.value * (1 - figure.value) / len(data.test_customers))
    assert figure.margin == pytest.approx(expected, rel=0.2)


def test_products_of_the_history_are_not_ranked_unless_they_can_repeat() -> None:
    data = _interactions()
    customers = data.test_customers

    ranking = rank_products(Popularity.fit(data.orders), data, customers, k=20)

    history = data.orders[customers].toarray() > 0
    assert not np.take_along_axis(history, ranking, axis=1).any()


# --- splits --------------------------------------------------------------------------------------


def test_held_out_products_leave_the_history_and_nothing_else_changes() -> None:
    data = _interactions()

    customers, products = _planted()
    pairs = set(zip(customers.tolist(), products.tolist(), strict=True))
    history = set(zip(*(part.tolist() for part in data.orders.nonzero()), strict=True))
    relevant = set(zip(*(part.tolist() for part in data.relevant.nonzero()), strict=True))
    assert history | relevant == pairs
    assert not history & relevant
    assert len(relevant) == pytest.approx(0.2 * len(pairs), rel=0.1)


def test_pairs_of_the_split_never_enter_training(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    leaked = pd.concat([pd.read_parquet(events), pd.read_parquet(split)])
    leaked.to_parquet(events)

    data = read_split_by_file(events, split)

    assert not data.orders.multiply(data.relevant).nnz
    assert data.relevant.nnz == len(pd.read_parquet(split))


def test_text_split_equals_parquet_split(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    text = tmp_path / "split.txt"
    lines = [
        f"{customer} {' '.join(map(str, own))}"
        for customer, own in pd.read_parquet(split).groupby("customer")["product"]
    ]
    text.write_text("\n".join(lines))

    assert (
        read_split_by_file(events, text).relevant != read_split_by_file(events, split).relevant
    ).nnz == 0


def test_items_add_products_without_purchases(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    items = tmp_path / "items.parquet"
    pd.DataFrame({"product": [*range(_PRODUCTS), 1000, 1001]}).to_parquet(items)

    assert len(read_split_by_file(events, split, items).products) == _PRODUCTS + 2


def test_split_by_time_counts_repeats_and_predicts_the_last_days(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    end = pd.Timestamp("2026-11-20")
    days = [40, 30, 20, 12, 5, 0]
    pd.DataFrame(
        {
            "customer": ["a"] * 6,
            "product": ["x", "x", "y", "x", "y", "y"],
            "occurred_at": [end - pd.Timedelta(days=day) for day in days],
        }
    ).to_parquet(path)

    data = read_split_by_time(path, test_days=10)

    assert data.orders.toarray().tolist() == [[3, 1]]
    assert data.relevant.toarray().tolist() == [[0, 1]]
    assert data.earlier is not None
    assert data.earlier.relevant.toarray().tolist() == [[1, 0]]


# --- models --------------------------------------------------------------------------------------


def test_singular_vectors_equal_those_of_a_dense_decomposition() -> None:
    matrix = _interactions().orders

    squares, vectors = right_singular_vectors(matrix, 6, seed=0)

    _, expected, rows = np.linalg.svd(matrix.toarray())
    assert squares == pytest.approx(expected[:6] ** 2, rel=1e-3)
    assert np.abs(rows[:6] @ vectors).round(2).tolist() == np.eye(6).tolist()


def test_spectral_filter_with_all_vectors_equals_the_dense_filter() -> None:
    data = _interactions()
    parameters = SpectralParameters(
        customer_norm=0.3,
        product_norm=0.4,
        rank=60,
        low_pass=0.2,
        power=0.5,
        rest=0.7,
        product_exponent=0.3,
        history_exponent=-0.1,
    )
    model = fit_spectral_filter(data, parameters, seed=0)

    scores = model.score(np.arange(10))

    history = data.orders.toarray() > 0
    customer_counts, product_counts = history.sum(axis=1), np.maximum(history.sum(axis=0), 1)
    query = history * product_counts**-0.4
    normalized = query * (customer_counts**-0.3)[:, None]
    _, values, rows = np.linalg.svd(normalized, full_matrices=False)
    squares = (values / values[0]) ** 2
    has_vector = np.arange(len(squares)) < 60
    gains = np.where(has_vector, squares + 0.2 * squares**0.5, 0.7 * squares)
    log_history = np.log(customer_counts)
    exponents = 0.3 - 0.1 * (log_history - log_history.mean())
    expected = (query @ rows.T * gains) @ rows * product_counts ** exponents[:, None]
    assert scores == pytest.approx(expected[:10], rel=0.02, abs=0.01)


def test_item_neighbors_are_the_largest_cosines() -> None:
    data = _interactions()

    model = ItemNeighbors.fit(data.orders, neighbors=7)

    history = (data.orders.toarray() > 0).astype(float)
    norms = np.maximum(np.linalg.norm(history, axis=0), 1)
    cosines = history.T @ history / norms / norms[:, None]
    np.fill_diagonal(cosines, 0)
    similarity = model.similarity.toarray()
    assert similarity[similarity > 0] == pytest.approx(cosines[similarity > 0], rel=1e-4)
    assert similarity.sum(axis=1) == pytest.approx(np.sort(cosines)[:, -7:].sum(axis=1), rel=1e-4)


def test_ease_has_no_diagonal_and_solves_the_ridge_regression() -> None:
    data = _interactions()

    weights = Ease.fit(data.orders, ridge=20.0).weights

    history = (data.orders.toarray() > 0).astype(float)
    others = np.delete(history, 3, axis=1)
    gram = others.T @ others + 20.0 * np.eye(_PRODUCTS - 1)
    expected = np.linalg.solve(gram, others.T @ history[:, 3])
    assert weights[3, 3] == 0
    assert np.delete(weights[:, 3], 3) == pytest.approx(expected, abs=1e-3)


def test_buy_again_ranks_by_own_purchases_then_popularity() -> None:
    orders = sparse.csr_array(
        np.array([[0, 1, 2, 0], [1, 0, 0, 0], [1, 0, 0, 1]], dtype=np.float32)
    )

    scores = BuyAgain.fit(orders).score(np.array([0]))

    assert np.argsort(-scores[0]).tolist() == [2, 1, 0, 3]


@pytest.mark.parametrize("name", ["spectral", "item_knn", "ease"])
def test_models_find_planted_groups(name: str) -> None:
    data = _interactions()
    fits: dict[str, Callable[[], Model]] = {
        "spectral": lambda: fit_spectral_filter(data, SpectralParameters(rank=12), seed=0),
        "item_knn": lambda: ItemNeighbors.fit(data.orders),
        "ease": lambda: Ease.fit(data.orders, ridge=20.0),
    }

    recall = evaluate(fits[name](), data, seed=0)["recall@20"]

    popularity = evaluate(Popularity.fit(data.orders), data, seed=0)["recall@20"]
    random = evaluate(RandomOrder(_PRODUCTS, 0), data, seed=0)["recall@20"]
    assert recall.value - recall.margin > 0.7
    assert recall.value > 2 * max(popularity.value, random.value)


def test_shuffled_products_leave_nothing_to_learn() -> None:
    data = _interactions(shuffled=True)
    model = fit_spectral_filter(data, SpectralParameters(rank=12), seed=0)

    recall = evaluate(model, data, seed=0)["recall@20"]

    random = evaluate(RandomOrder(_PRODUCTS, 0), data, seed=0)["recall@20"]
    assert recall.value < random.value + random.margin + recall.margin


# --- search and blend ----------------------------------------------------------------------------


def test_search_is_at_least_as_good_as_its_start() -> None:
    validation = _interactions()

    result = search_parameters(validation, rank=30, budget_seconds=60, seed=0)

    start = SpectralParameters(rank=30)
    figures = {
        parameters: evaluate(
            fit_spectral_filter(validation, parameters, seed=0), validation, seed=0
        )
        for parameters in (start, result.parameters)
    }
    objective = {
        parameters: own["recall@20"].value + own["ndcg@20"].value
        for parameters, own in figures.items()
    }
    assert objective[result.parameters] >= objective[start]
    assert len(result.trials) == len(search.NORMALIZATIONS)


@pytest.mark.parametrize(("rank", "expected"), [(512, _PRODUCTS // 4), (20, 20)])
def test_rank_is_at_most_a_quarter_of_the_products(rank: int, expected: int) -> None:
    assert search.rank_for(_interactions(), rank) == expected


def test_objective_of_the_search_is_that_of_the_full_ranking() -> None:
    validation = _interactions()

    result = search_parameters(validation, rank=30, budget_seconds=60, seed=0)

    figures = evaluate(
        fit_spectral_filter(validation, result.parameters, seed=0), validation, seed=0
    )
    best = max(trial.objective for trial in result.trials)
    assert best == pytest.approx(figures["recall@20"].value + figures["ndcg@20"].value, abs=0.03)


def test_search_stops_before_a_trial_that_would_exceed_the_budget() -> None:
    seconds = iter(range(0, 10_000, 10))

    result = search_parameters(
        _interactions(), rank=10, budget_seconds=40, seed=0, clock=lambda: next(seconds)
    )

    assert 1 <= len(result.trials) < len(search.NORMALIZATIONS)


def test_blend_takes_models_that_complement_each_other() -> None:
    data = _interactions()
    odd = np.arange(_PRODUCTS) % 2 == 1
    halves: dict[str, Model] = {
        "odd": _Masked(Ease.fit(data.orders, ridge=20.0), odd),
        "even": _Masked(Ease.fit(data.orders, ridge=20.0), ~odd),
        "random": RandomOrder(_PRODUCTS, 0),
    }

    weights = blend.choose_weights(halves, data, data.test_customers)

    assert set(weights) == {"odd", "even"}
    together = evaluate(blend.Blend(halves, weights), data, seed=0)["recall@20"]
    alone = evaluate(halves["odd"], data, seed=0)["recall@20"]
    assert together.value > 1.5 * alone.value


class _Masked:
    """A model that knows some of the products."""

    def __init__(self, model: Ease, mask: NDArray[np.bool_]) -> None:
        self._model, self._mask = model, mask

    def score(self, customers: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._model.score(customers) * self._mask

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}


# --- command -------------------------------------------------------------------------------------


def test_command_reports_models_and_writes_a_verifiable_artifact(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    folder = tmp_path / "model"

    report = json.loads(
        _run(
            "--events",
            str(events),
            "--split",
            str(split),
            "--budget-seconds",
            "0",
            "--output",
            str(folder),
            "--json",
        )
    )

    record = json.loads((folder / "model.json").read_text())
    assert report["models"]["spectral"]["recall@20"]["value"] > 0.7
    assert report["models"]["popularity"]["recall@20"]["value"] < 0.5
    assert record["model"] == report["chosen"]
    assert record["sha256"] == hashlib.sha256((folder / "model.npz").read_bytes()).hexdigest()
    with np.load(folder / "model.npz", allow_pickle=False) as arrays:
        assert arrays["products"].tolist() == [str(name) for name in range(_PRODUCTS)]


def test_command_gives_the_same_figures_for_the_same_seed(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    options = ("--events", str(events), "--split", str(split), "--budget-seconds", "0", "--json")

    first, second = (json.loads(_run(*options, "--seed", "3")) for _ in range(2))

    for name, own in first["models"].items():
        assert own["ndcg@20"] == second["models"][name]["ndcg@20"]


def test_small_budget_validates_nothing_and_says_so(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    options = ("--events", str(events), "--split", str(split), "--budget-seconds", "0")

    report = json.loads(_run(*options, "--json"))

    assert report["chosen"] == "spectral"
    assert report["validation"] == "none"
    assert set(report["models"]) == {"random", "popularity", "spectral"}
    for name in ("item_knn", "ease", "two_tower"):
        assert "allows no validation" in report["skipped"][name]


@pytest.mark.torch
def test_budget_admits_all_candidates(tmp_path: Path) -> None:
    data = read_split_by_file(*_write_files(tmp_path))

    result = train(data, budget_seconds=3600, seed=0, rank=12)

    assert set(result.models) >= {
        "random",
        "popularity",
        "gf_cf",
        "spectral",
        "item_knn",
        "ease",
        "two_tower",
    }
    assert set(result.skipped) == {"sequence_knn"}
    assert result.validation == "random"
    assert result.models[result.chosen].figures["recall@20"].value > 0.7


@pytest.mark.torch
def test_model_that_diverges_is_skipped_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_arguments: object, **_options: object) -> None:
        raise TrainingDiverged("the loss of epoch 1 is nan")

    monkeypatch.setattr("customers.recommendations.training.trainer.TwoTower.fit", diverge)
    data = read_split_by_file(*_write_files(tmp_path))

    result = train(data, budget_seconds=3600, seed=0, rank=12)

    assert result.skipped["two_tower"] == "the loss of epoch 1 is nan"
    assert "two_tower" not in result.models


def test_two_tower_is_skipped_with_its_reason_where_torch_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.recommendations.training.trainer.find_spec", lambda _: None)
    data = read_split_by_file(*_write_files(tmp_path))

    result = train(data, budget_seconds=3600, seed=0, rank=12)

    assert result.skipped["two_tower"] == "PyTorch is not installed; bin/train installs it"
    assert "two_tower" not in result.models


def test_order_is_ignored_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.recommendations.training.data.is_ordered", lambda *_, **__: True)
    events, split = _write_files(tmp_path)
    options = ("--events", str(events), "--split", str(split), "--budget-seconds", "0", "--json")

    known, ignored = json.loads(_run(*options)), json.loads(_run(*options, "--ignore-order"))

    assert known["parameters"]["recency"] > 0
    assert ignored["parameters"]["recency"] == 0


def test_report_has_slices_by_store_and_history(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    frame = pd.read_parquet(events)
    frame.assign(store=frame["customer"] % 2).to_parquet(events)

    report = json.loads(
        _run("--events", str(events), "--split", str(split), "--budget-seconds", "0", "--json")
    )

    slices = report["models"]["spectral"]["slices"]
    assert slices["store 0"]["customers"] + slices["store 1"]["customers"] == report["customers"]
    assert set(slices["store 0"]["ndcg@20"]) == {"value", "margin"}


def test_command_prints_a_table_with_margins(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)

    printed = _run("--events", str(events), "--split", str(split), "--budget-seconds", "0")

    assert "NDCG@20" in printed
    assert "±" in printed
    assert "Peak memory" in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"customer": [1]}, "events: lacks the column product"),
        ({"customer": [1], "product": [None]}, "product: is empty in a row"),
        ({"customer": [1], "product": ["a"]}, "split: product is not of the same type"),
    ],
)
def test_unusable_events_exit_with_one_line(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    _, split = _write_files(tmp_path)
    events = tmp_path / "unusable.parquet"
    pd.DataFrame(content).to_parquet(events)

    with pytest.raises(CommandError, match=message) as raised:
        _run("--events", str(events), "--split", str(split))

    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)


def test_number_that_is_too_large_exits_with_one_line(tmp_path: Path) -> None:
    events, _ = _write_files(tmp_path)
    split = tmp_path / "split.txt"
    split.write_text(f"1 {10**30}\n")

    with pytest.raises(CommandError, match="split: must have whole numbers") as raised:
        _run("--events", str(events), "--split", str(split))

    assert raised.value.returncode == 2


def test_nested_columns_of_items_are_no_features(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    items = tmp_path / "items.parquet"
    tags = [{"a": 1}, {"a": 2}]
    pd.DataFrame({"product": [0, 1], "tags": tags}).to_parquet(items)

    assert read_split_by_file(events, split, items).features is None


def test_customers_with_two_products_suffice_for_validation() -> None:
    orders = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=np.float32))
    data = Interactions(
        orders=orders,
        relevant=sparse.csr_array(orders.shape, dtype=np.float32),
        can_repeat=False,
        customers=np.arange(3),
        products=np.arange(3),
    )

    validation = hold_out(data, customer_share=1.0, item_share=0.2, seed=0)

    assert np.diff(validation.relevant.indptr).tolist() == [1, 1, 0]


def test_file_that_is_not_parquet_exits_with_one_line(tmp_path: Path) -> None:
    events, split = _write_files(tmp_path)
    events.write_text("no Parquet")

    with pytest.raises(CommandError, match="cannot be read as Parquet") as raised:
        _run("--events", str(events), "--split", str(split))

    assert raised.value.returncode == 2


def test_missing_text_split_exits_with_one_line(tmp_path: Path) -> None:
    events, _ = _write_files(tmp_path)

    with pytest.raises(CommandError, match="split: cannot be read") as raised:
        _run("--events", str(events), "--split", str(tmp_path / "missing.txt"))

    assert raised.value.returncode == 2
