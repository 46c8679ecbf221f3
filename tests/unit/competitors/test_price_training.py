"""Training of the price model: split, features without leaks, gates, artifact."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow
import pytest

from competitors.pricing.items import Items, price_unit, product_groups, read_items
from competitors.pricing.model import (
    FEATURES,
    KNOWN_BOOSTERS,
    PriceModel,
    PriceModelUnreadable,
    dump,
    load,
)
from competitors.training import (
    PARAMETERS,
    PRICING_TRAINER,
    ProductTimeSplit,
    evaluate,
    fit,
    fit_category_median,
    fit_last_price,
    prepare,
)
from mlops.registry import FitContext
from mlops.registry.artifacts import check_values
from mlops.registry.errors import ArtifactRefused
from tests.samples.prices import AS_OF, offers

Parts = tuple[pyarrow.Table, pyarrow.Table]
_SPLIT = ProductTimeSplit(test_period=timedelta(days=28))


def _context(**parameters: Any) -> FitContext:
    small = {**PARAMETERS, "rounds": 80, "min_data_in_leaf": 5, **parameters}
    return FitContext(seed=0, parameters=small, record=lambda *_point: None)


@pytest.fixture(scope="module")
def parts() -> Parts:
    """The training and test part of sample offers."""
    train, test, _ = _SPLIT(offers(), AS_OF)
    return train, test


@pytest.fixture(scope="module")
def model(parts: Parts) -> PriceModel:
    """A model of the training part, as it is served."""
    return load(dump(fit(parts[0], _context())))


def _groups(table: pyarrow.Table) -> set[str]:
    return set(table["product_group"].to_pylist())


def test_no_product_is_in_both_parts(parts: Parts) -> None:
    train, test = parts

    assert _groups(train)
    assert _groups(test)
    assert not _groups(train) & _groups(test)


def test_every_test_row_is_later_than_every_training_row(parts: Parts) -> None:
    train, test = parts

    assert max(train["observed_at"].to_pylist()) < min(test["observed_at"].to_pylist())


def test_sizes_of_a_product_are_one_group() -> None:
    groups = product_groups(
        {
            "product_id": ["", "", ""],
            "brand": ["Birch", "Birch Inc.", "Cedar"],
            "name": ["Pink Kush 3.5g", "Pink Kush 28 g", "Pink Kush"],
        }
    )

    assert groups[0] == groups[1] != groups[2]


def test_offers_matched_to_one_product_are_one_group() -> None:
    groups = product_groups(
        {
            "product_id": ["p1", "p1", ""],
            "brand": ["Birch", "", "Birch"],
            "name": ["Pink Kush", "Rose Kush flower", "Pink Kush"],
        }
    )

    assert len(set(groups)) == 1


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("dried_flower", ("gram", 3.5)),
        ("oils", ("milliliter", 30.0)),
        ("capsules", ("piece", 15.0)),
        ("edibles", ("package", 1.0)),
    ],
)
def test_category_determines_the_price_unit(category: str, expected: tuple[str, float]) -> None:
    found = price_unit(category, weight_grams=3.5, volume_ml=30.0, unit_count=15.0)

    assert found == expected


def test_unknown_quantity_is_priced_by_the_package() -> None:
    found = price_unit("vapes", weight_grams=np.nan, volume_ml=np.nan, unit_count=np.nan)

    assert found == ("package", 1.0)


@pytest.mark.parametrize(
    ("basis", "milligrams"),
    [("mg_per_unit", 50.0), ("mg_per_ml", 150.0), ("mg_per_package", 5.0), (None, 5.0)],
)
def test_milligrams_are_those_of_the_package(basis: str | None, milligrams: float) -> None:
    columns = offers(products=1, weeks=1, competitors=1).slice(0, 1).to_pydict()
    amounts: dict[str, Any] = {
        "thc_mg": [5.0],
        "mg_basis": [basis],
        "unit_count": [10.0],
        "volume_ml": [30.0],
    }

    items = read_items({**columns, **amounts})

    assert items.thc_mg.tolist() == [milligrams]


def test_price_with_tax_is_compared_without_it() -> None:
    table = offers(products=1, weeks=1, competitors=1)
    taxed = table.set_column(
        table.column_names.index("is_tax_included"), "is_tax_included", pyarrow.array([True])
    )
    rate = {"ON": 1.13, "AB": 1.05}[table["province"][0].as_py()]

    (net,) = prepare(taxed)["unit_price"].to_pylist()
    (listed,) = prepare(table)["unit_price"].to_pylist()

    assert net == pytest.approx(listed / rate, abs=0.01)


def test_competitors_price_excludes_the_competitors_own() -> None:
    prepared = prepare(offers(products=40, weeks=1, noise=0.3))
    columns = prepared.to_pydict()
    checked = 0

    for row, group in enumerate(columns["product_group"]):
        others = [
            np.log(columns["unit_price"][other])
            for other, other_group in enumerate(columns["product_group"])
            if other_group == group
            and columns["competitor"][other] != columns["competitor"][row]
            and columns["observed_at"][other] <= columns["observed_at"][row]
        ]
        if others:
            checked += 1
            assert columns["competitors_price"][row] == pytest.approx(np.median(others))
        else:
            assert columns["competitors_price"][row] is None

    assert checked > 10


def test_competitors_price_does_not_come_from_later_observations() -> None:
    table = offers(products=30, weeks=3)
    before = prepare(table)
    newest = max(before["observed_at"].to_pylist())
    is_late = [at > newest - timedelta(days=3) for at in table["observed_at"].to_pylist()]
    raised = [
        price * 3 if late else price
        for price, late in zip(table["price"].to_pylist(), is_late, strict=True)
    ]

    changed = prepare(table.set_column(table.column_names.index("price"), "price", [raised]))

    for late, old, new in zip(
        is_late,
        before["competitors_price"].to_pylist(),
        changed["competitors_price"].to_pylist(),
        strict=True,
    ):
        assert late or old == new


def test_model_explains_products_it_has_not_seen(model: PriceModel, parts: Parts) -> None:
    metrics = evaluate(model, parts[1]).metrics

    assert metrics["r2"] > 0.8
    assert (
        metrics["r2"] > evaluate(fit_category_median(parts[0], _context()), parts[1]).metrics["r2"]
    )


def test_interval_covers_about_the_stated_share(model: PriceModel, parts: Parts) -> None:
    metrics = evaluate(model, parts[1]).metrics

    assert 0.6 < metrics["coverage"] < 0.97
    assert 0.6 < metrics["known_coverage"] < 0.97


def test_known_competitors_prices_lower_the_error(model: PriceModel, parts: Parts) -> None:
    metrics = evaluate(model, parts[1]).metrics

    assert metrics["known_mape"] < metrics["mape"]


def test_deciding_metrics_do_not_use_prices_of_the_product(model: PriceModel, parts: Parts) -> None:
    test = parts[1]
    index = test.column_names.index("competitors_price")
    false_prices = pyarrow.array(np.full(test.num_rows, 9.0))

    metrics = evaluate(model, test.set_column(index, "competitors_price", false_prices)).metrics

    assert metrics["r2"] == evaluate(model, test).metrics["r2"]


def test_shuffled_prices_teach_nothing(parts: Parts) -> None:
    train, test = parts
    index = train.column_names.index("unit_price")
    figures = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(train.num_rows)
        shuffled = train.set_column(index, "unit_price", train["unit_price"].take(order))
        figures.append(evaluate(fit(shuffled, _context(rounds=30)), test).metrics["r2"])

    control = PRICING_TRAINER.control
    assert control.label == "unit_price"
    assert min(figures) < control.chance + control.margin


def test_the_same_seed_gives_the_same_artifact(parts: Parts) -> None:
    first, second = (dump(fit(parts[0], _context(rounds=10))) for _ in range(2))

    assert first == second


def test_artifact_estimates_as_the_fitted_model(parts: Parts) -> None:
    fitted = fit(parts[0], _context(rounds=20))
    items = read_items(parts[1].to_pydict())

    assert np.allclose(load(dump(fitted)).predict(items), fitted.predict(items))


def test_contributions_sum_to_the_estimate(model: PriceModel, parts: Parts) -> None:
    items = read_items(parts[1].to_pydict())

    sums = model.contributions(items).sum(axis=1) + model.bases(items)

    assert np.allclose(sums, model.predict(items))
    assert model.contributions(items).shape == (len(items), len(FEATURES) + 1)


def test_expected_price_lies_in_the_interval(model: PriceModel, parts: Parts) -> None:
    estimate = model.estimate(read_items(parts[1].to_pydict()))

    assert (estimate.low <= estimate.point).all()
    assert (estimate.point <= estimate.high).all()


def test_items_of_unknown_kind_get_a_finite_price(model: PriceModel) -> None:
    items = read_items(
        {
            "category": ["seeds"],
            "brand": [None],
            "name": [""],
            "strain_type": [None],
            "terpenes": [None],
            "thc_percentage": [None],
            "cbd_percentage": [None],
            "thc_mg": [None],
            "mg_basis": [None],
            "weight_grams": [None],
            "volume_ml": [None],
            "unit_count": [None],
            "province": [""],
            "competitor": [""],
            "observed_at": [AS_OF],
        }
    )

    assert np.isfinite(model.estimate(items).point).all()


def test_few_known_rows_leave_competitors_prices_unused(parts: Parts) -> None:
    small = parts[0].slice(0, 150)
    items = read_items(parts[1].to_pydict())

    found = fit(small, _context(rounds=5))

    assert not set(KNOWN_BOOSTERS) & set(found.boosters)
    assert np.allclose(found.predict(items), found.predict(items.without_competitors_prices()))


def test_last_price_is_that_of_competitors_where_known(parts: Parts) -> None:
    baseline = fit_last_price(parts[0], _context())
    items: Items = read_items(parts[1].to_pydict())
    is_known = np.isfinite(items.competitors_price)

    predicted = baseline.predict(items)

    assert np.array_equal(predicted[is_known], items.competitors_price[is_known])
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document["boosters"].pop("low"),
        lambda document: document.update(features=["price"]),
        lambda document: document.update(format_version=99),
        lambda document: document["boosters"].update(point="tree\nversion=v4"),
        lambda document: document.update(typical=None),
    ],
)
def test_damaged_artifact_is_refused(model: PriceModel, damage: Any) -> None:
    document = json.loads(dump(model))
    damage(document)

    with pytest.raises(PriceModelUnreadable):
        load(json.dumps(document).encode())


def test_nan_inside_a_booster_is_refused(model: PriceModel) -> None:
    document = json.loads(dump(model))
    text = document["boosters"]["point"]
    start = text.index("leaf_value=") + len("leaf_value=")
    document["boosters"]["point"] = f"{text[:start]}nan {text[text.index(' ', start) + 1 :]}"

    with pytest.raises(ArtifactRefused, match="leaf_value"):
        check_values(json.dumps(document).encode(), "json")


def test_artifact_passes_the_check_of_values(model: PriceModel) -> None:
    check_values(dump(model), "json")


def test_training_set_reads_no_effects() -> None:
    training_set = PRICING_TRAINER.training_set

    assert "effect" not in training_set.sql
    assert not [name for name in FEATURES if "effect" in name]
