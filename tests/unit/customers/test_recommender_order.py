"""Order of purchases in recommender training: ranks, detection, validation and models."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.training.data import (
    Interactions,
    hold_out,
    read_split_by_file,
    validation_split,
    with_known_order,
)
from customers.recommendations.training.evaluation import evaluate
from customers.recommendations.training.models import SequenceNeighbors, SpectralParameters
from customers.recommendations.training.order import is_ordered, recency_ranks
from customers.recommendations.training.search import fit_spectral_filter, search_parameters

_SEED = 20261129
_CUSTOMERS, _PRODUCTS, _LENGTH = 300, 120, 24
_NEIGHBORHOOD = 12


def _walks(*, shuffled: bool = False) -> pd.DataFrame:
    """Return customers who buy in one neighborhood of products for a while, then in another."""
    rng = np.random.default_rng(_SEED)
    rows = []
    for customer in range(_CUSTOMERS):
        own: list[int] = []
        for start in rng.choice(_PRODUCTS // _NEIGHBORHOOD, 3, replace=False):
            chosen = start * _NEIGHBORHOOD + rng.choice(_NEIGHBORHOOD, 8, replace=False)
            own += chosen.tolist()
        if shuffled:
            own = rng.permutation(own).tolist()
        rows += [(customer, product) for product in own]
    return pd.DataFrame(rows, columns=["customer", "product"])


def _split(tmp_path: Path, frame: pd.DataFrame, *, test: int = 3) -> tuple[Path, Path]:
    is_test = frame.groupby("customer").cumcount(ascending=False) < test
    events, split = tmp_path / "events.parquet", tmp_path / "split.parquet"
    frame[~is_test].to_parquet(events)
    frame[is_test].to_parquet(split)
    return events, split


def _read(tmp_path: Path, frame: pd.DataFrame) -> Interactions:
    return read_split_by_file(*_split(tmp_path, frame))


def _sequence(data: Interactions) -> NDArray[np.float64]:
    assert data.sequence is not None
    return data.sequence


# --- ranks ---------------------------------------------------------------------------------------


def test_rank_is_the_number_of_products_bought_later() -> None:
    orders = sparse.csr_array(np.array([[1, 1, 1, 1], [0, 1, 0, 1]], dtype=np.float32))
    sequence = np.array([5.0, 9.0, 9.0, 1.0, 2.0, 1.0])

    assert recency_ranks(orders, sequence).tolist() == [2, 0, 0, 3, 0, 1]


def test_sequence_is_the_last_row_of_a_pair(tmp_path: Path) -> None:
    events, split = tmp_path / "events.parquet", tmp_path / "split.parquet"
    pd.DataFrame({"customer": [1, 1, 1, 1], "product": [7, 5, 6, 7]}).to_parquet(events)
    pd.DataFrame({"customer": [1], "product": [9]}).to_parquet(split)

    data = read_split_by_file(events, split)

    ranks = recency_ranks(data.orders, _sequence(data))
    assert dict(zip(data.orders.indices.tolist(), ranks.tolist(), strict=True)) == {
        0: 2,
        1: 1,
        2: 0,
    }


def test_times_of_events_precede_the_order_of_rows(tmp_path: Path) -> None:
    events, split = tmp_path / "events.parquet", tmp_path / "split.parquet"
    times = pd.to_datetime(["2026-03-01", "2026-01-01", "2026-02-01"])
    pd.DataFrame({"customer": [1] * 3, "product": [5, 6, 7], "occurred_at": times}).to_parquet(
        events
    )
    pd.DataFrame({"customer": [1], "product": [9]}).to_parquet(split)

    data = read_split_by_file(events, split)

    assert recency_ranks(data.orders, _sequence(data)).tolist() == [0, 2, 1]


# --- detection -----------------------------------------------------------------------------------


def test_walks_are_ordered(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks())

    assert is_ordered(data.orders, _sequence(data), seed=0)


def test_shuffled_walks_are_not_ordered(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks(shuffled=True))

    assert not is_ordered(data.orders, _sequence(data), seed=0)


def test_rows_in_the_order_of_products_are_not_ordered(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks().sort_values(["customer", "product"]))

    assert not is_ordered(data.orders, _sequence(data), seed=0)


# --- validation ----------------------------------------------------------------------------------


def test_validation_holds_out_the_newest_products_of_ordered_rows(tmp_path: Path) -> None:
    data = with_known_order(_read(tmp_path, _walks()), seed=0)

    validation = validation_split(data, seed=0)

    assert validation.split_by == "newest"
    ranks = sparse.csr_array(
        (recency_ranks(data.orders, _sequence(data)), data.orders.indices, data.orders.indptr),
        shape=data.orders.shape,
    ).toarray()
    held_out = validation.relevant.toarray() > 0
    assert ranks[held_out].max() < 5
    assert held_out.any(axis=1).all()


def test_validation_is_random_without_an_order(tmp_path: Path) -> None:
    data = with_known_order(_read(tmp_path, _walks(shuffled=True)), seed=0)

    validation = validation_split(data, seed=0)

    assert validation.split_by == "random"
    assert validation.sequence is None


def test_newest_products_need_a_sequence(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks())
    unordered = hold_out(data, customer_share=0.5, item_share=0.2, seed=0)
    assert unordered.sequence is not None

    with pytest.raises(ValueError, match="need a sequence"):
        hold_out(
            Interactions(
                orders=data.orders,
                relevant=data.relevant,
                can_repeat=False,
                customers=data.customers,
                products=data.products,
            ),
            customer_share=0.5,
            item_share=0.2,
            seed=0,
            newest=True,
        )


# --- models --------------------------------------------------------------------------------------


def test_recency_predicts_what_follows_better(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks())
    recall = {
        recency: evaluate(
            fit_spectral_filter(data, SpectralParameters(rank=20, recency=recency), seed=0),
            data,
            seed=0,
        )["recall@10"]
        for recency in (0.0, 1.0)
    }

    assert recall[1.0].value - recall[1.0].margin > recall[0.0].value + recall[0.0].margin


def test_search_finds_recency(tmp_path: Path) -> None:
    validation = validation_split(_read(tmp_path, _walks()), seed=0)

    result = search_parameters(validation, rank=20, budget_seconds=600, seed=0)

    assert result.parameters.recency > 0
    tried = {trial.parameters.recency for trial in result.trials}
    assert len(tried) > 1


def test_recency_without_an_order_is_refused(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks())
    unordered = hold_out(data, customer_share=1.0, item_share=0.2, seed=0)
    bare = Interactions(
        orders=unordered.orders,
        relevant=unordered.relevant,
        can_repeat=False,
        customers=data.customers,
        products=data.products,
    )

    with pytest.raises(ValueError, match="needs the order"):
        fit_spectral_filter(bare, SpectralParameters(rank=10, recency=1.0), seed=0)


def test_sequence_neighbors_follow_each_other() -> None:
    orders = sparse.csr_array(np.ones((1, 4), dtype=np.float32))
    sequence = np.array([0.0, 1.0, 2.0, 3.0])

    model = SequenceNeighbors.fit(orders, sequence, distance=2, norm=0.0)

    expected = [[0, 1, 0.5, 0], [1, 0, 1, 0.5], [0.5, 1, 0, 1], [0, 0.5, 1, 0]]
    assert model.similarity.toarray().tolist() == expected


def test_sequence_neighbors_predict_the_following_products(tmp_path: Path) -> None:
    data = _read(tmp_path, _walks())

    recall = evaluate(SequenceNeighbors.fit(data.orders, _sequence(data)), data, seed=0)

    assert recall["recall@10"].value - recall["recall@10"].margin > 0.6
