"""
The model of matching: gradient-boosted trees behind the vetoes, served without scikit-learn.

`catalog/match_training.py` trains it from labeled pairs (`manage.py train_matching`). The trees are
JSON with a known hash; the card beside them names the training data by its hash, the metrics, the
thresholds and the gate.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("trained")
TREES, CARD = "trees.json", "card.json"
_LEAF = -1


class MatchModelUnreadable(ValueError):
    """The files of the model are missing or do not belong together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """
    A regression tree as parallel lists of nodes, the root first.

    feature: index, -1 for a leaf. threshold: rows at or below it go left. value: of a leaf.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchModel:
    """
    Boosted trees whose sum, calibrated, is the logit that two products are the same.

    calibration: slope and intercept fitted on held-out folds. same: probability from which products
    are merged; ask: from which staff are asked.
    """

    features: tuple[str, ...]
    trees: tuple[Tree, ...]
    base: float
    learning_rate: float
    calibration: tuple[float, float]
    same: float
    ask: float
    digest: str = ""

    def logit(self, values: Mapping[str, float]) -> float:
        """Return the sum of the trees, not calibrated."""
        row = [values.get(name, 0.0) for name in self.features]
        return self.base + self.learning_rate * sum(_leaf_value(tree, row) for tree in self.trees)

    def probability(self, values: Mapping[str, float]) -> float:
        """Return the calibrated probability that two products with these features are the same."""
        slope, intercept = self.calibration
        return 1 / (1 + math.exp(-(slope * self.logit(values) + intercept)))


def _leaf_value(tree: Tree, row: list[float]) -> float:
    node = 0
    while (feature := tree.feature[node]) != _LEAF:
        node = tree.left[node] if row[feature] <= tree.threshold[node] else tree.right[node]
    return tree.value[node]


@lru_cache(maxsize=1)
def match_model() -> MatchModel:
    """Return the model that ships. Raises MatchModelUnreadable."""
    return load(FOLDER)


def load(folder: Path) -> MatchModel:
    """Load a model. Raises MatchModelUnreadable, also where the trees lack the card's hash."""
    try:
        body = (folder / TREES).read_bytes()
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        digest = hashlib.sha256(body).hexdigest()
        if digest != card["sha256"]:
            raise MatchModelUnreadable(f"{TREES} does not match the hash on its card")
        trees = json.loads(body)
        return MatchModel(
            features=tuple(trees["features"]),
            trees=tuple(
                Tree(**{name: tuple(nodes) for name, nodes in tree.items()})
                for tree in trees["trees"]
            ),
            base=trees["base"],
            learning_rate=trees["learning_rate"],
            calibration=(card["calibration"][0], card["calibration"][1]),
            same=card["same"],
            ask=card["ask"],
            digest=digest,
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise MatchModelUnreadable(f"{folder}: {error}") from None


def card_digest() -> str:
    """Return the hash of the trees that ship, from their card."""
    card = json.loads((FOLDER / CARD).read_text(encoding="utf-8"))
    return str(card["sha256"])
