"""
Histograms of training values, and how far recent values are from them.

Numbers have fine bins between quantiles; a value that is itself a large share of the rows (a zero,
a constant) has a separate bin. Categories have a bin each, with one more for rare and unseen
ones. Missing values have a bin. PSI compares about ten groups of bins, KS the cumulative shares of
the fine ones, and both come with the distance that chance alone exceeds rarely: with few rows every
sample is far from its reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
_FINE_BINS = 100
_PSI_SHARE = 0.1
_MAX_CATEGORIES = 20
# Added to each count, so that an empty bin has a finite logarithm.
_PSEUDO_COUNT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """
    Histogram of the values that a model was trained on.

    edges: numbers, ascending; bin i contains the values above edges[i - 1] up to edges[i].
    categories: categories with a separate bin. counts: by bin; numbers have len(edges) + 1
    bins, categories len(categories) + 1, of which the last is for all others; missing values have
    one more. unit_count: independent units that the values belong to, such as customers; None: each
    value is independent.
    """

    kind: Literal["number", "category"]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    unit_count: int | None = None

    @property
    def row_count(self) -> int:
        """Number of values, with missing ones."""
        return sum(self.counts)

    def count(self, values: Any) -> Counts:
        """
        Return how many values are in each bin.

        values: numbers or text, as numpy or Arrow array. Raises TypeError for the other kind.
        """
        if self.kind == "number":
            return _count_numbers(_as_numbers(values), self.edges)
        return _count_categories(_as_categories(values), self.categories)

    def as_json(self) -> dict[str, Any]:
        """Return the fields for a JSON column."""
        return {
            "kind": self.kind,
            "counts": list(self.counts),
            "edges": list(self.edges),
            "categories": list(self.categories),
            "unit_count": self.unit_count,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Reference:
        """Return the reference of a JSON column."""
        return cls(
            kind=fields["kind"],
            counts=tuple(fields["counts"]),
            edges=tuple(fields["edges"]),
            categories=tuple(fields["categories"]),
            unit_count=fields.get("unit_count"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """
    Distance of recent values from a reference.

    ks: None for categories, and when all values are missing. psi_noise, ks_noise: exceeded by
    chance with the probability that `compare` is given.
    """

    row_count: int
    psi: float
    psi_noise: float
    ks: float | None
    ks_noise: float | None


def describe(values: Any, *, unit_count: int | None = None) -> Reference:
    """
    Return the histogram of training values: numbers, booleans or text, numpy or Arrow array.

    Raises TypeError for values of another type, for example times.
    """
    if _is_text(values):
        reference = _describe_categories(_as_categories(values))
    else:
        reference = _describe_numbers(_as_numbers(values))
    return replace(reference, unit_count=unit_count)


def compare(
    reference: Reference, counts: Counts, *, false_alarm_rate: float, unit_count: int | None = None
) -> Distance:
    """
    Return the distance of counted recent values from the reference.

    false_alarm_rate: probability that values of the same distribution exceed the noise of one of
    the statistics. unit_count: independent units of the recent values; the noise is computed as if
    all values of a unit were equal. Raises ValueError: the counts are of other bins,
    or zero.
    """
    expected = np.array(reference.counts, dtype=np.int64)
    if expected.shape != counts.shape:
        raise ValueError(f"{len(counts)} counts for {len(expected)} bins")
    if not counts.sum() or not expected.sum():
        raise ValueError("no rows to compare")
    groups = psi_groups(reference)
    now, before = _sums(counts, groups), _sums(expected, groups)
    before_size = _effective_size(expected, reference.unit_count)
    now_size = _effective_size(counts, unit_count)
    ks, ks_noise = _kolmogorov_smirnov(reference, expected, counts, false_alarm_rate)
    if ks_noise is not None:
        ks_noise *= math.sqrt(1 / now_size + 1 / before_size)
    return Distance(
        row_count=int(counts.sum()),
        psi=population_stability_index(before, now),
        psi_noise=_psi_noise(before, now, false_alarm_rate) * (1 / now_size + 1 / before_size),
        ks=ks,
        ks_noise=ks_noise,
    )


def population_stability_index(expected: Counts, actual: Counts) -> float:
    """Return the PSI of two histograms over the same bins, each with rows; 0: equal shares."""
    is_used = (expected > 0) | (actual > 0)
    before, now = _shares(expected[is_used]), _shares(actual[is_used])
    return float(((now - before) * np.log(now / before)).sum())


def psi_groups(reference: Reference) -> list[slice]:
    """
    Return which neighboring bins PSI takes together: groups of about a tenth of the rows.

    Each category is one group, and so are missing values. A bin with a tenth of the rows begins a
    group, so that values beside a constant are seen.
    """
    bins = len(reference.counts) - 1
    missing = slice(bins, bins + 1)
    if reference.kind == "category":
        return [slice(index, index + 1) for index in range(bins)] + [missing]
    minimum = _PSI_SHARE * sum(reference.counts[:-1]) * (1 - 1e-9)
    groups, start, total = [], 0, 0
    for index, count in enumerate(reference.counts[:-1]):
        if index > start and count >= minimum:
            groups.append(slice(start, index))
            start, total = index, 0
        total += count
        if total >= minimum:
            groups.append(slice(start, index + 1))
            start, total = index + 1, 0
    if start < bins:
        groups.append(slice(start, bins))
    return [*groups, missing]


def group_labels(reference: Reference) -> list[str]:
    """Return the names of the groups of PSI: ranges of numbers, or categories; missing last."""
    if reference.kind == "category":
        return [*reference.categories, "other", "missing"]
    labels = []
    for group in psi_groups(reference)[:-1]:
        low = reference.edges[group.start - 1] if group.start else None
        high = reference.edges[group.stop - 1] if group.stop <= len(reference.edges) else None
        labels.append(_range_label(low, high))
    return [*labels, "missing"]


def grouped_shares(reference: Reference, counts: Sequence[int]) -> list[float]:
    """Return the share of the rows in each group of PSI; zeros without rows."""
    sums = _sums(np.array(counts, dtype=np.int64), psi_groups(reference))
    return [float(share) for share in sums / max(1, sums.sum())]


def _range_label(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "all"
    if low is None:
        return f"≤ {high:.3g}"
    if high is None:
        return f"> {low:.3g}"
    is_one_value = np.nextafter(low, np.inf) == high
    return f"{high:.3g}" if is_one_value else f"{low:.3g} to {high:.3g}"


def _describe_numbers(values: Values) -> Reference:
    finite = values[np.isfinite(values)]
    edges: list[float] = []
    if len(finite):
        quantiles = np.quantile(
            finite, np.arange(1, _FINE_BINS) / _FINE_BINS, method="inverted_cdf"
        )
        distinct, repeats = np.unique(quantiles, return_counts=True)
        for value, repeat in zip(distinct.tolist(), repeats.tolist(), strict=True):
            # Equal quantiles: the value is a share of the rows, and has a separate bin.
            if repeat > 1 or len(distinct) == 1:
                edges.append(float(np.nextafter(value, -np.inf)))
            edges.append(value)
    return Reference(
        kind="number",
        edges=tuple(edges),
        counts=tuple(_count_numbers(values, tuple(edges)).tolist()),
    )


def _describe_categories(values: pyarrow.Array) -> Reference:
    import pyarrow.compute as pc

    frequencies = pc.value_counts(values.drop_null()).to_pylist()
    frequencies.sort(key=lambda item: (-item["counts"], item["values"]))
    categories = tuple(item["values"] for item in frequencies[:_MAX_CATEGORIES])
    return Reference(
        kind="category",
        categories=categories,
        counts=tuple(_count_categories(values, categories).tolist()),
    )


def _count_numbers(values: Values, edges: tuple[float, ...]) -> Counts:
    is_missing = np.isnan(values)
    bins = np.searchsorted(np.array(edges), values[~is_missing], side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    return np.append(counts, is_missing.sum()).astype(np.int64)


def _count_categories(values: pyarrow.Array, categories: tuple[str, ...]) -> Counts:
    import pyarrow as pa
    import pyarrow.compute as pc

    present = values.drop_null()
    positions = pc.index_in(present, pa.array(categories, pa.string()))
    bins = positions.fill_null(len(categories)).to_numpy(zero_copy_only=False)
    counts = np.bincount(bins, minlength=len(categories) + 1)
    return np.append(counts, len(values) - len(present)).astype(np.int64)


def _is_text(values: Any) -> bool:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        kind = values.type
        return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))
    return np.asarray(values).dtype.kind in "OU"


def _as_numbers(values: Any) -> Values:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        kind = values.type
        if pa.types.is_boolean(kind):
            values = values.cast(pa.int8())
        elif not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        ):
            raise TypeError(f"{kind}: neither numbers nor text")
        values = values.cast(pa.float64())
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        # Arrow's nulls become NaN.
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype}: neither numbers nor text")
    return array.astype(np.float64)


def _as_categories(values: Any) -> pyarrow.Array:
    import pyarrow as pa

    if not _is_text(values):
        raise TypeError("the values are not text")
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values.cast(pa.string())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _sums(counts: Counts, groups: Sequence[slice]) -> Counts:
    return np.array([counts[group].sum() for group in groups], dtype=np.int64)


def _shares(counts: Counts) -> Values:
    smoothed = counts + _PSEUDO_COUNT
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)


def _effective_size(counts: Counts, unit_count: int | None) -> int:
    rows = int(counts.sum())
    return rows if unit_count is None else max(1, min(rows, unit_count))


def _psi_noise(expected: Counts, actual: Counts, false_alarm_rate: float) -> float:
    """
    Return the noise of PSI per harmonic sum of the sizes.

    PSI divided by it is about chi-squared distributed. Simulated with 100 to 5,000 rows, the true
    false-alarm rate was between a tenth and 2.6 times the nominal one.
    """
    from scipy.stats import chi2

    groups = int(((expected > 0) | (actual > 0)).sum())
    return float(chi2.ppf(1 - false_alarm_rate, max(1, groups - 1)))


def _kolmogorov_smirnov(
    reference: Reference, expected: Counts, counts: Counts, false_alarm_rate: float
) -> tuple[float | None, float | None]:
    """
    Return the largest difference of the cumulative shares, without missing values, and its noise.

    The noise is per root of the harmonic sum of the sizes.
    """
    before, now = expected[:-1], counts[:-1]
    if reference.kind == "category" or not before.sum() or not now.sum():
        return None, None
    gaps = np.cumsum(now) / now.sum() - np.cumsum(before) / before.sum()
    present = min(before.sum() / expected.sum(), now.sum() / counts.sum())
    noise = math.sqrt(math.log(2 / false_alarm_rate) / 2 / present)
    return float(np.abs(gaps).max()), noise
