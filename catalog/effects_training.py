"""Training of the effects model: logistic regressions, evaluated against two baselines."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import label_ranking_average_precision_score, roc_auc_score
from sklearn.model_selection import KFold

from catalog.effects import CARD, WEIGHTS, EffectsModel, Floats, feature_values
from catalog.reference.strains import Strain

MIN_STRAINS = 100
# An effect reported for fewer strains can be neither learned nor evaluated.
_MIN_STRAINS_PER_EFFECT = 20
_MIN_STRAINS_PER_FEATURE = 3
# Candidates of the inverse regularization strength C.
_STRENGTHS = (0.03, 0.1, 0.3)
_FOLDS = 5  # outer folds, by a hash of the strain key: each strain is in one test set
_INNER_FOLDS = 3
_BOOTSTRAP_SAMPLES = 2_000
_CERTAIN_LOGIT = 6.0  # bias for an effect that all strains report, negated for none


class TooFewStrains(ValueError):
    """Fewer strains than needed have effects and features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Metrics on held-out strains, by ranker: the model and two frequency baselines."""

    strains: int
    ranking: dict[str, float]
    """Label ranking average precision (LRAP), 0 to 1: the deciding metric."""
    recall_at_3: dict[str, float]
    f1_at_3: dict[str, float]
    gain: tuple[float, float, float]
    """LRAP gain over the better baseline: lower bound, mean, upper bound of the 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEffectsModel:
    """A trained model with its hyperparameter and evaluation."""

    model: EffectsModel
    strength: float
    trained_on: int
    evaluation: Evaluation


def train(strains: Sequence[Strain]) -> TrainedEffectsModel:
    """
    Train on all strains with effects, and evaluate by nested five-fold cross-validation.

    The hyperparameter is selected within each training set. Raises TooFewStrains.
    """
    usable = usable_strains(strains)
    if len(usable) < MIN_STRAINS:
        raise TooFewStrains(
            f"{len(usable)} strains have effects and a type or terpenes;"
            f" {MIN_STRAINS} are required."
        )
    strength = _best_strength(usable)
    model = _fit(usable, strength)
    return TrainedEffectsModel(
        model=model,
        strength=strength,
        trained_on=len(usable),
        evaluation=_evaluate(usable, model.effects),
    )


def usable_strains(strains: Iterable[Strain]) -> list[Strain]:
    """Return the strains that have effects and a type or terpenes, by key."""
    usable = (each for each in strains if each.effects and (each.strain_type or each.terpenes))
    return sorted(usable, key=lambda each: each.key)


def fold_of(strain: Strain) -> int:
    """Return the fold of a strain, 0 to 4, by a hash of its key."""
    return hashlib.sha256(strain.key.encode()).digest()[0] % _FOLDS


def fit_model(strains: Sequence[Strain]) -> EffectsModel:
    """Return a model of all these strains; its hyperparameter is selected within them."""
    return _fit(strains, _best_strength(strains))


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFrequencies:
    """Baseline: the frequency of each effect among the training strains of the same type."""

    effects: tuple[str, ...]
    by_type: Mapping[str | None, Floats]
    overall: Floats

    def probabilities(self, strain: Strain) -> Floats:
        """Return the frequency of each effect, (effects,)."""
        return self.by_type.get(strain.strain_type, self.overall)


def fit_frequencies(strains: Sequence[Strain]) -> EffectFrequencies:
    """Return the frequencies of effects by type."""
    effects = _frequent_effects(strains)
    types = {strain.strain_type for strain in strains}
    return EffectFrequencies(
        effects=effects,
        by_type={
            each: _labels([one for one in strains if one.strain_type == each], effects).mean(axis=0)
            for each in types
        },
        overall=_labels(strains, effects).mean(axis=0),
    )


def evaluate_model(
    model: EffectsModel | EffectFrequencies, strains: Sequence[Strain]
) -> tuple[dict[str, float], np.ndarray[Any, np.dtype[np.float64]]]:
    """
    Return the metrics of a model on strains, and the ranking precision (LRAP) of each.

    macro_auc: mean over effects that some of the strains report and others do not.
    """
    labels = _labels(strains, model.effects)
    scores = np.stack([model.probabilities(strain) for strain in strains])
    varied = [index for index in range(len(model.effects)) if 0 < labels[:, index].mean() < 1]
    by_strain = _lrap_by_strain(labels, scores).astype(np.float64)
    metrics = {
        "lrap": float(by_strain.mean()),
        "macro_auc": float(
            np.mean([roc_auc_score(labels[:, index], scores[:, index]) for index in varied])
        ),
    }
    return metrics, by_strain


def save(trained: TrainedEffectsModel, folder: Path, *, source: str) -> None:
    """
    Write the weights, then the model card with their hash.

    A process killed in between leaves a mismatch, which `load` refuses.
    """
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


def _fit(
    strains: Sequence[Strain], strength: float, effects: tuple[str, ...] | None = None
) -> EffectsModel:
    effects = effects or _frequent_effects(strains)
    of_parents = {strain.key: strain.effects for strain in strains}
    values = [feature_values(strain, of_parents) for strain in strains]
    frequencies = Counter(name for row in values for name in row)
    names = sorted(n for n, count in frequencies.items() if count >= _MIN_STRAINS_PER_FEATURE)
    features = {name: index for index, name in enumerate(names)}
    inputs = _matrix(values, features)
    labels = _labels(strains, effects)
    regressions = [_fit_effect(inputs, labels[:, index], strength) for index in range(len(effects))]
    return EffectsModel(
        effects=effects,
        features=features,
        weights=np.array([weights for weights, _ in regressions], dtype=np.float32),
        bias=np.array([bias for _, bias in regressions], dtype=np.float32),
        of_parents=of_parents,
        digest="",
    )


def _frequent_effects(strains: Sequence[Strain]) -> tuple[str, ...]:
    counts = Counter(effect for strain in strains for effect in strain.effects)
    return tuple(
        sorted(effect for effect, count in counts.items() if count >= _MIN_STRAINS_PER_EFFECT)
    )


def _fit_effect(inputs: Floats, label: Floats, strength: float) -> tuple[Floats, float]:
    """Return weights and bias of one effect; a constant when all or no strains report it."""
    share = float(label.mean())
    if share in (0.0, 1.0):
        bias = _CERTAIN_LOGIT if share else -_CERTAIN_LOGIT
        return np.zeros(inputs.shape[1], dtype=np.float32), bias
    regression = LogisticRegression(C=strength, max_iter=2_000).fit(inputs, label)
    return regression.coef_[0], float(regression.intercept_[0])


def _best_strength(strains: Sequence[Strain]) -> float:
    return max(_STRENGTHS, key=lambda strength: _cross_validated(strains, strength))


def _cross_validated(strains: Sequence[Strain], strength: float) -> float:
    scores = []
    folds = KFold(_INNER_FOLDS, shuffle=True, random_state=0)
    for train_indexes, test_indexes in folds.split(range(len(strains))):
        model = _fit([strains[index] for index in train_indexes], strength)
        test = [strains[index] for index in test_indexes]
        scores.append(_lrap(_labels(test, model.effects), _scores(model, test)))
    return float(np.mean(scores))


def _evaluate(strains: Sequence[Strain], effects: tuple[str, ...]) -> Evaluation:
    tested: list[Strain] = []
    fold_scores: dict[str, list[Floats]] = {
        "model": [],
        "most common": [],
        "most common of type": [],
    }
    for fold in range(_FOLDS):
        training = [strain for strain in strains if fold_of(strain) != fold]
        held_out = [
            strain
            for strain in strains
            if fold_of(strain) == fold and set(strain.effects) & set(effects)
        ]
        model = _fit(training, _best_strength(training), effects)
        tested += held_out
        fold_scores["model"].append(_scores(model, held_out))
        fold_scores["most common"].append(
            np.tile(_labels(training, effects).mean(axis=0), (len(held_out), 1))
        )
        fold_scores["most common of type"].append(_type_frequencies(training, held_out, effects))
    labels = _labels(tested, effects)
    scores = {name: np.concatenate(arrays) for name, arrays in fold_scores.items()}
    return Evaluation(
        strains=len(tested),
        ranking={name: _lrap(labels, ranked) for name, ranked in scores.items()},
        recall_at_3={name: _top_three(labels, ranked)[0] for name, ranked in scores.items()},
        f1_at_3={name: _top_three(labels, ranked)[1] for name, ranked in scores.items()},
        gain=_gain(labels, scores),
    )


def _gain(labels: Floats, scores: Mapping[str, Floats]) -> tuple[float, float, float]:
    by_strain = {name: _lrap_by_strain(labels, ranked) for name, ranked in scores.items()}
    baselines = [name for name in scores if name != "model"]
    best = max(baselines, key=lambda name: by_strain[name].mean())
    difference = by_strain["model"] - by_strain[best]
    samples = np.random.default_rng(0).choice(difference, (_BOOTSTRAP_SAMPLES, len(difference)))
    low, high = np.percentile(samples.mean(axis=1), [2.5, 97.5])
    return float(low), float(difference.mean()), float(high)


def _scores(model: EffectsModel, strains: Sequence[Strain]) -> Floats:
    return np.stack([model.probabilities(strain) for strain in strains])


def _type_frequencies(
    training: Sequence[Strain], test: Sequence[Strain], effects: Sequence[str]
) -> Floats:
    """Return the frequency of each effect among training strains of the same type."""
    overall = _labels(training, effects).mean(axis=0)
    frequencies = {}
    for strain_type in {strain.strain_type for strain in training}:
        of_type = [strain for strain in training if strain.strain_type == strain_type]
        frequencies[strain_type] = _labels(of_type, effects).mean(axis=0)
    return np.stack([frequencies.get(strain.strain_type, overall) for strain in test])


def _top_three(labels: Floats, scores: Floats) -> tuple[float, float]:
    """Return mean recall and mean F1 of the three highest-ranked effects."""
    top = np.argsort(-scores, axis=1)[:, :3]
    hits = np.take_along_axis(labels, top, axis=1).sum(axis=1)
    relevant = labels.sum(axis=1)
    recall = float((hits / relevant).mean())
    f1 = float((2 * hits / (3 + relevant)).mean())
    return recall, f1


def _lrap(labels: Floats, scores: Floats) -> float:
    return float(label_ranking_average_precision_score(labels, scores))


def _lrap_by_strain(labels: Floats, scores: Floats) -> Floats:
    rows = zip(labels, scores, strict=True)
    return np.array([_lrap(label[None], score[None]) for label, score in rows], dtype=np.float32)


def _labels(strains: Sequence[Strain], effects: Sequence[str]) -> Floats:
    return np.array(
        [[effect in strain.effects for effect in effects] for strain in strains], dtype=np.float32
    )


def _matrix(values: Sequence[Mapping[str, float]], features: Mapping[str, int]) -> Any:
    matrix = np.zeros((len(values), len(features)), dtype=np.float32)
    for index, row in enumerate(values):
        for name, value in row.items():
            if name in features:
                matrix[index, features[name]] = value
    return matrix
