"""Gradient-boosted trees as lookup tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MAX_LEAVES = 16
"""Largest number of leaves of a tree: the bits of a mask."""
_ALL_LEAVES = 2**MAX_LEAVES - 1
_MANTISSA_BITS, _EXPONENT_BIAS = 23, 127

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class TreeScorer:
    """
    Sum of trees, found without walking them (QuickScorer, Lucchese et al. 2015).

    A node sends a row to the left leaves if its feature is at most a threshold. Each node that a
    row fails removes its left leaves; the first leaf that is not removed is the row's. Which
    leaves the thresholds below a value remove is tabulated, so that a row costs one table row per
    feature.

    thresholds: of all nodes by feature, ascending within each, (nodes,). starts: where the
    thresholds of each feature begin, (features + 1,). masks: remaining leaves of each tree as bits,
    for the values of each feature between two thresholds, (nodes + features, trees) uint16.
    leaf_values: (trees, 16).
    """

    thresholds: Floats
    starts: NDArray[np.int64]
    masks: NDArray[np.uint16]
    leaf_values: Floats

    def score(self, inputs: Floats) -> Floats:
        """Return the sums of a matrix of rows by features, (rows,)."""
        remaining = np.full((len(inputs), len(self.leaf_values)), _ALL_LEAVES, dtype=np.uint16)
        starts = self.starts.tolist()
        for feature, (start, end) in enumerate(pairwise(starts)):
            if start < end:
                bins = self.thresholds[start:end].searchsorted(inputs[:, feature], side="left")
                bins += start + feature
                remaining &= self.masks.take(bins, axis=0)
        leaves = _lowest_bits(remaining)
        leaves += np.arange(0, self.leaf_values.size, MAX_LEAVES, dtype=leaves.dtype)
        sums: Floats = self.leaf_values.ravel().take(leaves).sum(axis=1)
        return sums

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that an artifact stores."""
        return {
            "thresholds": self.thresholds,
            "starts": self.starts,
            "masks": self.masks,
            "leaf_values": self.leaf_values,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the trees of an artifact. Raises KeyError, ValueError."""
        scorer = cls(arrays["thresholds"], arrays["starts"], arrays["masks"], arrays["leaf_values"])
        features = len(scorer.starts) - 1
        trees = len(scorer.leaf_values)
        if (
            scorer.masks.shape != (len(scorer.thresholds) + features, trees)
            or scorer.leaf_values.shape != (trees, MAX_LEAVES)
            or scorer.starts[-1] != len(scorer.thresholds)
        ):
            raise ValueError("the tables of the trees do not have the same sizes")
        return scorer

    @classmethod
    def from_lightgbm(cls, dump: Mapping[str, Any]) -> Self:
        """
        Return the trees of a LightGBM model, from its `dump_model()`.

        Raises ValueError: a tree has too many leaves, or a split that is not `<=`.
        """
        nodes: list[tuple[int, float, int, int]] = []
        leaf_values = np.zeros((len(dump["tree_info"]), MAX_LEAVES), dtype=np.float32)
        for tree, info in enumerate(dump["tree_info"]):
            leaves: list[float] = []
            _collect(info["tree_structure"], tree, leaves, nodes)
            if len(leaves) > MAX_LEAVES:
                raise ValueError(f"tree {tree} has {len(leaves)} leaves of at most {MAX_LEAVES}")
            leaf_values[tree, : len(leaves)] = leaves
        nodes.sort()
        feature_count = int(dump["max_feature_idx"]) + 1
        starts = np.searchsorted([node[0] for node in nodes], np.arange(feature_count + 1))
        masks = np.full(
            (len(nodes) + feature_count, len(leaf_values)), _ALL_LEAVES, dtype=np.uint16
        )
        for index, (feature, _, tree, left_leaves) in enumerate(nodes):
            row = index + feature + 1
            masks[row] = masks[row - 1]
            masks[row, tree] &= _ALL_LEAVES ^ left_leaves
        return cls(
            thresholds=np.array([node[1] for node in nodes], dtype=np.float64),
            starts=starts.astype(np.int64),
            masks=masks,
            leaf_values=leaf_values,
        )


def _collect(
    node: Mapping[str, Any],
    tree: int,
    leaves: list[float],
    nodes: list[tuple[int, float, int, int]],
) -> None:
    """Add the leaf values, from left to right, and feature, threshold, tree, left leaves."""
    if "leaf_value" in node:
        leaves.append(node["leaf_value"])
        return
    if node["decision_type"] != "<=":
        raise ValueError(f"a split by {node['decision_type']} is not supported")
    first = len(leaves)
    _collect(node["left_child"], tree, leaves, nodes)
    left_leaves = ((1 << len(leaves)) - 1) ^ ((1 << first) - 1)
    nodes.append((node["split_feature"], node["threshold"], tree, left_leaves))
    _collect(node["right_child"], tree, leaves, nodes)


def _lowest_bits(masks: NDArray[np.uint16]) -> NDArray[np.int32]:
    """Return the number of the lowest set bit, which is the exponent of its value as float32."""
    lowest = masks & -masks
    return (lowest.astype(np.float32).view(np.int32) >> _MANTISSA_BITS) - _EXPONENT_BIAS
