"""A small real model for tests of the registry: logistic regression, stored as npz."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mlops.registry import (
    AUTOMATIC,
    BetterThanReferences,
    DriftMonitor,
    Evaluation,
    FitContext,
    MetricAbove,
    RecentRows,
    ServedModel,
    ShuffleControl,
    TimeSplit,
    Trainer,
    TrainingSet,
)

NAME = "sample"
FEATURES = ("a", "b")
# The label follows from a, b and noise that a hash of n gives; the newest row is the first.
_SQL = """
SELECT n AS id, %(as_of)s::timestamptz - n * interval '1 hour' AS occurred_at,
  sin(n * 1.7) AS a, cos(n * 2.3) AS b,
  sin(n * 1.7) + 0.5 * cos(n * 2.3) + hashint8(n) / 4294967296.0 * %(noise)s::float8 > 0 AS label
FROM generate_series(1, %(rows)s::bigint) AS n ORDER BY n
"""
# Rows of the same distribution as the training set, one an hour, moved by `shift`.
_RECENT_SQL = """
SELECT sin(n * 1.7) + %(shift)s::float8 AS a, cos(n * 2.3) AS b
FROM generate_series(5001, 5000 + %(rows)s::bigint) AS n
WHERE %(since)s::timestamptz < %(until)s::timestamptz ORDER BY n
"""


@dataclass(frozen=True, slots=True)
class Regression:
    """Weights of the features, and bias."""

    weights: Any
    bias: float

    def scores(self, table: pyarrow.Table) -> Any:
        """Return the logit of each row."""
        return inputs(table) @ self.weights + self.bias


def inputs(table: pyarrow.Table) -> Any:
    """Return the features, (rows, 2)."""
    return np.column_stack([table[name].to_numpy() for name in FEATURES])


def labels(table: pyarrow.Table) -> Any:
    """Return the labels, (rows,)."""
    return table["label"].to_numpy().astype(np.int64)


def fit(table: pyarrow.Table, context: FitContext) -> Regression:
    """Fit to all rows."""
    regression = LogisticRegression(C=context.parameters["C"]).fit(inputs(table), labels(table))
    context.record("iterations", 1.0, float(regression.n_iter_[0]))
    return Regression(regression.coef_[0], float(regression.intercept_[0]))


def fit_share(table: pyarrow.Table, _context: FitContext) -> Regression:
    """Baseline: the share of positive rows for every row."""
    return Regression(np.zeros(len(FEATURES)), float(labels(table).mean()))


def evaluate(model: Any, table: pyarrow.Table) -> Evaluation:
    """Return AUC and, per row, whether the sign of the logit is right."""
    truth, scores = labels(table), model.scores(table)
    right = ((scores > 0) == (truth == 1)).astype(np.float64)
    return Evaluation(
        metrics={"roc_auc": float(roc_auc_score(truth, scores)), "accuracy": float(right.mean())},
        samples={"accuracy": right},
    )


def dump(model: Regression) -> bytes:
    """Return the model as npz."""
    buffer = io.BytesIO()
    np.savez(buffer, weights=model.weights, bias=np.array([model.bias]))
    return buffer.getvalue()


def load(body: bytes) -> Regression:
    """Return the model of an npz."""
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return Regression(arrays["weights"], float(arrays["bias"][0]))


def training_set(*, rows: int = 2_000, noise: float = 1.0) -> TrainingSet:
    """Return a training set of so many hours before the time it is selected for."""
    return TrainingSet(
        sql=_SQL,
        columns={
            "id": "int64",
            "occurred_at": "timestamp",
            "a": "float64",
            "b": "float64",
            "label": "bool",
        },
        key=("id",),
        params={"rows": rows, "noise": noise},
    )


def predict(model: Regression, table: pyarrow.Table) -> Any:
    """Return the probability of each row."""
    return 1 / (1 + np.exp(-model.scores(table)))


def monitor(*, rows: int = 1_000, shift: float = 0.0, **changes: Any) -> DriftMonitor:
    """Return a monitor of features and predictions, whose recent rows are moved by `shift`."""
    recent = RecentRows(
        sql=_RECENT_SQL,
        columns={"a": "float64", "b": "float64"},
        params={"rows": rows, "shift": shift},
    )
    return DriftMonitor(**{"recent": recent, "predict": predict, **changes})


def make_trainer(*, name: str = NAME, c: float = 1.0, **changes: Any) -> Trainer:
    """Return the trainer of the regression, deployed automatically, with changed fields."""
    fields: Mapping[str, Any] = {
        "name": name,
        "title": "Sample",
        "training_set": training_set(),
        "split": TimeSplit(column="occurred_at", test_period=timedelta(hours=600)),
        "fit": fit,
        "evaluate": evaluate,
        "dump": dump,
        "served": ServedModel(name, artifact_format="npz", load=load),
        "gates": (
            MetricAbove(metric="roc_auc", threshold=0.8),
            BetterThanReferences(metric="accuracy"),
        ),
        "control": ShuffleControl(label="label", metric="roc_auc", chance=0.5),
        "features": FEATURES,
        "code": ("tests.samples.trainers",),
        "baselines": {"share": fit_share},
        "parameters": {"C": c},
        "deploys": AUTOMATIC,
    }
    return Trainer(**{**fields, **changes})
