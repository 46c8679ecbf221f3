"""Price elasticity of units sold: log-log regression with fixed effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from competitors.pricing.items import Floats

MIN_SERIES = 10
"""Series (product and store) with different prices that an estimate needs."""
MIN_LOG_PRICE_DEVIATION = 0.03
"""Smallest standard deviation of log prices within series: 3 percent."""
_MIN_WEEKS = 4
_SWEEPS = 50
_NORMAL_95 = 1.96


class SalesCell(NamedTuple):
    """Units of a product that a store sold in a week, and their mean price."""

    product: str
    store: str
    week: int
    units: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """
    Percent by which units change with one percent of price, with its 95 % interval.

    series: product and store, those whose price varies.
    """

    value: float
    low: float
    high: float
    series: int
    weeks: int


def estimate_elasticity(cells: Sequence[SalesCell]) -> Elasticity | None:
    """
    Return the elasticity of units sold; None: there is not enough price variation.

    Regresses log units on log price with an effect of each product and store, and one of each
    week, so that neither popular products nor busy weeks count as an effect of the price. The
    interval is clustered by product. Weeks without a sale are absent, which draws the estimate
    towards zero for slow sellers.
    """
    usable = _with_price_variation([cell for cell in cells if cell.units > 0 and cell.price > 0])
    series = _indexes([(cell.product, cell.store) for cell in usable])
    products = _indexes([cell.product for cell in usable])
    weeks = _indexes([cell.week for cell in usable])
    if not len(series) or series.max() + 1 < MIN_SERIES:
        return None
    log_price, log_units = (
        _without_effects(np.log([getattr(cell, name) for cell in usable]), series, weeks)
        for name in ("price", "units")
    )
    variance = float((log_price**2).mean())
    if variance**0.5 < MIN_LOG_PRICE_DEVIATION:
        return None
    total = float((log_price**2).sum())
    value = float((log_price * log_units).sum()) / total
    # Residuals of one product are not independent, in whatever store or week.
    scores = np.bincount(products, weights=log_price * (log_units - value * log_price))
    clusters = len(scores)
    if clusters < 2:
        return None
    error = float(np.sqrt((scores**2).sum() * clusters / (clusters - 1))) / total
    return Elasticity(
        value=value,
        low=value - _NORMAL_95 * error,
        high=value + _NORMAL_95 * error,
        series=int(series.max()) + 1,
        weeks=int(weeks.max()) + 1,
    )


def _with_price_variation(cells: Sequence[SalesCell]) -> list[SalesCell]:
    """Return the cells of series with several weeks and prices; others say nothing."""
    prices: dict[tuple[str, str], set[float]] = {}
    weeks: dict[tuple[str, str], int] = {}
    for cell in cells:
        key = (cell.product, cell.store)
        prices.setdefault(key, set()).add(round(cell.price, 2))
        weeks[key] = weeks.get(key, 0) + 1
    return [
        cell
        for cell in cells
        if len(prices[cell.product, cell.store]) > 1
        and weeks[cell.product, cell.store] >= _MIN_WEEKS
    ]


def _indexes(keys: Sequence[object]) -> npt.NDArray[np.intp]:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.intp)


def _without_effects(
    values: Floats, series: npt.NDArray[np.intp], weeks: npt.NDArray[np.intp]
) -> Floats:
    """Return values without the means of series and weeks, by alternating projections."""
    remaining: Floats = values - values.mean()
    for _ in range(_SWEEPS):
        for keys in (series, weeks):
            means = np.bincount(keys, weights=remaining) / np.bincount(keys)
            remaining = remaining - means[keys]
    return remaining
