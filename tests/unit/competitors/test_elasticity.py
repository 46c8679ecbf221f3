"""Elasticity of units sold: found where prices vary, and not claimed where they do not."""

import numpy as np
import pytest

from competitors.pricing.elasticity import SalesCell, estimate_elasticity


def _sales(
    *, elasticity: float, deviation: float = 0.1, products: int = 20, weeks: int = 30, seed: int = 0
) -> list[SalesCell]:
    """Return sales whose units follow price, product and week, with noise."""
    rng = np.random.default_rng(seed)
    busy = rng.normal(0, 0.3, weeks)
    cells = []
    for product in range(products):
        level, base = rng.normal(4, 1), rng.uniform(10, 60)
        for week in range(weeks):
            log_price = rng.normal(0, deviation)
            log_units = level + busy[week] + elasticity * log_price + rng.normal(0, 0.1)
            cells.append(
                SalesCell(
                    product=f"p{product}",
                    store=f"s{product % 3}",
                    week=week,
                    units=float(np.exp(log_units)),
                    price=float(base * np.exp(log_price)),
                )
            )
    return cells


@pytest.mark.parametrize("elasticity", [-2.0, -0.8, 0.0])
def test_interval_contains_the_elasticity_of_the_sales(elasticity: float) -> None:
    found = estimate_elasticity(_sales(elasticity=elasticity))

    assert found
    assert found.low <= elasticity <= found.high
    assert found.high - found.low < 0.5


def test_popular_products_are_no_effect_of_their_price() -> None:
    cells = _sales(elasticity=-1.0)
    # The dearest products sell best.
    cells = [cell._replace(units=cell.units * cell.price**2) for cell in cells]

    found = estimate_elasticity(cells)

    assert found
    assert found.value == pytest.approx(1.0, abs=0.2)


def test_busy_weeks_are_no_effect_of_the_price() -> None:
    cells = [
        cell._replace(units=cell.units * (5 if cell.week % 4 == 0 else 1))
        for cell in _sales(elasticity=-1.0)
    ]

    found = estimate_elasticity(cells)

    assert found
    assert found.value == pytest.approx(-1.0, abs=0.2)


@pytest.mark.parametrize(
    "cells",
    [
        [],
        _sales(elasticity=-1.0, deviation=0.0),
        _sales(elasticity=-1.0, deviation=0.01),
        _sales(elasticity=-1.0, products=5),
        _sales(elasticity=-1.0, weeks=3),
    ],
    ids=["no sales", "constant prices", "one percent", "few products", "few weeks"],
)
def test_too_little_variation_gives_no_estimate(cells: list[SalesCell]) -> None:
    assert estimate_elasticity(cells) is None
