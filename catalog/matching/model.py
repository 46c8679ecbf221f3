"""
The model of matching: gradient-boosted trees behind the vetoes, served without scikit-learn.

`catalog/match_training.py` trains it from labeled pairs (`manage.py train_matching`). The trees are
JSON with a known hash; the card beside them names the training data by its hash, the metrics, the
thresholds and the gate. Services compare with the version that is deployed, if one is
(`catalog/served_models.py`); everything else with the model that ships.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
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


_current: ContextVar[MatchModel | None] = ContextVar("match_model", default=None)


def match_model() -> MatchModel:
    """Return the model of the context, else the one that ships. Raises MatchModelUnreadable."""
    return _current.get() or shipped_model()


@contextmanager
def use_match_model(model: MatchModel | None) -> Iterator[None]:
    """Compare with a model within a block, in this thread; None: with the one that ships."""
    token = _current.set(model)
    try:
        yield
    finally:
        _current.reset(token)


@lru_cache(maxsize=1)
def shipped_model() -> MatchModel:
    """Return the model that ships. Raises MatchModelUnreadable."""
    return load(FOLDER)


def load(folder: Path) -> MatchModel:
    """Load a model. Raises MatchModelUnreadable, also where the trees lack the card's hash."""
    try:
        body = (folder / TREES).read_bytes()
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if hashlib.sha256(body).hexdigest() != card["sha256"]:
            raise MatchModelUnreadable(f"{TREES} does not match the hash on its card")
        return _build(json.loads(body), card)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise MatchModelUnreadable(f"{folder}: {error}") from None


def load_artifact(body: bytes) -> MatchModel:
    """Load the artifact of a version. Raises MatchModelUnreadable."""
    try:
        value = json.loads(body)
        return _build(value["trees"], value)
    except (KeyError, TypeError, ValueError) as error:
        raise MatchModelUnreadable(f"artifact: {error}") from None


def dump_artifact(model: MatchModel) -> bytes:
    """Return a model as the artifact of a version: trees, calibration and thresholds."""
    value = {
        "trees": _trees_value(model),
        "calibration": model.calibration,
        "same": model.same,
        "ask": model.ask,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def dump_trees(model: MatchModel) -> bytes:
    """Return the content of the file with the trees; its hash is the digest of the model."""
    return json.dumps(_trees_value(model), separators=(",", ":")).encode()


def _trees_value(model: MatchModel) -> dict[str, Any]:
    return {
        "features": model.features,
        "base": model.base,
        "learning_rate": model.learning_rate,
        "trees": [{name: getattr(tree, name) for name in Tree.__slots__} for tree in model.trees],
    }


def _build(trees: Mapping[str, Any], thresholds: Mapping[str, Any]) -> MatchModel:
    model = MatchModel(
        features=tuple(trees["features"]),
        trees=tuple(
            Tree(**{name: tuple(nodes) for name, nodes in tree.items()}) for tree in trees["trees"]
        ),
        base=trees["base"],
        learning_rate=trees["learning_rate"],
        calibration=(thresholds["calibration"][0], thresholds["calibration"][1]),
        same=thresholds["same"],
        ask=thresholds["ask"],
    )
    return replace(model, digest=hashlib.sha256(dump_trees(model)).hexdigest())
