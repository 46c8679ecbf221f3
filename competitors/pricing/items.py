"""Items whose price is estimated: attributes as columns, price units, words, and equal products."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from catalog.ingest.cleaning.potency import read_potency
from catalog.ingest.vocabulary import plain_words
from catalog.matching import brand_key
from mlops.pipelines.errors import RecordRejected

Floats = npt.NDArray[np.float64]
Unit = Literal["gram", "milliliter", "piece", "package"]
_UNITS: Mapping[str, Unit] = {
    "dried_flower": "gram",
    "pre_rolls": "gram",
    "vapes": "gram",
    "extracts": "gram",
    "oils": "milliliter",
    "capsules": "piece",
}
"""Unit of the price by category; other categories are priced by the package."""
MAX_PRICE_AGE = timedelta(days=30)
"""Older prices of competitors say nothing about the price of an item."""
_MEASURE = re.compile(r"\d+[a-z]*|[a-z]?\d+")
_MEASURE_WORDS = frozenset(
    ["g", "gram", "grams", "mg", "ml", "oz", "ounce", "ounces", "x", "pk", "pack", "packs", "ct"]
)
_TEXTS = ("category", "brand", "strain_type", "province", "competitor", "product_id")
_NUMBERS = ("weight_grams", "volume_ml", "unit_count", "thc_mg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """
    Attributes of n items; arrays have the shape (n,), NaN where unknown, texts "" where unknown.

    quantity: units in the package. words: of the name, with pairs of neighbors. terpenes: keys.
    thc, cbd: percent by mass. thc_mg: of the package. day_of_year: 0 to 366. competitors_price: log
    of the price per unit that other competitors ask for the same product.
    """

    category: list[str]
    unit: list[Unit]
    quantity: Floats
    brand: list[str]
    words: list[tuple[str, ...]]
    strain_type: list[str]
    terpenes: list[frozenset[str]]
    thc: Floats
    cbd: Floats
    thc_mg: Floats
    weight_grams: Floats
    volume_ml: Floats
    unit_count: Floats
    province: list[str]
    competitor: list[str]
    day_of_year: Floats
    competitors_price: Floats

    def __len__(self) -> int:
        return len(self.category)

    def take(self, rows: npt.NDArray[np.intp]) -> "Items":
        """Return some of the items, in this order."""
        taken: dict[str, Any] = {
            name: values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]
            for name in self.__slots__
            for values in (getattr(self, name),)
        }
        return Items(**taken)

    def without_competitors_prices(self) -> "Items":
        """Return the items as if no competitor sold the same product."""
        return replace(self, competitors_price=np.full(len(self), np.nan))


def read_items(columns: Mapping[str, Sequence[Any]]) -> Items:
    """
    Return items from columns.

    category, brand, name, strain_type, terpenes (comma-separated), thc_percentage, cbd_percentage,
    thc_mg, mg_basis, weight_grams, volume_ml, unit_count, province, competitor, observed_at;
    optional: thc, cbd (as written), competitors_price.
    """
    texts = {name: [value or "" for value in columns[name]] for name in _TEXTS if name in columns}
    numbers = {name: _floats(columns[name]) for name in _NUMBERS}
    units = [
        price_unit(category, weight_grams=grams, volume_ml=milliliters, unit_count=pieces)
        for category, grams, milliliters, pieces in zip(
            texts["category"],
            numbers["weight_grams"],
            numbers["volume_ml"],
            numbers["unit_count"],
            strict=True,
        )
    ]
    numbers["thc_mg"] = numbers["thc_mg"] * _milligram_factors(columns["mg_basis"], numbers)
    return Items(
        category=texts["category"],
        unit=[unit for unit, _ in units],
        quantity=np.array([quantity for _, quantity in units], dtype=np.float64),
        brand=[brand_key(brand) for brand in texts["brand"]],
        words=[name_words(name or "") for name in columns["name"]],
        strain_type=texts["strain_type"],
        terpenes=[frozenset(filter(None, (text or "").split(","))) for text in columns["terpenes"]],
        thc=_percentages(columns, "thc", texts["category"]),
        cbd=_percentages(columns, "cbd", texts["category"]),
        province=texts["province"],
        competitor=texts["competitor"],
        day_of_year=np.array(
            [observed.timetuple().tm_yday for observed in columns["observed_at"]], dtype=np.float64
        ),
        competitors_price=_floats(columns["competitors_price"])
        if "competitors_price" in columns
        else np.full(len(units), np.nan),
        **numbers,
    )


def price_unit(
    category: str, *, weight_grams: float, volume_ml: float, unit_count: float
) -> tuple[Unit, float]:
    """
    Return the unit in which a category is priced, and how many the package contains.

    The package itself where the quantity is unknown (NaN or 0).
    """
    unit = _UNITS.get(category, "package")
    quantity = {"gram": weight_grams, "milliliter": volume_ml, "piece": unit_count}.get(unit, 1.0)
    return (unit, float(quantity)) if quantity > 0 else ("package", 1.0)


def name_words(name: str) -> tuple[str, ...]:
    """Return the different words of a name, then the pairs of neighbors."""
    words = plain_words(name.replace("/", " "))
    return (*words, *(f"{first} {second}" for first, second in pairwise(words)))


def product_groups(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """
    Return a name of the product of each row; all sizes of a product have one.

    Rows are of one product if they are matched to one, or agree in brand and name without sizes.
    """
    parents: dict[str, str] = {}
    descriptions = []
    for product_id, brand, name in zip(
        columns["product_id"], columns["brand"], columns["name"], strict=True
    ):
        description = f"{brand_key(brand or '')}|{_name_without_measures(name or '')}"
        descriptions.append(description)
        if product_id:
            first, second = _root(parents, description), _root(parents, product_id)
            # The smaller name stands for both, so that the order of rows does not matter.
            parents[max(first, second)] = min(first, second)
    return [_root(parents, description) for description in descriptions]


def group_fold(group: str, folds: int, *, seed: int = 0) -> int:
    """Return the fold of a group, 0 to folds - 1, by a hash."""
    digest = hashlib.sha256(f"{seed}|{group}".encode()).digest()
    return int.from_bytes(digest[:8]) % folds


def other_competitors_prices(
    *,
    groups: Sequence[str],
    items: Items,
    observed_at: Sequence[datetime],
    log_unit_prices: Floats,
) -> Floats:
    """
    Return the median of what other competitors ask for the same product and size; NaN: none does.

    Of each competitor the newest price counts that was observed within 30 days before the row, or
    with it. O(rows x competitors of a product).
    """
    rows_by_product: dict[tuple[str, str, float], list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        key = (group, items.unit[row], round(float(items.quantity[row]), 2))
        rows_by_product[key].append(row)
    prices = np.full(len(groups), np.nan)
    for rows in rows_by_product.values():
        if len({items.competitor[row] for row in rows}) < 2:
            continue
        newest: dict[str, tuple[datetime, float]] = {}
        rows.sort(key=observed_at.__getitem__)
        start = 0
        while start < len(rows):
            time = observed_at[rows[start]]
            end = start
            while end < len(rows) and observed_at[rows[end]] == time:
                newest[items.competitor[rows[end]]] = (time, float(log_unit_prices[rows[end]]))
                end += 1
            for row in rows[start:end]:
                others = [
                    price
                    for competitor, (at, price) in newest.items()
                    if competitor != items.competitor[row] and time - at <= MAX_PRICE_AGE
                ]
                if others:
                    prices[row] = np.median(others)
            start = end
    return prices


def _milligram_factors(bases: Sequence[str | None], numbers: Mapping[str, Floats]) -> Floats:
    """Return how many amounts of the basis are in the package, (n,); NaN: unknown."""
    factors = {"mg_per_unit": numbers["unit_count"], "mg_per_ml": numbers["volume_ml"]}
    return np.array(
        [factors[basis][row] if basis in factors else 1.0 for row, basis in enumerate(bases)],
        np.float64,
    )


def _percentages(
    columns: Mapping[str, Sequence[Any]], name: str, categories: Sequence[str]
) -> Floats:
    stated = columns[f"{name}_percentage"]
    texts = columns[name] if name in columns else [""] * len(stated)
    return np.array(
        [
            float(value) if value is not None else _read_percentage(text, name, category)
            for value, text, category in zip(stated, texts, categories, strict=True)
        ],
        dtype=np.float64,
    )


def _read_percentage(text: str | None, name: str, category: str) -> float:
    if not text:
        return np.nan
    try:
        reading = read_potency(text, field=name, context={"category": category})
    except RecordRejected:
        return np.nan
    ends = [float(end) for end in (reading.low, reading.high) if end is not None]
    return sum(ends) / len(ends) if ends else np.nan


def _name_without_measures(name: str) -> str:
    return " ".join(
        word
        for word in plain_words(name)
        if not _MEASURE.fullmatch(word) and word not in _MEASURE_WORDS
    )


def _root(parents: dict[str, str], name: str) -> str:
    while parents.setdefault(name, name) != name:
        parents[name] = parents[parents[name]]
        name = parents[name]
    return name


def _floats(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)
