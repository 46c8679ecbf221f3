"""Two-tower model of recommender training, product features, new products and slices."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from config.errors import BadInput
from customers.recommendations.training import two_tower
from customers.recommendations.training.data import Interactions, hold_out
from customers.recommendations.training.evaluation import (
    evaluate,
    evaluate_new_products,
    evaluate_slices,
    rank_products,
)
from customers.recommendations.training.features import product_features
from customers.recommendations.training.models import Popularity, RandomOrder
from customers.recommendations.training.two_tower import TrainingDiverged, TwoTower

_SEED = 20261129
_GROUPS, _CUSTOMERS, _PRODUCTS = 6, 240, 120
_SIZE = _PRODUCTS // _GROUPS


def _interactions(*, with_features: bool = False) -> Interactions:
    """Return customers of six groups, who buy a sixth of the products each."""
    rng = np.random.default_rng(_SEED)
    rows, columns = [], []
    for customer in range(_CUSTOMERS):
        own = (customer % _GROUPS) * _SIZE + rng.choice(_SIZE, 10, replace=False)
        rows += [customer] * 10
        columns += own.tolist()
    orders = sparse.csr_array(
        (np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(_CUSTOMERS, _PRODUCTS)
    )
    features = np.eye(_GROUPS, dtype=np.float32)[np.arange(_PRODUCTS) // _SIZE]
    whole = Interactions(
        orders=orders,
        relevant=sparse.csr_array(orders.shape, dtype=np.float32),
        can_repeat=False,
        customers=np.arange(_CUSTOMERS),
        products=np.arange(_PRODUCTS),
        features=features if with_features else None,
        stores=np.arange(_CUSTOMERS) % 2,
        store_names=np.array(["Downtown", "Harbor"]),
    )
    return hold_out(whole, customer_share=1.0, item_share=0.2, seed=1)


def _with_new_products(data: Interactions) -> Interactions:
    """Move all purchases of the last half of each group's products to the ones to predict."""
    is_new = np.arange(_PRODUCTS) % _SIZE >= _SIZE // 2
    whole = (data.orders + data.relevant).toarray()
    return replace(
        data,
        orders=sparse.csr_array(np.where(is_new, 0, whole).astype(np.float32)),
        relevant=sparse.csr_array(np.where(is_new, whole, 0).astype(np.float32)),
    )


# --- model ---------------------------------------------------------------------------------------


@pytest.mark.torch
def test_two_tower_finds_planted_groups() -> None:
    data = _interactions()

    recall = evaluate(TwoTower.fit(data, seed=0, seconds=60, max_epochs=10), data, seed=0)

    random = evaluate(RandomOrder(_PRODUCTS, 0), data, seed=0)["recall@20"]
    assert recall["recall@20"].value - recall["recall@20"].margin > 0.7
    assert recall["recall@20"].value > 2 * random.value


@pytest.mark.torch
def test_same_seed_gives_the_same_model() -> None:
    data = _interactions()

    first, second = (TwoTower.fit(data, seed=3, seconds=60, max_epochs=3) for _ in range(2))

    customers = np.arange(20)
    assert (first.score(customers) == second.score(customers)).all()
    assert first.stopped_by == "epochs"


@pytest.mark.torch
def test_another_seed_gives_another_model() -> None:
    data = _interactions()

    first, second = (TwoTower.fit(data, seed=seed, seconds=60, max_epochs=3) for seed in (3, 4))

    assert (first.weights.products != second.weights.products).any()


@pytest.mark.torch
def test_training_ends_when_validation_does_not_gain() -> None:
    model = TwoTower.fit(_interactions(), seed=0, seconds=120, validate=True, max_epochs=500)

    assert model.stopped_by == "validation"
    assert model.epochs < 500


@pytest.mark.torch
def test_training_ends_in_time() -> None:
    model = TwoTower.fit(_interactions(), seed=0, seconds=0.0)

    assert model.stopped_by == "time"
    assert model.epochs == 1


@pytest.mark.torch
def test_loss_that_is_not_finite_is_refused() -> None:
    data = _interactions(with_features=True)
    assert data.features is not None
    broken = replace(data, features=np.full_like(data.features, np.nan))

    with pytest.raises(TrainingDiverged, match="epoch 1 is nan"):
        TwoTower.fit(broken, seed=0, seconds=60)


@pytest.mark.torch
def test_features_place_new_products() -> None:
    data = _with_new_products(_interactions(with_features=True))

    model = TwoTower.fit(data, seed=0, seconds=60, max_epochs=20)

    new = evaluate_new_products(model, data, seed=0)
    popularity = evaluate_new_products(Popularity.fit(data.orders), data, seed=0)
    assert new is not None
    assert popularity is not None
    assert new.figures["recall@20"].value > 0.9
    assert popularity.figures["recall@20"].value < 0.6


@pytest.mark.torch
def test_two_tower_without_features_does_not_know_new_products() -> None:
    data = _with_new_products(_interactions())

    model = TwoTower.fit(data, seed=0, seconds=60, max_epochs=5)

    new = evaluate_new_products(model, data, seed=0)
    assert new is not None
    assert new.figures["recall@20"].value < 0.6


def test_package_does_not_import_torch() -> None:
    code = (
        "import django, sys; django.setup();"
        "import customers.recommendations.training; assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- features ------------------------------------------------------------------------------------


def test_features_of_numbers_text_and_vectors() -> None:
    frame = pd.DataFrame(
        {
            "product": [3, 1, 2],
            "category": ["Flower", "Flower", "Vape"],
            "price": [10.0, None, 30.0],
            "vector": [[3.0, 4.0], [0.0, 2.0], None],
            "name": ["a", "b", "c"],
        }
    )

    features = product_features(frame, np.array([1, 2, 3, 4]))

    # One indicator: no two products share Vape or a name. The mean price is 20.
    assert features is not None
    assert features == pytest.approx(
        np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, -1, 0.6, 0.8], [0, 0, 0, 0]], dtype=np.float32)
    )


def test_products_alone_have_no_features() -> None:
    assert product_features(pd.DataFrame({"product": [1, 2]}), np.array([1, 2])) is None


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0], [1.0, 2.0]], "different lengths"),
        ([[1.0], [float("nan")]], "not finite"),
        ([["a"], ["b"]], "not a list of numbers"),
    ],
)
def test_unusable_vectors_are_refused(vectors: list[list[float]], message: str) -> None:
    frame = pd.DataFrame({"product": [1, 2], "vector": vectors})

    with pytest.raises(BadInput, match=message):
        product_features(frame, np.array([1, 2]))


# --- slices --------------------------------------------------------------------------------------


def test_slices_by_store_and_history_divide_the_customers() -> None:
    data = _interactions()
    customers = data.test_customers
    ranking = rank_products(Popularity.fit(data.orders), data, customers, k=20)

    slices = evaluate_slices(ranking, data, customers, seed=0)

    assert set(slices) == {"history 5-9", "store Downtown", "store Harbor"}
    assert slices["store Downtown"].customers == _CUSTOMERS // 2
    whole = evaluate(Popularity.fit(data.orders), data, seed=0)["recall@20"].value
    stores = [slices[f"store {name}"].figures["recall@20"].value for name in ("Downtown", "Harbor")]
    assert np.mean(stores) == pytest.approx(whole)


def test_customers_belong_to_the_store_of_most_purchases(tmp_path: Path) -> None:
    from customers.recommendations.training import read_split_by_file

    events, split = tmp_path / "events.parquet", tmp_path / "split.parquet"
    pd.DataFrame(
        {
            "customer": [1, 1, 1, 2, 3],
            "product": [5, 6, 7, 5, 5],
            "store": ["b", "a", "b", "a", None],
        }
    ).to_parquet(events)
    pd.DataFrame({"customer": [1], "product": [9]}).to_parquet(split)

    data = read_split_by_file(events, split)

    assert data.stores is not None
    assert data.store_names is not None
    assert data.stores.tolist() == [1, 0, -1]
    assert data.store_names.tolist() == ["a", "b"]


def test_new_products_are_none_without_a_purchase_of_one() -> None:
    data = _interactions()

    assert evaluate_new_products(Popularity.fit(data.orders), data, seed=0) is None


@pytest.mark.torch
def test_history_weights_stay_finite_for_a_customer_without_purchases() -> None:
    data = _interactions()
    orders = data.orders.toarray()
    orders[0] = 0
    model = TwoTower.fit(
        replace(data, orders=sparse.csr_array(orders)), seed=0, seconds=60, max_epochs=1
    )

    assert np.isfinite(model.score(np.arange(3))).all()
    assert model.weights.products.shape[1] == two_tower.WIDTH
