"""Training runs: frozen data, sanity checks, gates, and what is stored."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pglock
import psycopg
import pyarrow
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import override_settings

from mlops.models import Alert, Deployment, GateResult, ModelVersion, TrainingRun
from mlops.registry import (
    ArtifactRefused,
    BetterThanReferences,
    Evaluation,
    FitContext,
    LabelLeak,
    LeakedTestRows,
    MetricAbove,
    TooFewRows,
    Trainer,
    TrainerBusy,
    read_artifact,
    retrain,
)
from mlops.registry.training import ALERT_CODE
from mlops.registry.training_sets import freeze, read_frozen
from tests.samples.trainers import Regression, evaluate, fit, make_trainer, training_set

pytestmark = pytest.mark.django_db
_AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Any:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _train(**changes: Any) -> TrainingRun:
    return retrain(make_trainer(**changes), as_of=_AS_OF)


def _champion() -> ModelVersion | None:
    deployment = Deployment.objects.filter(role="champion", ended_at=None).first()
    return deployment.version if deployment else None


def _fit_shuffled(table: pyarrow.Table, context: FitContext) -> Regression:
    labels = table["label"].take(np.random.default_rng(1).permutation(table.num_rows))
    return fit(table.set_column(table.column_names.index("label"), "label", labels), context)


def _evaluate_with_labels(model: Any, table: pyarrow.Table) -> Evaluation:
    """Evaluate a model that was shown the test labels."""
    truth = table["label"].to_numpy().astype(float)
    weights = np.array([0.001, 0.001])
    leaked = Regression(weights, 0.0)

    class Leaking:
        def scores(self, rows: pyarrow.Table) -> Any:
            return leaked.scores(rows) + truth - 0.5

    return evaluate(Leaking(), table)


def _overlapping_split(table: pyarrow.Table, as_of: datetime) -> Any:
    return table, table.slice(0, 600), as_of - timedelta(hours=600)


def _dump_nan(_model: Any) -> bytes:
    from tests.samples.trainers import dump

    return dump(Regression(np.array([np.nan, 1.0]), 0.0))


def _dump_truncated(model: Any) -> bytes:
    from tests.samples.trainers import dump

    return dump(model)[:-40]


_REFUSALS: dict[str, tuple[Callable[[Trainer], Trainer], type[Exception], str]] = {
    "leaked labels": (
        lambda trainer: replace(trainer, evaluate=_evaluate_with_labels),
        LabelLeak,
        "label_leak",
    ),
    "test rows in the training part": (
        lambda trainer: replace(trainer, split=_overlapping_split),
        LeakedTestRows,
        "test_rows_in_training",
    ),
    "NaN": (
        lambda trainer: replace(trainer, dump=_dump_nan),
        ArtifactRefused,
        "artifact_refused",
    ),
    "truncated": (
        lambda trainer: replace(trainer, dump=_dump_truncated),
        ArtifactRefused,
        "artifact_refused",
    ),
    "too few rows": (
        lambda trainer: replace(trainer, training_set=training_set(rows=620)),
        TooFewRows,
        "too_few_rows",
    ),
}


def test_good_model_becomes_a_version_with_a_row_per_gate() -> None:
    run = _train()

    gates = list(run.version.gates.values_list("name", "outcome"))
    assert run.status == "succeeded"
    assert run.version.verdict == "passed"
    assert gates == [
        ("roc_auc with shuffled labels", "passed"),
        ("roc_auc", "passed"),
        ("accuracy gain over share", "passed"),
    ]


def test_good_model_serves() -> None:
    run = _train()

    assert _champion() == run.version


def test_run_records_how_the_model_was_trained() -> None:
    run = _train()

    assert (run.row_count, run.train_row_count, run.test_row_count) == (2_000, 1_400, 600)
    assert run.parameters == {"C": 1.0}
    assert len(run.code_version) == len(run.data_checksum) == len(run.test_checksum) == 64
    assert run.seconds
    assert run.peak_memory_bytes
    assert run.curves["iterations"]
    assert "gate roc_auc: passed" in run.log
    assert set(run.metrics) == {"candidate", "share"}


def test_artifact_is_read_as_it_was_stored() -> None:
    version = _train().version

    assert hashlib.sha256(read_artifact(version)).hexdigest() == version.sha256


def test_same_inputs_give_the_same_version() -> None:
    first = _train()

    second = _train()

    assert second == first
    assert ModelVersion.objects.count() == 1


def test_other_seed_gives_another_version_from_the_same_data() -> None:
    first = _train()

    second = retrain(make_trainer(), as_of=_AS_OF, seed=1)

    assert second.version.number == first.version.number + 1
    assert second.data_checksum == first.data_checksum


def test_model_that_is_no_better_than_the_champion_does_not_serve() -> None:
    champion = _train().version

    run = retrain(make_trainer(), as_of=_AS_OF, seed=1)

    assert run.version.verdict == "inconclusive"
    assert run.version.champion == champion
    assert _champion() == champion


def test_better_model_replaces_the_champion() -> None:
    bad = make_trainer(fit=_fit_shuffled, gates=(MetricAbove(metric="roc_auc", threshold=0.0),))
    first = retrain(bad, as_of=_AS_OF)

    second = _train(parameters={"C": 2.0})

    assert first.version.deployments.get().ended_at is not None
    assert _champion() == second.version


def test_training_set_with_shuffled_labels_is_refused_by_the_gates() -> None:
    champion = _train().version

    run = _train(fit=_fit_shuffled, parameters={"C": 2.0})

    failed = GateResult.objects.get(version=run.version, name="roc_auc")
    assert run.version.verdict == "failed"
    assert failed.outcome == "failed"
    assert failed.figure is not None
    assert failed.figure < 0.8
    assert _champion() == champion


@pytest.mark.parametrize("case", _REFUSALS)
def test_bad_model_is_refused_and_the_champion_goes_on(case: str) -> None:
    champion = _train().version
    spoil, error, code = _REFUSALS[case]

    with pytest.raises(error):
        retrain(spoil(make_trainer(c=2.0)), as_of=_AS_OF)

    run = TrainingRun.objects.order_by("-started_at")[0]
    assert (run.status, run.error_code) == ("refused", code)
    assert run.error
    assert ModelVersion.objects.count() == 1
    assert _champion() == champion


def test_failure_opens_an_alert_that_the_next_success_closes() -> None:
    with pytest.raises(TooFewRows):
        _train(training_set=training_set(rows=620))
    alert = Alert.objects.get(code=ALERT_CODE, closed_at=None)

    _train()

    alert.refresh_from_db()
    assert alert.closed_at is not None


def test_error_of_a_trainer_is_recorded_without_values() -> None:
    def broken(_table: Any, _context: Any) -> Any:
        raise RuntimeError("customer 4711")

    with pytest.raises(RuntimeError):
        _train(fit=broken)

    run = TrainingRun.objects.get()
    assert (run.status, run.error) == ("failed", "RuntimeError")


def test_champion_that_cannot_be_read_leaves_the_comparison_inconclusive() -> None:
    champion = _train().version
    default_storage.delete(champion.artifact_key)

    run = _train(parameters={"C": 2.0})

    assert run.version.verdict == "inconclusive"
    assert run.version.gates.get(name="accuracy gain over champion").figure is None


def test_dry_run_stores_nothing_and_returns_the_gates() -> None:
    run = retrain(make_trainer(), as_of=_AS_OF, dry_run=True)

    assert [gate["outcome"] for gate in run.metrics["gates"]] == ["passed"] * 3
    assert TrainingRun.objects.count() == ModelVersion.objects.count() == 0


def test_second_training_is_refused_while_one_is_in_progress() -> None:
    settings = connection.settings_dict
    other = psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
        autocommit=True,
    )
    with other:
        lock_id = pglock.advisory("mlops:training").int_lock_id
        other.execute("SELECT pg_advisory_lock(%s)", [lock_id])

        with pytest.raises(TrainerBusy):
            _train()

    assert TrainingRun.objects.count() == 0


def test_interrupted_run_is_continued_with_its_training_set() -> None:
    frozen = freeze(training_set(), model="sample", as_of=_AS_OF)
    interrupted = TrainingRun.objects.create(
        model="sample",
        as_of=_AS_OF,
        parameters={"C": 1.0},
        data_key=frozen.key,
        data_checksum=frozen.checksum,
        row_count=frozen.row_count,
    )

    run = retrain(make_trainer())

    assert run.pk == interrupted.pk
    assert run.as_of == _AS_OF
    assert "the frozen training set of the interrupted attempt is used" in run.log


def test_interrupted_run_of_another_trainer_is_closed() -> None:
    interrupted = TrainingRun.objects.create(model="other", as_of=_AS_OF)

    _train()

    interrupted.refresh_from_db()
    assert interrupted.status == "interrupted"


def test_half_written_training_set_is_replaced() -> None:
    frozen = freeze(training_set(), model="sample", as_of=_AS_OF)
    with default_storage.open(frozen.key) as file:
        half = file.read()[:1_000]
    default_storage.delete(frozen.key)
    default_storage.save(frozen.key, ContentFile(half))

    again = freeze(training_set(), model="sample", as_of=_AS_OF)

    assert read_frozen(again.key, again.checksum).num_rows == 2_000


def test_altered_training_set_is_refused() -> None:
    frozen = freeze(training_set(), model="sample", as_of=_AS_OF)
    default_storage.delete(frozen.key)
    default_storage.save(frozen.key, ContentFile(b"rows"))

    with pytest.raises(ArtifactRefused):
        read_frozen(frozen.key, frozen.checksum)


def test_worse_model_fails_against_the_champion() -> None:
    _train()

    run = _train(
        fit=_fit_shuffled,
        parameters={"C": 2.0},
        gates=(BetterThanReferences(metric="accuracy"),),
    )

    gate = run.version.gates.get(name="accuracy gain over champion")
    assert gate.outcome == "failed"
    assert gate.high is not None
    assert gate.high < 0
