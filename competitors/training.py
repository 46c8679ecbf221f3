"""
Training of the price model: what competitors ask for an item, by its attributes.

Test rows are of products whose prices are in no training row, in any size or shop, and later than
every training row. The deciding metrics are measured as if no competitor sold the product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from competitors.comparable import CURRENCY, price_without_tax
from competitors.pricing.items import (
    Floats,
    Items,
    group_fold,
    other_competitors_prices,
    product_groups,
    read_items,
)
from competitors.pricing.model import (
    BOOSTERS,
    CATEGORICAL_FEATURES,
    FEATURES,
    KNOWN_BOOSTERS,
    KNOWN_PREFIX,
    Levels,
    LevelValues,
    PriceModel,
    Vocabulary,
    brand_keys,
    category_keys,
    dump,
    feature_matrix,
    mean_levels,
    text_features,
)
from competitors.pricing.served import PRICING
from mlops.registry import (
    APPROVAL,
    BetterThanReferences,
    DriftMonitor,
    Evaluation,
    FitContext,
    MetricAbove,
    NewData,
    RecentRows,
    ShuffleControl,
    Trainer,
    TrainingSet,
    register,
)

if TYPE_CHECKING:
    import pyarrow

MIN_R2 = 0.80
TEST_PERIOD = timedelta(days=28)
HISTORY = 7 * TEST_PERIOD
MAX_ROWS = 200_000
"""Rows of the training set: memory grows with them, the gain of more does not."""
TEST_SHARE_FOLDS = 4
"""Number of folds of products, of which one is tested on."""
COVERAGE = 0.8
MONITORED_PERIOD = timedelta(days=7)
_MAX_MONITORED_ROWS = 10_000
_USABLE_PRICES: Mapping[str, Any] = {"currency": CURRENCY, "min_confidence": 0.8}
_INNER_FOLDS = 5
_MIN_WORD_FREQUENCY = 2.5
"""Products, each in one shop, that need to have a word; their weights are sums of fractions."""
_WORD_PENALTY = 3.0
_WORD_ITERATIONS = 60
_MIN_KNOWN_ROWS = 200
_OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    "point": {"objective": "regression"},
    "low": {"objective": "quantile", "alpha": (1 - COVERAGE) / 2},
    "high": {"objective": "quantile", "alpha": (1 + COVERAGE) / 2},
}
PARAMETERS: Mapping[str, Any] = {
    "rounds": 400,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 10,
}
COLUMNS: Mapping[str, Any] = {
    "observation_id": "string",
    "observed_at": "timestamp",
    "competitor": "string",
    "location": "string",
    "province": "string",
    "product_id": "string",
    "name": "string",
    "brand": "string",
    "category": "string",
    "strain_type": "string",
    "terpenes": "string",
    "thc": "string",
    "cbd": "string",
    "thc_percentage": "float64",
    "cbd_percentage": "float64",
    "thc_mg": "float64",
    "mg_basis": "string",
    "weight_grams": "float64",
    "volume_ml": "float64",
    "unit_count": "float64",
    "price": "float64",
    "is_tax_included": "bool",
}
# Returns the last observation of each offer in each period before the time of the set whose price
# can be compared. Attributes of a matched offer are those of its product, as at serving. Of more
# rows than `max_rows`, those of a share of the products, by a hash.
_SQL = """
WITH observed AS (
  SELECT DISTINCT ON (h.offer_id, period) h.id, h.scraped_at, h.offer_id, h.price, h.is_tax_included
  FROM price_history h, floor(
    extract(epoch FROM %(as_of)s::timestamptz - h.scraped_at)
    / extract(epoch FROM %(period)s::interval)
  ) AS period
  WHERE h.scraped_at < %(as_of)s AND h.scraped_at >= %(as_of)s::timestamptz - %(history)s::interval
    AND h.offer_id IS NOT NULL AND h.currency = %(currency)s AND h.price > 0
    AND h.is_tax_included IS NOT NULL AND coalesce(h.confidence, 1) >= %(min_confidence)s
  ORDER BY h.offer_id, period, h.scraped_at DESC, h.id
), size AS (
  SELECT least(1.0, %(max_rows)s / greatest(count(*), 1)::float8) AS share FROM observed
)
SELECT h.id::text AS observation_id, h.scraped_at AS observed_at, c.code AS competitor,
  coalesce(l.platform_id, '') AS location,
  coalesce(nullif(l.province, ''), c.province) AS province,
  coalesce(p.id::text, '') AS product_id, coalesce(p.name, o.name) AS name,
  coalesce(p.brand, o.brand) AS brand, coalesce(p.category, o.category) AS category,
  coalesce(p.strain_type, '') AS strain_type,
  array_to_string(coalesce(p.terpenes, '{}'), ',') AS terpenes, o.thc, o.cbd,
  p.thc_percentage::float8 AS thc_percentage, p.cbd_percentage::float8 AS cbd_percentage,
  coalesce(p.thc_mg, o.thc_mg)::float8 AS thc_mg,
  CASE WHEN p.thc_mg IS NOT NULL THEN p.mg_basis ELSE 'mg_per_package' END AS mg_basis,
  coalesce(o.weight_grams, p.weight_grams)::float8 AS weight_grams,
  coalesce(o.volume_ml, p.volume_ml)::float8 AS volume_ml,
  coalesce(o.unit_count, p.unit_count)::float8 AS unit_count,
  h.price::float8 AS price, h.is_tax_included
FROM observed h
JOIN competitor_offers o ON o.id = h.offer_id
JOIN competitors c ON c.id = o.competitor_id
CROSS JOIN size
LEFT JOIN competitor_locations l ON l.id = o.location_id
LEFT JOIN products m ON m.id = o.product_id AND o.match_status IN ('automatic', 'confirmed')
LEFT JOIN products p ON p.id = coalesce(m.merged_into_id, m.id)
WHERE size.share = 1 OR size.share > abs(
    hashtext(lower(coalesce(p.id::text, o.brand || o.name)))::bigint
  ) / 2147483648.0
ORDER BY h.scraped_at, h.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductTimeSplit:
    """
    A split by product and time: tested are products that are not trained on, after training.

    One of `folds` products is tested, by a hash of its brand and name; of the others, what was
    observed in the test period is in neither part.
    """

    test_period: timedelta = TEST_PERIOD
    folds: int = TEST_SHARE_FOLDS

    def __call__(
        self, table: pyarrow.Table, as_of: datetime
    ) -> tuple[pyarrow.Table, pyarrow.Table, datetime]:
        """Return the training part, the test part and the time between them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        split_at = as_of - self.test_period
        prepared = prepare(table)
        is_late = pc.greater_equal(prepared["observed_at"], split_at)
        groups = prepared["product_group"].to_pylist()
        is_held_out = pa.array([group_fold(group, self.folds) == 0 for group in groups])
        train = prepared.filter(pc.invert(pc.or_(is_late, is_held_out)))
        return train, prepared.filter(pc.and_(is_late, is_held_out)), split_at


def prepare(table: pyarrow.Table) -> pyarrow.Table:
    """
    Return the rows with a price per unit, with derived columns.

    unit_price: per unit of the category, without tax. product_group: of all sizes of a product.
    competitors_price: log of what other competitors ask per unit, of observations up to the row's.
    Rows whose price without tax or category is unknown are left out.
    """
    import pyarrow as pa

    columns = table.to_pydict()
    net_prices = [
        _net_price(price, bool(is_tax_included), province, category, observed_at)
        for price, is_tax_included, province, category, observed_at in zip(
            columns["price"],
            columns["is_tax_included"],
            columns["province"],
            columns["category"],
            columns["observed_at"],
            strict=True,
        )
    ]
    usable = [
        row
        for row, (price, category) in enumerate(zip(net_prices, columns["category"], strict=True))
        if price > 0 and category
    ]
    table = table.take(pa.array(usable, pa.int64()))
    columns = table.to_pydict()
    items = read_items(columns)
    groups = product_groups(columns)
    unit_prices = np.array([net_prices[row] for row in usable], np.float64) / items.quantity
    known = other_competitors_prices(
        groups=groups,
        items=items,
        observed_at=columns["observed_at"],
        log_unit_prices=np.log(unit_prices),
    )
    return (
        table.append_column("product_group", pa.array(groups, pa.string()))
        .append_column("unit_price", pa.array(unit_prices, pa.float64()))
        .append_column("competitors_price", pa.array(known, pa.float64(), from_pandas=True))
    )


def _net_price(
    price: float, is_tax_included: bool, province: str, category: str, observed_at: datetime
) -> float:
    if not is_tax_included:
        return price
    from decimal import Decimal

    net = price_without_tax(
        Decimal(str(price)),
        is_tax_included=True,
        province=province,
        category=category,
        on=observed_at.date(),
    )
    return float(net) if net is not None else 0.0


# Fitting


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows to train on. target: log price per unit. fold: of the inner folds, by product."""

    items: Items
    target: Floats
    weights: Floats
    fold: npt.NDArray[np.intp]

    def take(self, rows: npt.NDArray[np.intp]) -> _Rows:
        return _Rows(self.items.take(rows), self.target[rows], self.weights[rows], self.fold[rows])


def fit(table: pyarrow.Table, context: FitContext) -> PriceModel:
    """Fit levels and boosters; widen the interval until it covers products that were held out."""
    rows = _read_rows(table, seed=context.seed)
    margins = _calibrate(rows, context)
    levels = _fit_levels(rows)
    vocabulary = _fit_vocabulary(rows.items)
    boosters = _fit_boosters(rows, levels, vocabulary, context)
    return PriceModel(
        vocabulary=vocabulary,
        levels=levels,
        boosters=boosters,
        margins=margins,
        coverage=COVERAGE,
    )


def _read_rows(table: pyarrow.Table, *, seed: int) -> _Rows:
    columns = table.to_pydict()
    items = read_items(columns)
    groups = columns["product_group"]
    # A product that a shop has listed for a year counts no more than one of last week.
    repeats = Counter(zip(groups, items.competitor, strict=True))
    weights = [
        1 / repeats[group, competitor]
        for group, competitor in zip(groups, items.competitor, strict=True)
    ]
    return _Rows(
        items=items,
        target=np.log(np.array(columns["unit_price"], np.float64)),
        weights=np.array(weights, np.float64),
        fold=np.array([group_fold(group, _INNER_FOLDS, seed=seed + 1) for group in groups]),
    )


def _fit_levels(rows: _Rows) -> Levels:
    by_category: dict[str, list[float]] = {}
    for key, target in zip(category_keys(rows.items), rows.target, strict=True):
        by_category.setdefault(key, []).append(float(target))
    levels = Levels(
        typical={key: float(np.median(prices)) for key, prices in sorted(by_category.items())},
        overall=float(np.median(rows.target)),
        brands={},
        competitors={},
        words={},
    )
    deviations = rows.target - levels.typical_prices(rows.items)
    words = _fit_words(text_features(rows.items), deviations, rows.weights)
    levels = replace(
        levels, brands=mean_levels(brand_keys(rows.items), deviations, rows.weights), words=words
    )
    # The rest, after words and brand, is the level of the competitor.
    remaining = deviations - levels.name_levels(rows.items)
    competitors = mean_levels(rows.items.competitor, remaining, rows.weights)
    return replace(levels, competitors=competitors)


def _fit_words(
    texts: Sequence[tuple[str, ...]], deviations: Floats, weights: Floats
) -> dict[str, float]:
    """Return the weights of words by ridge regression of the deviations, few iterations."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import lsqr

    frequencies: dict[str, float] = {}
    for words, weight in zip(texts, weights, strict=True):
        for word in words:
            frequencies[word] = frequencies.get(word, 0.0) + float(weight)
    frequent = sorted(word for word, sum_ in frequencies.items() if sum_ > _MIN_WORD_FREQUENCY)
    columns = {word: column for column, word in enumerate(frequent)}
    pairs = [
        (row, columns[word]) for row, words in enumerate(texts) for word in words if word in columns
    ]
    if not pairs:
        return {}
    scales = np.sqrt(weights)
    row_indexes, column_indexes = (np.array(indexes) for indexes in zip(*pairs, strict=True))
    matrix = csr_matrix(
        (scales[row_indexes], (row_indexes, column_indexes)), shape=(len(texts), len(columns))
    )
    found = lsqr(matrix, deviations * scales, damp=_WORD_PENALTY**0.5, iter_lim=_WORD_ITERATIONS)[0]
    return {word: round(float(found[column]), 6) for word, column in columns.items()}


def _fit_vocabulary(items: Items) -> Vocabulary:
    values = {
        "category": category_keys(items),
        "strain_type": items.strain_type,
        "province": items.province,
    }
    return Vocabulary(
        values={name: tuple(sorted(set(texts) - {""})) for name, texts in values.items()}
    )


def _out_of_fold_levels(rows: _Rows, levels: Levels) -> tuple[Floats, LevelValues]:
    """
    Return typical prices and levels of training rows, each from rows of other products.

    Levels that contain the price of their own row would explain everything in training, and nothing
    in a test.
    """
    typical = np.zeros(len(rows.items))
    brand, competitor, name = (np.full(len(rows.items), np.nan) for _ in range(3))
    for fold in range(_INNER_FOLDS):
        inside = np.flatnonzero(rows.fold == fold)
        outside = np.flatnonzero(rows.fold != fold)
        others = _fit_levels(rows.take(outside)) if len(outside) else levels
        items = rows.items.take(inside)
        typical[inside] = others.typical_prices(items)
        brand[inside] = others.brand_levels(items)
        competitor[inside] = others.competitor_levels(items)
        name[inside] = others.name_levels(items)
    return typical, LevelValues(brand, competitor, name)


def _fit_boosters(
    rows: _Rows, levels: Levels, vocabulary: Vocabulary, context: FitContext
) -> dict[str, Any]:
    """Fit the boosters without competitors' prices; with them, if enough rows have them."""
    typical, out_of_fold = _out_of_fold_levels(rows, levels)
    rng = np.random.default_rng((context.seed, 1))
    # Half of the rows have no level of the competitor, as our own products have none.
    is_hidden = rng.random(len(rows.items)) < 0.5
    masked = replace(out_of_fold, competitor=np.where(is_hidden, np.nan, out_of_fold.competitor))

    def features(items: Items) -> Floats:
        return feature_matrix(items, vocabulary=vocabulary, typical=typical, levels=masked)

    unknown = features(rows.items.without_competitors_prices())
    deviations = rows.target - typical
    boosters = {
        name: _fit_booster(name, unknown, deviations, rows.weights, context) for name in BOOSTERS
    }
    is_known = np.isfinite(rows.items.competitors_price)
    if is_known.sum() >= _MIN_KNOWN_ROWS:
        known = features(rows.items)[is_known]
        deviations = (rows.target - rows.items.competitors_price)[is_known]
        weights = rows.weights[is_known]
        boosters |= {
            name: _fit_booster(name, known, deviations, weights, context) for name in KNOWN_BOOSTERS
        }
    return boosters


def _fit_booster(
    name: str, features: Floats, target: Floats, weights: Floats, context: FitContext
) -> Any:
    import lightgbm

    parameters = {**context.parameters}
    rounds = int(parameters.pop("rounds"))
    # Weights of one product in one shop sum to 1: a leaf needs as many of those, not of its rows.
    repeats = len(weights) / float(weights.sum())
    parameters["min_data_in_leaf"] = round(parameters["min_data_in_leaf"] * repeats)
    objective = _OBJECTIVES[name.removeprefix(KNOWN_PREFIX)]
    if name == KNOWN_BOOSTERS[0]:
        # Most shops ask what others ask: the median of the difference is 0, its mean is not.
        objective = {"objective": "regression_l1"}
    data = lightgbm.Dataset(
        features,
        target,
        weight=weights,
        feature_name=list(FEATURES),
        categorical_feature=list(CATEGORICAL_FEATURES),
        free_raw_data=True,
    )
    losses: dict[str, Any] = {}
    booster = lightgbm.train(
        {
            **parameters,
            **objective,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
            "lambda_l2": 1.0,
            "seed": context.seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            # More threads are slower for so few rows, and much slower beside other work.
            "num_threads": 1,
            "verbosity": -1,
        },
        data,
        num_boost_round=rounds,
        valid_sets=[data],
        valid_names=["training"],
        callbacks=[lightgbm.record_evaluation(losses)],
    )
    for curve in losses.get("training", {}).values():
        for iteration in range(0, len(curve), 10):
            context.record(f"{name} loss", iteration + 1, float(curve[iteration]))
    return booster


def _calibrate(rows: _Rows, context: FitContext) -> dict[str, tuple[float, float]]:
    """
    Return what the ends of the interval have to be moved by, by the booster of its expectation.

    Conformal: quantiles of the distances on products that a first model has not seen.
    """
    nothing = {BOOSTERS[0]: (0.0, 0.0), KNOWN_BOOSTERS[0]: (0.0, 0.0)}
    inside, outside = np.flatnonzero(rows.fold != 0), np.flatnonzero(rows.fold == 0)
    if not len(inside) or not len(outside):
        return nothing
    seen, unseen = rows.take(inside), rows.take(outside)
    levels, vocabulary = _fit_levels(seen), _fit_vocabulary(seen.items)
    quiet = replace(context, record=lambda *_point: None)
    model = PriceModel(
        vocabulary=vocabulary,
        levels=levels,
        boosters=_fit_boosters(seen, levels, vocabulary, quiet),
        margins=nothing,
        coverage=COVERAGE,
    )
    strict = replace(unseen, items=unseen.items.without_competitors_prices())
    known = unseen.take(np.flatnonzero(model.uses_competitors(unseen.items)))
    return {BOOSTERS[0]: _margins(model, strict), KNOWN_BOOSTERS[0]: _margins(model, known)}


def _margins(model: PriceModel, rows: _Rows) -> tuple[float, float]:
    if not len(rows.items):
        return (0.0, 0.0)
    low, high = model.interval(rows.items)
    share = (1 + COVERAGE) / 2
    return (
        _weighted_quantile(low - rows.target, rows.weights, share),
        _weighted_quantile(rows.target - high, rows.weights, share),
    )


def _weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    index = int(np.searchsorted(cumulative, share * cumulative[-1]))
    return float(values[order][min(index, len(values) - 1)])


# Baselines


@dataclass(frozen=True, slots=True)
class Baseline:
    """A simple estimate. estimate: returns the log price per unit of items, (n,)."""

    estimate: Callable[[Items], Floats]

    def predict(self, items: Items) -> Floats:
        """Return the log price per unit, (n,)."""
        return self.estimate(items)


def fit_category_median(table: pyarrow.Table, _context: FitContext) -> Baseline:
    """Baseline: the median price per unit of the category."""
    return Baseline(_fit_levels_only(_read_rows(table, seed=0)).typical_prices)


def fit_brand_median(table: pyarrow.Table, _context: FitContext) -> Baseline:
    """Baseline: the median price per unit of the brand in its category, else of the category."""
    rows = _read_rows(table, seed=0)
    levels = _fit_levels_only(rows)
    medians = _medians(_brand_unit_keys(rows.items), rows.target)

    def estimate(items: Items) -> Floats:
        return _known_or(medians, _brand_unit_keys(items), levels.typical_prices(items))

    return Baseline(estimate)


def fit_last_price(table: pyarrow.Table, _context: FitContext) -> Baseline:
    """
    Baseline: the last price that other competitors ask for the product itself.

    Where none is known, the last one of the brand in the same category and size; else of the
    category in that size; else the median of the category.
    """
    rows = _read_rows(table, seed=0)  # in the order of observation
    levels = _fit_levels_only(rows)
    last = [
        dict(zip(keys, map(float, rows.target), strict=True)) for keys in _size_keys(rows.items)
    ]

    def estimate(items: Items) -> Floats:
        of_brand, of_size = _size_keys(items)
        found = _known_or(last[1], of_size, levels.typical_prices(items))
        found = _known_or(last[0], of_brand, found)
        is_known = np.isfinite(items.competitors_price)
        return np.where(is_known, items.competitors_price, found)

    return Baseline(estimate)


def _fit_levels_only(rows: _Rows) -> Levels:
    medians = _medians(category_keys(rows.items), rows.target)
    return Levels(
        typical=medians,
        overall=float(np.median(rows.target)),
        brands={},
        competitors={},
        words={},
    )


def _brand_unit_keys(items: Items) -> list[str]:
    keys = zip(brand_keys(items), items.unit, strict=True)
    return [f"{brand}|{unit}" if brand else "" for brand, unit in keys]


def _size_keys(items: Items) -> tuple[list[str], list[str]]:
    sizes = [
        f"{category}|{quantity:.2f}"
        for category, quantity in zip(category_keys(items), items.quantity, strict=True)
    ]
    of_brand = [
        f"{brand}|{size}" if brand else "" for brand, size in zip(items.brand, sizes, strict=True)
    ]
    return of_brand, sizes


def _medians(keys: Sequence[str], target: Floats) -> dict[str, float]:
    by_key: dict[str, list[float]] = {}
    for key, value in zip(keys, target, strict=True):
        by_key.setdefault(key, []).append(float(value))
    return {key: float(np.median(values)) for key, values in by_key.items()}


def _known_or(known: Mapping[str, float], keys: Sequence[str], otherwise: Floats) -> Floats:
    found = np.array([known.get(key, np.nan) if key else np.nan for key in keys], np.float64)
    return np.where(np.isfinite(found), found, otherwise)


# Evaluation


def evaluate(model: Any, table: pyarrow.Table) -> Evaluation:
    """Return the metrics of `evaluate_by`, with products as units."""
    return evaluate_by(model, table, unit="product_group")


def evaluate_by(model: Any, table: pyarrow.Table, *, unit: str) -> Evaluation:
    """
    Return how well prices per unit are estimated; samples by unit, the values of a column.

    r2, r2_in_category (variance around the category's typical price), r2_dollars (of packages),
    mape (mean absolute error as a share of the price; mean over units), median_error, coverage and
    width (of the interval): as if no competitor sold the product. `known_share`, `known_r2`,
    `known_mape`, `known_coverage`: rows for which competitors' prices of the product are known.
    """
    columns = table.to_pydict()
    items = read_items(columns)
    target = np.log(np.array(columns["unit_price"], np.float64))
    units = np.unique(columns[unit], return_inverse=True)[1]
    strict = items.without_competitors_prices()
    predicted = model.predict(strict)
    errors = np.abs(np.expm1(predicted - target))
    prices = np.exp(target) * items.quantity
    metrics = {
        "r2": _r2(target, predicted),
        "r2_in_category": _r2_in_category(items, target, predicted),
        "r2_dollars": _r2(prices, np.exp(predicted) * items.quantity),
        "median_error": float(np.median(errors)),
        **_interval_metrics(model, strict, target, prefix=""),
    }
    samples = {"mape": _means(errors, units)}
    is_known = np.isfinite(items.competitors_price)
    metrics["known_share"] = float(is_known.mean())
    if is_known.any():
        known = items.take(np.flatnonzero(is_known))
        known_target, known_predicted = target[is_known], model.predict(known)
        metrics["known_r2"] = _r2(known_target, known_predicted)
        known_errors = np.abs(np.expm1(known_predicted - known_target))
        samples["known_mape"] = _means(known_errors, units[is_known])
        metrics |= _interval_metrics(model, known, known_target, prefix="known_")
    metrics |= {name: float(values.mean()) for name, values in samples.items()}
    return Evaluation(metrics=metrics, samples=samples)


def _interval_metrics(model: Any, items: Items, target: Floats, *, prefix: str) -> dict[str, float]:
    if not isinstance(model, PriceModel):
        return {}
    low, high = model.interval(items)
    is_inside = (target >= low) & (target <= high)
    return {
        f"{prefix}coverage": float(is_inside.mean()),
        f"{prefix}width": float(np.median(np.expm1(high - low))),
    }


def _r2(truth: Floats, predicted: Floats) -> float:
    total = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / total if total else 0.0


def _r2_in_category(items: Items, target: Floats, predicted: Floats) -> float:
    keys = category_keys(items)
    medians = _medians(keys, target)
    typical = np.array([medians[key] for key in keys], np.float64)
    total = float(((target - typical) ** 2).sum())
    return 1 - float(((target - predicted) ** 2).sum()) / total if total else 0.0


def _means(values: Floats, units: npt.NDArray[np.intp]) -> Floats:
    """Return the mean by unit; units are sorted, absent ones left out."""
    counts = np.bincount(units)
    sums = np.bincount(units, weights=values)
    return (sums[counts > 0] / counts[counts > 0]).astype(np.float64)


# Monitoring


_MONITORED = (
    "category",
    "brand",
    "strain_type",
    "province",
    "competitor",
    "thc_percentage",
    "cbd_percentage",
    "weight_grams",
    "unit_count",
    "price",
    "is_tax_included",
)
# Returns the number of rows that a training set has since a time.
_NEW_ROWS = """
SELECT count(DISTINCT (offer_id, floor(
  extract(epoch FROM scraped_at - %(since)s::timestamptz) / extract(epoch FROM %(period)s::interval)
)))
FROM price_history
WHERE scraped_at >= %(since)s AND offer_id IS NOT NULL AND currency = %(currency)s AND price > 0
  AND is_tax_included IS NOT NULL AND coalesce(confidence, 1) >= %(min_confidence)s
"""


def _monitored_columns(table: pyarrow.Table) -> dict[str, Any]:
    return {name: table[name] for name in _MONITORED}


def _predict(model: PriceModel, table: pyarrow.Table) -> Floats:
    """Return the log price per unit of the rows with a category, without competitors' prices."""
    import pyarrow.compute as pc

    known = table.filter(pc.not_equal(table["category"], ""))
    return model.predict(read_items(known.to_pydict()).without_competitors_prices())


PRICING_TRAINER = Trainer(
    name=PRICING.name,
    title="Market prices",
    training_set=TrainingSet(
        sql=_SQL,
        columns=COLUMNS,
        # Two rows of a product in both parts are a leak, whatever their size, shop or time.
        key=("product_group",),
        params={
            "history": HISTORY,
            "period": TEST_PERIOD,
            "max_rows": MAX_ROWS,
            **_USABLE_PRICES,
        },
    ),
    split=ProductTimeSplit(),
    fit=fit,
    evaluate=evaluate,
    dump=dump,
    served=PRICING,
    gates=(
        MetricAbove(metric="r2", threshold=MIN_R2),
        BetterThanReferences(metric="mape", is_error=True),
        BetterThanReferences(metric="known_mape", is_error=True),
    ),
    # Each takes as long as the model itself. A small shop tests some forty products, of which
    # chance alone explains up to a tenth (standard deviation of r2 about .1); a leaked price
    # explains nearly all.
    control=ShuffleControl(label="unit_price", metric="r2", chance=0.0, margin=0.25, shuffles=3),
    features=FEATURES,
    code=("competitors.training", "competitors.pricing.items", "competitors.pricing.model"),
    baselines={
        "last price": fit_last_price,
        "category median": fit_category_median,
        "brand median": fit_brand_median,
    },
    parameters=PARAMETERS,
    min_train_rows=500,
    min_test_rows=100,
    deploys=APPROVAL,
    drift=DriftMonitor(
        recent=RecentRows(
            sql=_SQL,
            columns=COLUMNS,
            params={
                "history": MONITORED_PERIOD,
                "period": MONITORED_PERIOD,
                "max_rows": _MAX_MONITORED_ROWS,
                **_USABLE_PRICES,
            },
        ),
        inputs=_monitored_columns,
        predict=_predict,
        # The test part has other products than those that are trained on.
        predictions_of="all",
        unit="name",
        period=MONITORED_PERIOD,
    ),
    new_data=NewData(sql=_NEW_ROWS, params={"period": TEST_PERIOD, **_USABLE_PRICES}),
)
register(PRICING_TRAINER)
