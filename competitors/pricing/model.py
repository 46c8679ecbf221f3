"""
The price model as it is served: levels of brands, shops and words, and boosted trees above them.

The artifact is one JSON document. `boosters` has LightGBM models as text: for the expected price
(`point`) and the ends of its interval (`low`, `high`), and the same three for items that other
competitors sell (`known_point` and so on); everything else is numbers and names. LightGBM is
imported when a model is loaded, which web processes do not do.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from competitors.pricing.items import Floats, Items

FORMAT_VERSION = 1
TERPENES = (
    "myrcene",
    "limonene",
    "caryophyllene",
    "linalool",
    "pinene",
    "humulene",
    "terpinolene",
    "bisabolol",
    "ocimene",
    "farnesene",
)
"""Terpenes that are features; the others are rarely listed."""
FEATURES = (
    "category",
    "log_quantity",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "thc",
    "cbd",
    "thc_mg",
    "strain_type",
    "province",
    "season_sine",
    "season_cosine",
    "brand_level",
    "competitor_level",
    "name_level",
    "competitors_price",
    "competitors_gap",
    *(f"terpene_{terpene}" for terpene in TERPENES),
)
CATEGORICAL_FEATURES = ("category", "strain_type", "province")
BOOSTERS = ("point", "low", "high")
KNOWN_PREFIX = "known_"
KNOWN_BOOSTERS = tuple(f"{KNOWN_PREFIX}{name}" for name in BOOSTERS)
_DAYS_OF_YEAR = 365.25
_SHRINKAGE = 5.0
"""Number of rows with which half of the deviation of a level counts; fewer count less."""


class PriceModelUnreadable(ValueError):
    """The artifact is not a price model of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """
    Levels of log prices per unit, by which texts become numbers.

    typical: median by category and unit. brands (by brand and category), competitors and words:
    deviation from it; without an entry, unknown.
    """

    typical: Mapping[str, float]
    overall: float
    brands: Mapping[str, float]
    competitors: Mapping[str, float]
    words: Mapping[str, float]

    def typical_prices(self, items: Items) -> Floats:
        """Return the log of the typical price per unit of the category, (n,)."""
        keys = category_keys(items)
        return np.array([self.typical.get(key, self.overall) for key in keys], np.float64)

    def brand_levels(self, items: Items) -> Floats:
        """Return the deviation of the brand in its category, (n,); NaN: unknown."""
        return _look_up(self.brands, brand_keys(items))

    def competitor_levels(self, items: Items) -> Floats:
        """Return the deviation of the competitor, (n,); NaN: unknown."""
        return _look_up(self.competitors, items.competitor)

    def name_levels(self, items: Items) -> Floats:
        """Return the deviation that the words of the name and the brand suggest, (n,)."""
        return np.array(
            [sum(self.words.get(word, 0.0) for word in words) for words in text_features(items)],
            np.float64,
        )


def category_keys(items: Items) -> list[str]:
    """Return category and unit of each item, as a key of typical prices."""
    return [f"{category}|{unit}" for category, unit in zip(items.category, items.unit, strict=True)]


def brand_keys(items: Items) -> list[str]:
    """Return brand and category of each item; "" without a brand."""
    return [
        f"{brand}|{category}" if brand else ""
        for brand, category in zip(items.brand, items.category, strict=True)
    ]


def text_features(items: Items) -> list[tuple[str, ...]]:
    """Return the words of each item with those of its brand and category."""
    return [
        (*words, f"category:{category}", f"brand:{brand}", f"brand:{brand}|{category}")
        for words, category, brand in zip(items.words, items.category, items.brand, strict=True)
    ]


def mean_levels(keys: list[str], deviations: Floats, weights: Floats) -> dict[str, float]:
    """Return the weighted mean deviation by key, drawn towards zero where there are few rows."""
    sums: dict[str, float] = {}
    totals: dict[str, float] = {}
    for key, deviation, weight in zip(keys, deviations, weights, strict=True):
        sums[key] = sums.get(key, 0.0) + float(deviation * weight)
        totals[key] = totals.get(key, 0.0) + float(weight)
    return {key: sums[key] / (totals[key] + _SHRINKAGE) for key in sorted(sums) if key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Values of the categorical features, by feature; a value's index is its number."""

    values: Mapping[str, tuple[str, ...]]

    def codes(self, feature: str, texts: list[str]) -> Floats:
        """Return the numbers of texts, (n,); NaN: unknown or empty."""
        numbers = {text: float(index) for index, text in enumerate(self.values[feature])}
        return _look_up(numbers, texts)


@dataclass(frozen=True, slots=True)
class LevelValues:
    """Values of the levels of n items: of brand, competitor and name, each (n,)."""

    brand: Floats
    competitor: Floats
    name: Floats


def feature_matrix(
    items: Items, *, vocabulary: Vocabulary, typical: Floats, levels: LevelValues
) -> Floats:
    """Return the features of items, (n, len(FEATURES)), NaN where unknown."""
    angle = 2 * math.pi * items.day_of_year / _DAYS_OF_YEAR
    columns: list[Any] = [
        vocabulary.codes("category", category_keys(items)),
        np.log(items.quantity),
        items.weight_grams,
        items.volume_ml,
        items.unit_count,
        items.thc,
        items.cbd,
        items.thc_mg,
        vocabulary.codes("strain_type", items.strain_type),
        vocabulary.codes("province", items.province),
        np.sin(angle),
        np.cos(angle),
        levels.brand,
        levels.competitor,
        levels.name,
        items.competitors_price - typical,
        items.competitors_price - typical - levels.name,
        *(_terpene_column(items, terpene) for terpene in TERPENES),
    ]
    return np.column_stack(columns).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEstimate:
    """Prices of packages without tax, each (n,): the expected one and the ends of its interval."""

    low: Floats
    point: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceModel:
    """
    Estimates prices per unit.

    boosters: LightGBM models by name. Those of BOOSTERS estimate the log price per unit less the
    typical one, without competitors' prices of the product; those of KNOWN_BOOSTERS, if there are
    any, estimate it less the competitors' price. margins: by the name of the first of either, what
    the ends of the interval are moved by (log), so that it covers the share `coverage` of products
    that were held out.
    """

    vocabulary: Vocabulary
    levels: Levels
    boosters: Mapping[str, Any]
    margins: Mapping[str, tuple[float, float]]
    coverage: float

    def predict(self, items: Items) -> Floats:
        """Return the log of the expected price per unit, (n,)."""
        return self._evaluate(items)[1]

    def interval(self, items: Items) -> tuple[Floats, Floats]:
        """Return the ends of the interval of the log price per unit; the expected one is inside."""
        low, _, high = self._evaluate(items)
        return low, high

    def estimate(self, items: Items) -> PriceEstimate:
        """Return the prices of packages."""
        low, point, high = (np.exp(ends) * items.quantity for ends in self._evaluate(items))
        return PriceEstimate(low=low, point=point, high=high)

    def bases(self, items: Items) -> Floats:
        """
        Return the log price per unit that the estimate starts from, (n,).

        That of competitors where it is known and used, else the typical one of the category.
        """
        typical = self.levels.typical_prices(items)
        return np.where(self.uses_competitors(items), items.competitors_price, typical)

    def uses_competitors(self, items: Items) -> npt.NDArray[np.bool_]:
        """Return whether the estimate starts from competitors' prices of the product, (n,)."""
        has_boosters = KNOWN_BOOSTERS[0] in self.boosters
        return np.isfinite(items.competitors_price) & has_boosters

    def contributions(self, items: Items) -> Floats:
        """
        Return what each feature adds to the log of the expected price, (n, len(FEATURES) + 1).

        The last column is the expectation without features; rows sum to `predict` less `bases`.
        """
        features = self.features(items)
        is_known = self.uses_competitors(items)
        found = np.zeros((len(items), len(FEATURES) + 1))
        for rows, prefix in ((~is_known, ""), (is_known, KNOWN_PREFIX)):
            if rows.any():
                booster = self.boosters[f"{prefix}{BOOSTERS[0]}"]
                found[rows] = booster.predict(features[rows], pred_contrib=True, num_threads=1)
        return found

    def features(self, items: Items) -> Floats:
        """Return the features of items, (n, len(FEATURES))."""
        known = np.where(self.uses_competitors(items), items.competitors_price, np.nan)
        return feature_matrix(
            replace(items, competitors_price=known),
            vocabulary=self.vocabulary,
            typical=self.levels.typical_prices(items),
            levels=LevelValues(
                self.levels.brand_levels(items),
                self.levels.competitor_levels(items),
                self.levels.name_levels(items),
            ),
        )

    def _evaluate(self, items: Items) -> tuple[Floats, Floats, Floats]:
        """Return low end, expectation and high end of the log price per unit."""
        features, is_known = self.features(items), self.uses_competitors(items)
        ends = {name: np.zeros(len(items)) for name in BOOSTERS}
        for rows, prefix in ((~is_known, ""), (is_known, KNOWN_PREFIX)):
            if not rows.any():
                continue
            for name in BOOSTERS:
                booster = self.boosters[f"{prefix}{name}"]
                ends[name][rows] = booster.predict(features[rows], num_threads=1)
            below, above = self.margins[f"{prefix}{BOOSTERS[0]}"]
            ends["low"][rows] -= below
            ends["high"][rows] += above
        base, point = self.bases(items), ends["point"]
        low, high = np.minimum(ends["low"], point), np.maximum(ends["high"], point)
        return base + low, base + point, base + high


def dump(model: PriceModel) -> bytes:
    """Return the artifact of a model."""
    document = {
        "format_version": FORMAT_VERSION,
        "features": FEATURES,
        "vocabulary": model.vocabulary.values,
        "typical": model.levels.typical,
        "overall": model.levels.overall,
        "brands": model.levels.brands,
        "competitors": model.levels.competitors,
        "words": model.levels.words,
        "margins": model.margins,
        "coverage": model.coverage,
        "boosters": {
            name: booster.model_to_string() for name, booster in sorted(model.boosters.items())
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def load(body: bytes) -> PriceModel:
    """Return the model of an artifact. Raises PriceModelUnreadable."""
    import lightgbm

    try:
        document = json.loads(body)
        if document["format_version"] != FORMAT_VERSION or document["features"] != list(FEATURES):
            raise PriceModelUnreadable("the features are those of another version")
        return PriceModel(
            vocabulary=Vocabulary(
                values={name: tuple(document["vocabulary"][name]) for name in CATEGORICAL_FEATURES}
            ),
            levels=Levels(
                typical=_numbers(document["typical"]),
                overall=float(document["overall"]),
                brands=_numbers(document["brands"]),
                competitors=_numbers(document["competitors"]),
                words=_numbers(document["words"]),
            ),
            boosters={
                name: lightgbm.Booster(model_str=_complete(document["boosters"][name]))
                for name in (*BOOSTERS, *sorted(set(document["boosters"]) - set(BOOSTERS)))
            },
            margins={
                name: (float(low), float(high)) for name, (low, high) in document["margins"].items()
            },
            coverage=float(document["coverage"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, lightgbm.basic.LightGBMError) as error:
        raise PriceModelUnreadable(f"no price model: {type(error).__name__}") from None


def _complete(text: str) -> str:
    """Return the text of a booster. Raises PriceModelUnreadable: it was cut off."""
    if not text.startswith("tree\n") or "\nend of trees\n" not in text:
        raise PriceModelUnreadable("a booster is not complete")
    return text


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _look_up(values: Mapping[str, float], keys: list[str]) -> Floats:
    return np.array([values.get(key, np.nan) for key in keys], np.float64)


def _terpene_column(items: Items, terpene: str) -> Floats:
    return np.array(
        [float(terpene in listed) if listed else np.nan for listed in items.terpenes], np.float64
    )
