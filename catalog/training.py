"""Training of the effects model: logistic regressions, compared on held-out strains with what needs no model."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import label_ranking_average_precision_score
from sklearn.model_selection import KFold

from catalog.effects import CARD, WEIGHTS, EffectsModel, Floats, feature_values
from catalog.reference.strains import Strain

LEAST_STRAINS = 100
# An effect that fewer strains than this report cannot be learned, nor judged.
_LEAST_REPORTS = 20
_LEAST_OF_FEATURE = 3
_STRENGTHS = (0.03, 0.1, 0.3)
_FOLDS = 5  # each strain is held out once, by a hash of its key
_INNER_FOLDS = 3
_DRAWS = 2_000
_SURE = 6.0  # log odds of what was always or never reported


class TooFewStrains(ValueError):
    """Not enough strains have effects and anything to tell them from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures on held-out strains: of the model, of the commonest effects, of the commonest of a type."""

    strains: int
    ranking: dict[str, float]
    """Label ranking average precision (LRAP), 0 to 1: the metric that decides."""
    recall_at_3: dict[str, float]
    f1_at_3: dict[str, float]
    gain: tuple[float, float, float]
    """LRAP of the model less that of the better baseline: lower end, middle, upper end of 95 % of resamplings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model and what it is worth."""

    model: EffectsModel
    strength: float
    trained_on: int
    evaluation: Evaluation


def train(strains: Sequence[Strain]) -> Trained:
    """
    Train on all strains with effects; evaluate by five trainings, each on four fifths and held against the last fifth.

    Whatever is chosen is chosen anew within each training. Raises TooFewStrains.
    """
    usable = sorted(
        (s for s in strains if s.effects and (s.strain_type or s.terpenes)), key=lambda s: s.key
    )
    if len(usable) < LEAST_STRAINS:
        raise TooFewStrains(
            f"{len(usable)} strains have effects and a type or terpenes; {LEAST_STRAINS} are wanted."
        )
    strength = _best_strength(usable)
    model = _fit(usable, strength)
    return Trained(
        model=model,
        strength=strength,
        trained_on=len(usable),
        evaluation=_evaluate(usable, model.effects),
    )


def save(trained: Trained, folder: Path, *, source: str) -> None:
    """Write the weights, then the card that tells their hash: a death between the two leaves a model that is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, weights=trained.model.weights, bias=trained.model.bias)
    body = buffer.getvalue()
    (folder / WEIGHTS).write_bytes(body)
    evaluation = trained.evaluation
    card = {
        "sha256": hashlib.sha256(body).hexdigest(),
        "trained_at": timezone.now().isoformat(),
        "trained_on": trained.trained_on,
        "source": source,
        "strength": trained.strength,
        "held_out": evaluation.strains,
        "ranking": evaluation.ranking,
        "recall_at_3": evaluation.recall_at_3,
        "f1_at_3": evaluation.f1_at_3,
        "gain": evaluation.gain,
        "effects": trained.model.effects,
        "features": list(trained.model.features),
        "of_parents": trained.model.of_parents,
    }
    (folder / CARD).write_text(json.dumps(card))


def _fold(strain: Strain) -> int:
    return hashlib.sha256(strain.key.encode()).digest()[0] % _FOLDS


def _fit(
    strains: Sequence[Strain], strength: float, effects: tuple[str, ...] | None = None
) -> EffectsModel:
    counts = Counter(effect for strain in strains for effect in strain.effects)
    effects = effects or tuple(
        sorted(effect for effect, count in counts.items() if count >= _LEAST_REPORTS)
    )
    of_parents = {strain.key: strain.effects for strain in strains}
    values = [feature_values(strain, of_parents) for strain in strains]
    seen = Counter(name for row in values for name in row)
    features = {
        name: place
        for place, name in enumerate(sorted(n for n, c in seen.items() if c >= _LEAST_OF_FEATURE))
    }
    given, labels = _matrix(values, features), _labels(strains, effects)
    lines = [_line(given, labels[:, place], strength) for place in range(len(effects))]
    return EffectsModel(
        effects=effects,
        features=features,
        weights=np.array([weights for weights, _ in lines], dtype=np.float32),
        bias=np.array([bias for _, bias in lines], dtype=np.float32),
        of_parents=of_parents,
        digest="",
    )


def _line(given: Floats, label: Floats, strength: float) -> tuple[Floats, float]:
    """Return weights and bias for one effect; one that all or none report has nothing to be told from."""
    share = float(label.mean())
    if share in (0.0, 1.0):
        return np.zeros(given.shape[1], dtype=np.float32), _SURE if share else -_SURE
    line = LogisticRegression(C=strength, max_iter=2_000).fit(given, label)
    return line.coef_[0], float(line.intercept_[0])


def _best_strength(strains: Sequence[Strain]) -> float:
    return max(_STRENGTHS, key=lambda strength: _cross_validated(strains, strength))


def _cross_validated(strains: Sequence[Strain], strength: float) -> float:
    scores = []
    for train_at, test_at in KFold(_INNER_FOLDS, shuffle=True, random_state=0).split(
        range(len(strains))
    ):
        model = _fit([strains[place] for place in train_at], strength)
        told = [strains[place] for place in test_at]
        scores.append(_ranking(_labels(told, model.effects), _scores(model, told)))
    return float(np.mean(scores))


def _evaluate(strains: Sequence[Strain], effects: tuple[str, ...]) -> Evaluation:
    told: list[Strain] = []
    parts: dict[str, list[Floats]] = {"model": [], "commonest": [], "commonest of type": []}
    for fold in range(_FOLDS):
        training = [strain for strain in strains if _fold(strain) != fold]
        held_out = [
            strain
            for strain in strains
            if _fold(strain) == fold and set(strain.effects) & set(effects)
        ]
        model = _fit(training, _best_strength(training), effects)
        told += held_out
        parts["model"].append(_scores(model, held_out))
        parts["commonest"].append(
            np.tile(_labels(training, effects).mean(axis=0), (len(held_out), 1))
        )
        parts["commonest of type"].append(_by_type(training, held_out, effects))
    labels, scores = (
        _labels(told, effects),
        {name: np.concatenate(part) for name, part in parts.items()},
    )
    return Evaluation(
        strains=len(told),
        ranking={name: _ranking(labels, given) for name, given in scores.items()},
        recall_at_3={name: _at_three(labels, given)[0] for name, given in scores.items()},
        f1_at_3={name: _at_three(labels, given)[1] for name, given in scores.items()},
        gain=_gain(labels, scores),
    )


def _gain(labels: Floats, scores: Mapping[str, Floats]) -> tuple[float, float, float]:
    each = {name: _ranking_of_each(labels, given) for name, given in scores.items()}
    best = max((name for name in scores if name != "model"), key=lambda name: each[name].mean())
    difference = each["model"] - each[best]
    draws = np.random.default_rng(0).choice(difference, (_DRAWS, len(difference))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(difference.mean()), float(high)


def _scores(model: EffectsModel, strains: Sequence[Strain]) -> Floats:
    return np.stack([model.probabilities(strain) for strain in strains])


def _by_type(training: Sequence[Strain], asked: Sequence[Strain], effects: Sequence[str]) -> Floats:
    overall = _labels(training, effects).mean(axis=0)
    shares = {}
    for kind in {strain.strain_type for strain in training}:
        alike = [strain for strain in training if strain.strain_type == kind]
        shares[kind] = _labels(alike, effects).mean(axis=0)
    return np.stack([shares.get(strain.strain_type, overall) for strain in asked])


def _at_three(labels: Floats, scores: Floats) -> tuple[float, float]:
    """Return mean recall and F1 of the three effects that are ranked first."""
    top = np.argsort(-scores, axis=1)[:, :3]
    hits = np.take_along_axis(labels, top, axis=1).sum(axis=1)
    there = labels.sum(axis=1)
    return float((hits / there).mean()), float((2 * hits / (3 + there)).mean())


def _ranking(labels: Floats, scores: Floats) -> float:
    return float(label_ranking_average_precision_score(labels, scores))


def _ranking_of_each(labels: Floats, scores: Floats) -> Floats:
    rows = zip(labels, scores, strict=True)
    return np.array([_ranking(label[None], score[None]) for label, score in rows], dtype=np.float32)


def _labels(strains: Sequence[Strain], effects: Sequence[str]) -> Floats:
    return np.array(
        [[effect in strain.effects for effect in effects] for strain in strains], dtype=np.float32
    )


def _matrix(values: Sequence[Mapping[str, float]], features: Mapping[str, int]) -> Any:
    matrix = np.zeros((len(values), len(features)), dtype=np.float32)
    for place, row in enumerate(values):
        for name, value in row.items():
            if name in features:
                matrix[place, features[name]] = value
    return matrix
