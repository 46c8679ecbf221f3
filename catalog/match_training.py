"""Training of the matching model from labeled pairs, evaluated on brands it has not seen."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from django.utils import timezone
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from catalog.matching import (
    MATCH_MODEL_CARD,
    MATCH_MODEL_TREES,
    Assortment,
    Evidence,
    MatchCandidate,
    MatchModel,
    PairRejected,
    Tree,
    collect_evidence,
    decide_band,
    dump_trees,
    features,
    find_veto,
    read_candidate,
    read_profile,
)

HELD_OUT = "held-out"
MIN_PAIRS = 300
Floats = npt.NDArray[np.float64]
Label = Literal["same", "different", "unclear"]
LABELS = ("same", "different", "unclear")
# An unclear pair should not be merged; it says less than one that is known to differ.
_UNCLEAR_WEIGHT = 0.5
_TREES, _DEPTH, _LEARNING_RATE, _MIN_PAIRS_PER_LEAF = 100, 2, 0.1, 8
_SEED = 0
_THRESHOLDS = tuple(step / 100 for step in range(70, 96, 5))
_ASK = 0.5
"""Probability from which a pair is put before staff."""
_MIN_MERGE_PRECISION = 0.995
"""Precision in cross-validation that the probability for merging must give."""
GATE = {"precision": 0.99, "recall": 0.80, "review_share": 0.10}
_CALIBRATION_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


class TooFewPairs(ValueError):
    """Fewer labeled pairs than needed, or a fold without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledPair:
    """Two products, whether they are the same, and the fold of their brand."""

    id: str
    label: Label
    fold: str
    left: MatchCandidate
    right: MatchCandidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPair:
    """A labeled pair as the model sees it. is_vetoed: different whatever the model says."""

    pair: LabeledPair
    evidence: Evidence
    values: Mapping[str, float]
    is_vetoed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """
    Quality of the bands on some pairs; unclear ones count in `review_share` and `unclear_merged`.

    precision, recall: of merges, among pairs labeled same or different. review_share: share of all
    pairs put before staff; review_share_decided: among pairs labeled same or different, since
    unclear pairs belong there. brier: mean squared error of the probability of decided pairs.
    """

    pairs: int
    same: int
    different: int
    unclear: int
    merged: int
    wrong: int
    unclear_merged: int
    precision: float
    recall: float
    review_share: float
    review_share_decided: float
    brier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Pairs whose probability lies in a range: mean probability and share labeled same."""

    low: float
    high: float
    pairs: int
    mean_probability: float
    share_same: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedMatchModel:
    """A model with its evaluation on brands that the evaluated model had not seen."""

    model: MatchModel
    by_fold: dict[str, Metrics]
    """Metrics by tuning fold, "all" of them, and of the held-out part."""
    calibration: tuple[CalibrationBin, ...]
    trained_on: int

    @property
    def is_accepted(self) -> bool:
        """Whether cross-validation meets the gate."""
        metrics = self.by_fold["all"]
        return (
            metrics.precision >= GATE["precision"]
            and metrics.recall >= GATE["recall"]
            and metrics.review_share_decided <= GATE["review_share"]
        )


def read_pairs(text: str) -> list[LabeledPair]:
    """Read labeled pairs, one line of JSON each. Raises PairRejected with the line."""
    pairs = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            item = json.loads(line)
            if item["label"] not in LABELS:
                raise PairRejected(f"label: {item['label']!r} is none of {', '.join(LABELS)}")
            pairs.append(
                LabeledPair(
                    id=item["id"],
                    label=item["label"],
                    fold=item["fold"],
                    left=read_candidate(item["a"], "a"),
                    right=read_candidate(item["b"], "b"),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PairRejected(f"line {number}: {error}") from None
    return pairs


def describe_pairs(pairs: Sequence[LabeledPair]) -> list[LabeledPair]:
    """Return pairs with what all their descriptions, whatever the labels, say of the brands."""
    assortment = Assortment(
        read_profile(side) for pair in pairs for side in (pair.left, pair.right)
    )
    return [
        replace(pair, left=assortment.describe(pair.left), right=assortment.describe(pair.right))
        for pair in pairs
    ]


def train(pairs: Sequence[LabeledPair]) -> TrainedMatchModel:
    """
    Train on all pairs, and evaluate on brands unseen by the evaluated model.

    The folds, by brand, are each predicted by a model of the other tuning folds; calibration and
    the threshold for merging come from these predictions. The held-out part is predicted by a model
    of all tuning folds. Raises TooFewPairs.
    """
    rows = [_read(pair) for pair in describe_pairs(pairs)]
    tuning = [row for row in rows if row.pair.fold != HELD_OUT]
    held_out = [row for row in rows if row.pair.fold == HELD_OUT]
    folds = sorted({row.pair.fold for row in tuning})
    if len(rows) < MIN_PAIRS or len(folds) < 2 or not held_out:  # two folds
        raise TooFewPairs(
            f"{len(rows)} pairs in {len(folds)} folds and {len(held_out)} held out; {MIN_PAIRS}"
            " pairs, 2 folds and a held-out part are required."
        )
    tuned, predictions = _tune(tuning, folds)
    calibration, same = tuned.calibration, tuned.same
    predictions |= {row.pair.id: tuned.probability(row.values) for row in held_out}
    parts = {fold: [row for row in tuning if row.pair.fold == fold] for fold in folds}
    parts |= {"all": tuning, HELD_OUT: held_out}
    return TrainedMatchModel(
        model=replace(_fit(rows), calibration=calibration, same=same),
        by_fold={name: _measure(part, predictions, same) for name, part in parts.items()},
        calibration=_calibration_table(rows, predictions),
        trained_on=len(rows),
    )


def fit_model(pairs: Sequence[LabeledPair]) -> MatchModel:
    """
    Return a model of all these pairs, calibrated on folds that it had not seen.

    Raises TooFewPairs: they are in one fold.
    """
    folds = sorted({pair.fold for pair in pairs})
    if len(folds) < 2:  # two folds
        raise TooFewPairs("The pairs are in one fold; 2 are required.")
    tuned, _ = _tune([_read(pair) for pair in describe_pairs(pairs)], folds)
    return tuned


def fit_share(pairs: Sequence[LabeledPair]) -> MatchModel:
    """Baseline: the share of pairs that are the same, for every pair."""
    labels = Counter(pair.label for pair in pairs)
    share = labels["same"] / (labels["same"] + labels["different"])
    return MatchModel(
        features=(),
        trees=(),
        base=math.log(share / (1 - share)),
        learning_rate=_LEARNING_RATE,
        calibration=(1.0, 0.0),
        same=_THRESHOLDS[-1],
        ask=_ASK,
    )


def evaluate_model(
    model: MatchModel, pairs: Sequence[LabeledPair]
) -> tuple[dict[str, float], Floats]:
    """
    Return the metrics of a model on pairs, and the squared error of each decided pair.

    decided_share: share of the pairs labeled same or different that need no person. roc_auc: among
    decided pairs that no veto keeps apart.
    """
    rows = [_read(pair) for pair in describe_pairs(pairs)]
    predictions = {row.pair.id: model.probability(row.values) for row in rows}
    measured = _measure(rows, predictions, model.same)
    decided = [row for row in rows if row.pair.label != "unclear"]
    labels = np.array([row.pair.label == "same" for row in decided])
    scores = np.array([0.0 if row.is_vetoed else predictions[row.pair.id] for row in decided])
    is_weighed = np.array([not row.is_vetoed for row in decided])
    metrics = {
        "roc_auc": float(roc_auc_score(labels[is_weighed], scores[is_weighed])),
        "precision": measured.precision,
        "recall": measured.recall,
        "decided_share": 1 - measured.review_share_decided,
        "brier": measured.brier,
    }
    return metrics, (scores - labels) ** 2


def save(trained: TrainedMatchModel, folder: Path, *, data: bytes, source: str) -> None:
    """
    Write the trees, then the card with their hash and that of the training data.

    A process killed in between leaves a mismatch, which loading refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = trained.model
    body = dump_trees(model)
    (folder / MATCH_MODEL_TREES).write_bytes(body)
    card = {
        "sha256": hashlib.sha256(body).hexdigest(),
        "data": source,
        "data_sha256": hashlib.sha256(data).hexdigest(),
        "trained_at": timezone.now().isoformat(timespec="seconds"),
        "trained_on": trained.trained_on,
        "calibration": model.calibration,
        "same": model.same,
        "ask": model.ask,
        "gate": GATE,
        "is_accepted": trained.is_accepted,
        "metrics": {name: _rounded(metrics) for name, metrics in trained.by_fold.items()},
        "reliability": [_rounded(row) for row in trained.calibration],
    }
    (folder / MATCH_MODEL_CARD).write_text(f"{json.dumps(card, indent=1)}\n", encoding="utf-8")


def _read(pair: LabeledPair) -> ReadPair:
    left, right = read_profile(pair.left), read_profile(pair.right)
    evidence = collect_evidence(left, right)
    return ReadPair(
        pair=pair,
        evidence=evidence,
        values=features(evidence),
        is_vetoed=find_veto(left, right) is not None,
    )


def _fit(rows: Sequence[ReadPair]) -> MatchModel:
    """Fit the trees to the pairs that no veto decides; not calibrated."""
    rows = [row for row in rows if not row.is_vetoed]
    names = sorted({name for row in rows for name in row.values})
    inputs = np.array([[row.values.get(name, 0.0) for name in names] for row in rows])
    labels = np.array([row.pair.label == "same" for row in rows])
    weights = np.array([_UNCLEAR_WEIGHT if row.pair.label == "unclear" else 1.0 for row in rows])
    booster = GradientBoostingClassifier(
        n_estimators=_TREES,
        max_depth=_DEPTH,
        learning_rate=_LEARNING_RATE,
        min_samples_leaf=_MIN_PAIRS_PER_LEAF,
        random_state=_SEED,
    ).fit(inputs, labels, sample_weight=weights)
    share = float(booster.init_.class_prior_[1])
    return MatchModel(
        features=tuple(names),
        trees=tuple(_export(estimator.tree_) for estimator in booster.estimators_[:, 0]),
        base=math.log(share / (1 - share)),
        learning_rate=_LEARNING_RATE,
        calibration=(1.0, 0.0),
        same=_THRESHOLDS[-1],
        ask=_ASK,
    )


def _export(tree: Any) -> Tree:
    is_leaf = tree.children_left < 0
    return Tree(
        feature=tuple(np.where(is_leaf, -1, tree.feature).tolist()),
        threshold=tuple(np.where(is_leaf, 0.0, tree.threshold).round(6).tolist()),
        left=tuple(tree.children_left.tolist()),
        right=tuple(tree.children_right.tolist()),
        value=tuple(np.where(is_leaf, tree.value[:, 0, 0], 0.0).round(6).tolist()),
    )


def _tune(rows: Sequence[ReadPair], folds: Sequence[str]) -> tuple[MatchModel, dict[str, float]]:
    """
    Return a model of the rows, and the probability of each by a model of the other folds.

    Calibration and the threshold for merging come from these probabilities.
    """
    logit = _cross_predict(rows, folds)
    calibration = _calibrate(rows, logit)
    predictions = {row.pair.id: _sigmoid(logit[row.pair.id], calibration) for row in rows}
    same = _merge_threshold(rows, predictions)
    return replace(_fit(rows), calibration=calibration, same=same), predictions


def _cross_predict(rows: Sequence[ReadPair], folds: Iterable[str]) -> dict[str, float]:
    """Return the logit of each pair by a model of the other folds."""
    logit: dict[str, float] = {}
    for fold in folds:
        model = _fit([row for row in rows if row.pair.fold != fold])
        logit |= {row.pair.id: model.logit(row.values) for row in rows if row.pair.fold == fold}
    return logit


def _calibrate(rows: Sequence[ReadPair], logit: Mapping[str, float]) -> tuple[float, float]:
    """Return slope and intercept of Platt's method on the pairs that the model decides."""
    used = [row for row in rows if not row.is_vetoed and row.pair.label != "unclear"]
    inputs = np.array([[logit[row.pair.id]] for row in used])
    labels = np.array([row.pair.label == "same" for row in used])
    regression = LogisticRegression(C=1e6).fit(inputs, labels)
    return round(float(regression.coef_[0, 0]), 6), round(float(regression.intercept_[0]), 6)


def _sigmoid(logit: float, calibration: tuple[float, float]) -> float:
    slope, intercept = calibration
    return 1 / (1 + math.exp(-(slope * logit + intercept)))


def _merge_threshold(rows: Sequence[ReadPair], predictions: Mapping[str, float]) -> float:
    """Return the least probability that merges precisely enough; the highest if none does."""
    for threshold in _THRESHOLDS:
        if _measure(rows, predictions, threshold).precision >= _MIN_MERGE_PRECISION:
            return threshold
    return _THRESHOLDS[-1]


def _measure(rows: Sequence[ReadPair], predictions: Mapping[str, float], same: float) -> Metrics:
    labels = Counter(row.pair.label for row in rows)
    merged: Counter[str] = Counter()
    reviewed: Counter[str] = Counter()
    squared_errors = []
    for row in rows:
        probability = 0.0 if row.is_vetoed else predictions[row.pair.id]
        if row.pair.label != "unclear":
            squared_errors.append((probability - (row.pair.label == "same")) ** 2)
        if row.is_vetoed:
            continue
        band = decide_band(row.evidence, probability, same=same, ask=_ASK)
        if band == "same":
            merged[row.pair.label] += 1
        elif band == "review":
            reviewed[row.pair.label] += 1
    decided = labels["same"] + labels["different"]
    judged = merged["same"] + merged["different"]
    return Metrics(
        pairs=len(rows),
        same=labels["same"],
        different=labels["different"],
        unclear=labels["unclear"],
        merged=judged,
        wrong=merged["different"],
        unclear_merged=merged["unclear"],
        precision=merged["same"] / judged if judged else 0.0,
        recall=merged["same"] / labels["same"] if labels["same"] else 0.0,
        review_share=reviewed.total() / len(rows),
        review_share_decided=(reviewed["same"] + reviewed["different"]) / decided
        if decided
        else 0.0,
        brier=float(np.mean(squared_errors)) if squared_errors else 0.0,
    )


def _calibration_table(
    rows: Sequence[ReadPair], predictions: Mapping[str, float]
) -> tuple[CalibrationBin, ...]:
    decided = [row for row in rows if not row.is_vetoed and row.pair.label != "unclear"]
    table = []
    for low, high in pairwise(_CALIBRATION_BINS):
        inside = [row for row in decided if low <= predictions[row.pair.id] < high]
        if inside:
            probabilities = [predictions[row.pair.id] for row in inside]
            table.append(
                CalibrationBin(
                    low=low,
                    high=high,
                    pairs=len(inside),
                    mean_probability=float(np.mean(probabilities)),
                    share_same=sum(row.pair.label == "same" for row in inside) / len(inside),
                )
            )
    return tuple(table)


def _rounded(record: Metrics | CalibrationBin) -> dict[str, float]:
    values = ((name, getattr(record, name)) for name in type(record).__slots__)
    return {name: round(value, 4) for name, value in values}
