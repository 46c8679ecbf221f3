"""
Trainers of the matching model and of the effects predictor, and what ships of them.

`manage.py retrain matching`, `manage.py retrain effects`, `manage.py register_models`. Libraries of
training are imported when a model is trained: pages that list trainers do without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from catalog.effects import CARD as EFFECTS_CARD
from catalog.effects import FOLDER as EFFECTS_FOLDER
from catalog.effects import dump_artifact as dump_effects
from catalog.effects import installed_effects_model, read_card
from catalog.ingest.strains import known_strains
from catalog.matching import MATCH_MODEL_CARD, MATCH_MODEL_FOLDER, shipped_model
from catalog.matching import dump_artifact as dump_matching
from catalog.reference.strains import Strain
from catalog.served_models import EFFECTS, MATCHING
from mlops.models import GateResult
from mlops.registry import (
    BetterThanReferences,
    Evaluation,
    FitContext,
    GateRow,
    MetricAbove,
    ShippedArtifact,
    ShippedModel,
    ShuffleControl,
    Trainer,
    TrainingSet,
    register,
    register_shipped,
)

if TYPE_CHECKING:
    import pyarrow

    from catalog.match_training import LabeledPair

PAIRS = MATCH_MODEL_FOLDER / "pairs.jsonl"
HELD_OUT_FOLD = "held-out"
"""Fold of the pairs that no rule or feature was made from: the test part of the matching model."""
_TEST_FOLD = 0
_STRAIN_TUPLES = ("terpenes", "parents", "flavors", "effects")


def _pair_rows() -> Iterable[tuple[Any, ...]]:
    """Yield labeled pairs; the two products as JSON."""
    for line in PAIRS.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        yield (
            item["id"],
            item["label"],
            item["fold"],
            *(json.dumps(item[side], ensure_ascii=False, sort_keys=True) for side in ("a", "b")),
        )


def _pairs(table: pyarrow.Table) -> list[LabeledPair]:
    from catalog.match_training import read_pairs

    lines = [
        json.dumps({**row, "a": json.loads(row["a"]), "b": json.loads(row["b"])})
        for row in table.to_pylist()
    ]
    return read_pairs("\n".join(lines))


def _split_pairs(
    table: pyarrow.Table, as_of: datetime
) -> tuple[pyarrow.Table, pyarrow.Table, datetime]:
    import pyarrow.compute as pc

    is_test = pc.equal(table["fold"], HELD_OUT_FOLD)
    return table.filter(pc.invert(is_test)), table.filter(is_test), as_of


def _fit_matching(table: pyarrow.Table, _context: FitContext) -> Any:
    from catalog.match_training import fit_model

    return fit_model(_pairs(table))


def _fit_share(table: pyarrow.Table, _context: FitContext) -> Any:
    from catalog.match_training import fit_share

    return fit_share(_pairs(table))


def _evaluate_matching(model: Any, table: pyarrow.Table) -> Evaluation:
    from catalog.match_training import evaluate_model

    metrics, errors = evaluate_model(model, _pairs(table))
    return Evaluation(metrics=metrics, samples={"brier": errors})


def _shipped_matching() -> ShippedArtifact:
    card: dict[str, Any] = json.loads((MATCH_MODEL_FOLDER / MATCH_MODEL_CARD).read_text())
    model = shipped_model()
    measured, limits = card["metrics"]["all"], card["gate"]
    return ShippedArtifact(
        body=dump_matching(model),
        source=card["data"],
        data_checksum=card["data_sha256"],
        trained_at=datetime.fromisoformat(card["trained_at"]),
        trained_on=card["trained_on"],
        features=model.features,
        metrics={name: measured[name] for name in ("precision", "recall", "brier")}
        | {"decided_share": 1 - measured["review_share_decided"]},
        gates=(
            _limit("precision, brands unseen", measured["precision"], limits["precision"]),
            _limit("recall, brands unseen", measured["recall"], limits["recall"]),
            _limit(
                "decided pairs for review, brands unseen",
                measured["review_share_decided"],
                limits["review_share"],
                is_upper=True,
            ),
        ),
        parameters={"evaluation": "cross-validation by brand"},
    )


def _limit(name: str, figure: float, threshold: float, *, is_upper: bool = False) -> GateRow:
    has_passed = figure <= threshold if is_upper else figure >= threshold
    return GateRow(
        name=name,
        outcome=GateResult.Outcome.PASSED if has_passed else GateResult.Outcome.FAILED,
        comparison="<=" if is_upper else ">=",
        figure=figure,
        threshold=threshold,
    )


def _strain_rows() -> Iterable[tuple[Any, ...]]:
    """Yield strains with reported effects, of the reference tables and imported ones, by key."""
    for strain in sorted(known_strains().values(), key=lambda each: each.key):
        if strain.effects and (strain.strain_type or strain.terpenes):
            lists = (json.dumps(getattr(strain, name)) for name in _STRAIN_TUPLES)
            yield (strain.key, strain.name, strain.strain_type, *lists)


def _strains(table: pyarrow.Table) -> list[Strain]:
    return [
        Strain(**{**row, **{name: tuple(json.loads(row[name])) for name in _STRAIN_TUPLES}})
        for row in table.to_pylist()
    ]


def _split_strains(
    table: pyarrow.Table, as_of: datetime
) -> tuple[pyarrow.Table, pyarrow.Table, datetime]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from catalog.effects_training import fold_of

    is_test = pa.array([fold_of(strain) == _TEST_FOLD for strain in _strains(table)], pa.bool_())
    return table.filter(pc.invert(is_test)), table.filter(is_test), as_of


def _fit_effects(table: pyarrow.Table, _context: FitContext) -> Any:
    from catalog.effects_training import fit_model

    return fit_model(_strains(table))


def _fit_frequencies(table: pyarrow.Table, _context: FitContext) -> Any:
    from catalog.effects_training import fit_frequencies

    return fit_frequencies(_strains(table))


def _evaluate_effects(model: Any, table: pyarrow.Table) -> Evaluation:
    from catalog.effects_training import evaluate_model

    metrics, precisions = evaluate_model(model, _strains(table))
    return Evaluation(metrics=metrics, samples={"lrap": precisions})


def _installed_effects() -> ShippedArtifact | None:
    folder = Path(settings.MODELS_DIR) / EFFECTS_FOLDER
    if not (folder / EFFECTS_CARD).is_file():
        return None
    card = read_card(folder)
    model = installed_effects_model()
    if model is None:
        raise ValueError(f"the files in {EFFECTS_FOLDER} are unreadable")
    low, gain, high = card["gain"]
    outcome = GateResult.Outcome.INCONCLUSIVE
    if low > 0:
        outcome = GateResult.Outcome.PASSED
    elif high < 0:
        outcome = GateResult.Outcome.FAILED
    ranking: Mapping[str, float] = card["ranking"]
    return ShippedArtifact(
        body=dump_effects(model),
        source=card["source"],
        data_checksum="",
        trained_at=datetime.fromisoformat(card["trained_at"]),
        trained_on=card["trained_on"],
        features=tuple(model.features),
        metrics={"lrap": ranking["model"]},
        gates=(
            GateRow(
                name="LRAP gain over the better baseline, strains unseen",
                outcome=outcome,
                comparison=">",
                figure=gain,
                threshold=0.0,
                low=low,
                high=high,
            ),
        ),
        parameters={"strength": card["strength"], "evaluation": "nested cross-validation"},
    )


register(
    Trainer(
        name=MATCHING.name,
        title=_("Matching of products"),
        training_set=TrainingSet(
            rows=_pair_rows,
            columns=dict.fromkeys(("id", "label", "fold", "a", "b"), "string"),
            key=("id",),
        ),
        split=_split_pairs,
        fit=_fit_matching,
        evaluate=_evaluate_matching,
        dump=dump_matching,
        served=MATCHING,
        gates=(
            # Of the 57 held-out merges of the shipped model none is wrong: one would be 1.8 %.
            MetricAbove(metric="precision", threshold=0.99),
            MetricAbove(metric="recall", threshold=0.75),
            MetricAbove(metric="decided_share", threshold=0.9),
            BetterThanReferences(metric="brier", is_error=True),
        ),
        control=ShuffleControl(label="label", metric="roc_auc", chance=0.5),
        features=shipped_model().features,
        code=(
            "catalog.training",
            "catalog.match_training",
            "catalog.matching.alignment",
            "catalog.matching.assortment",
            "catalog.matching.candidates",
            "catalog.matching.evidence",
            "catalog.matching.quantities",
            "catalog.matching.vetoes",
        ),
        baselines={"share": _fit_share},
        min_train_rows=300,
        min_test_rows=100,
        is_timeless=True,
    ),
    Trainer(
        name=EFFECTS.name,
        title=_("Effects of strains"),
        training_set=TrainingSet(
            rows=_strain_rows,
            columns=dict.fromkeys(("key", "name", "strain_type", *_STRAIN_TUPLES), "string"),
            key=("key",),
        ),
        split=_split_strains,
        fit=_fit_effects,
        evaluate=_evaluate_effects,
        dump=dump_effects,
        served=EFFECTS,
        gates=(BetterThanReferences(metric="lrap"),),
        control=ShuffleControl(label="effects", metric="macro_auc", chance=0.5, shuffles=7),
        features=("strain_type", "terpenes", "flavors", "parents", "effects of parents"),
        code=("catalog.training", "catalog.effects", "catalog.effects_training"),
        baselines={"frequency by type": _fit_frequencies},
        is_timeless=True,
    ),
)
register_shipped(
    ShippedModel(served=MATCHING, read=_shipped_matching),
    ShippedModel(served=EFFECTS, read=_installed_effects),
)
