"""
Training runs: freeze, split, fit, check, judge, store; then one transaction creates the version.

Until that transaction a killed run leaves an unfinished row and files that are named by their
content; the next run of the trainer continues with its frozen training set. One trainer runs at a
time, by an advisory lock that ends with the process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import pglock
import structlog
from django.db import transaction
from django.utils import timezone

from config.errors import CultivarError
from mlops.models import DriftReference, Erasure, GateResult, ModelVersion, TrainingRun
from mlops.quality.alerts import close_alerts, open_alert
from mlops.registry.artifacts import check_values
from mlops.registry.definitions import (
    AUTOMATIC,
    Evaluation,
    FitContext,
    Trainer,
)
from mlops.registry.deployments import deploy_by_policy, lock_model
from mlops.registry.drift import describe_inputs, describe_outputs, save_references
from mlops.registry.errors import (
    ArtifactRefused,
    LabelLeak,
    LeakedTestRows,
    TooFewRows,
    TrainerBusy,
    TrainingRefused,
)
from mlops.registry.gates import CHAMPION, Candidate, GateRow, Outcome, overall_verdict
from mlops.registry.memory import peak_memory_bytes, reset_peak_memory
from mlops.registry.retraining import answer_requests
from mlops.registry.selectors import champion_version
from mlops.registry.subject_rows import remove_subject_rows
from mlops.registry.training_sets import checksum_rows, freeze, is_frozen, read_frozen
from mlops.registry.versions import create_version, row_fields

if TYPE_CHECKING:
    import pyarrow

log = structlog.get_logger(__name__)
ALERT_CODE = "model_training_failed"
_STEPS = ("freeze", "split", "fit", "control", "baselines", "judge", "store")
_MAX_RESUME_AGE = timedelta(hours=6)
_MAX_LOG_LENGTH = 100_000

Report = Callable[[str, float], object]
"""Receives the step of a run and the share of the steps that are done."""


def retrain(  # noqa: PLR0913  # options of a run, each with a default
    trainer: Trainer,
    *,
    seed: int = 0,
    as_of: datetime | None = None,
    dry_run: bool = False,
    wait_seconds: float = 0,
    trigger: TrainingRun.Trigger = TrainingRun.Trigger.MANUAL,
    report: Report = lambda _step, _progress: None,
) -> TrainingRun:
    """
    Train a model and store the candidate with its gates; return the finished run.

    A candidate that passes every gate of a trainer with automatic deployment serves at once;
    otherwise the champion stays. The same training set, seed, parameters and code as an existing
    version give that version's run, without another version. as_of: default now. dry_run: do
    everything but storing: the run returned is not saved, its gate rows are in `metrics["gates"]`.
    trigger: what asks for it; open requests of the model are answered whatever it is.

    Raises TrainerBusy; and, after the failure was recorded and an alert opened, TrainingRefused
    and whatever the trainer raises. Safe to repeat and to kill.
    """
    with _training_lock(wait_seconds):
        if dry_run:
            run = TrainingRun(
                model=trainer.name,
                seed=seed,
                as_of=as_of or timezone.now(),
                started_at=timezone.now(),
                trigger=trigger,
                parameters=dict(trainer.parameters),
            )
            return _Attempt(trainer, run, report, is_dry_run=True).execute()
        run = _resume_or_create_run(trainer, seed=seed, as_of=as_of, trigger=trigger)
        answer_requests(run)
        try:
            finished = _Attempt(trainer, run, report).execute()
        except Exception as error:
            _record_failure(run, error)
            failure = error
        else:
            close_alerts(codes=(ALERT_CODE,), subject=trainer.name)
            return finished
    # Raised here: within a transaction, an error would undo what the lock's savepoint contains.
    raise failure


@contextmanager
def _training_lock(wait_seconds: float) -> Iterator[None]:
    with pglock.advisory("mlops:training", timeout=wait_seconds) as is_acquired:
        if not is_acquired:
            raise TrainerBusy("Another training run is in progress.")
        yield


def _resume_or_create_run(
    trainer: Trainer, *, seed: int, as_of: datetime | None, trigger: TrainingRun.Trigger
) -> TrainingRun:
    """Continue the newest interrupted run with the same inputs, else create one."""
    unfinished = TrainingRun.objects.filter(status=TrainingRun.Status.RUNNING)
    resumable = unfinished.filter(
        model=trainer.name,
        seed=seed,
        parameters=dict(trainer.parameters),
        started_at__gt=timezone.now() - _MAX_RESUME_AGE,
    )
    if as_of is not None:
        resumable = resumable.filter(as_of=as_of)
    run = resumable.order_by("-started_at").first()
    abandoned = unfinished.exclude(pk=run.pk) if run else unfinished
    abandoned.update(
        status=TrainingRun.Status.INTERRUPTED,
        error="The process ended while training.",
        finished_at=timezone.now(),
    )
    if run is None:
        run = TrainingRun.objects.create(
            model=trainer.name,
            seed=seed,
            as_of=as_of or timezone.now(),
            trigger=trigger,
            parameters=dict(trainer.parameters),
        )
        run.refresh_from_db()
    return run


def _record_failure(run: TrainingRun, error: Exception) -> None:
    is_refusal = isinstance(error, TrainingRefused)
    run.status = TrainingRun.Status.REFUSED if is_refusal else TrainingRun.Status.FAILED
    run.error_code = error.code if isinstance(error, CultivarError) else type(error).__name__
    # Messages of libraries may contain values of rows.
    run.error = str(error) if isinstance(error, CultivarError) else type(error).__name__
    run.finished_at = timezone.now()
    run.save()
    open_alert(
        code=ALERT_CODE,
        subject=run.model,
        message=f"Training of {run.model}: {run.error} The champion goes on serving.",
    )
    log.warning("training.failed", model=run.model, error_code=run.error_code, reason=run.error)


class _Attempt:
    """One attempt at a run. Each step sets fields of the run, which are saved between steps."""

    def __init__(
        self, trainer: Trainer, run: TrainingRun, report: Report, *, is_dry_run: bool = False
    ) -> None:
        self._trainer = trainer
        self._run = run
        self._report = report
        self._is_dry_run = is_dry_run
        self._lines: list[str] = []
        self._started = monotonic()
        self._signals: list[DriftReference] = []
        self._curves: dict[str, list[tuple[float, float]]] = {}

    def execute(self) -> TrainingRun:
        """Return the run, finished."""
        reset_peak_memory()
        trainer, run = self._trainer, self._run
        run.code_version = code_version(trainer)
        self._begin("freeze")
        self._freeze()
        if existing := self._existing_version():
            return self._finish_unchanged(existing)
        self._begin("split")
        train, test = self._split()
        self._begin("fit")
        context = FitContext(seed=run.seed, parameters=run.parameters, record=self._record)
        model = trainer.fit(train, context)
        body = trainer.dump(model)
        # The artifact is evaluated, not the fitted object: what serves is what was measured.
        model = self._load_again(body)
        evaluation = trainer.evaluate(model, test)
        self._begin("control")
        rows = [self._judge_control(train, test)]
        self._begin("baselines")
        quiet = replace(context, record=lambda *_point: None)
        references = {
            name: trainer.evaluate(fit(train, quiet), test)
            for name, fit in trainer.baselines.items()
        }
        self._begin("judge")
        champion, unreadable = self._evaluate_champion(test, references)
        candidate = Candidate(
            model=model,
            test=test,
            evaluation=evaluation,
            seed=run.seed,
            references=references,
            unreadable=unreadable,
        )
        for gate in trainer.gates:
            rows += gate.judge(candidate)
        run.metrics = _all_metrics(evaluation, references)
        for row in rows:
            self._write(f"gate {row.name}: {row.outcome} {row.detail}".rstrip())
        self._signals += describe_outputs(
            trainer,
            model=model,
            rows=self._compared_rows(test),
            as_of=run.as_of,
            write=self._write,
        )
        self._begin("store")
        if self._is_dry_run:
            return self._finish_dry_run(rows)
        return self._store(body, evaluation, rows, champion)

    def _freeze(self) -> None:
        run = self._run
        if run.data_checksum and is_frozen(run.data_key, run.data_checksum):
            self._write("the frozen training set of the interrupted attempt is used")
            return
        begun = timezone.now()
        frozen = freeze(self._trainer.training_set, model=run.model, as_of=run.as_of)
        run.data_key, run.data_checksum = frozen.key, frozen.checksum
        run.row_count = frozen.row_count
        if not self._is_dry_run:
            run.save()
            self._remove_erased(begun)
        self._write(f"{frozen.row_count} rows, sha256 {frozen.checksum}")

    def _remove_erased(self, begun: datetime) -> None:
        """Remove the rows of persons whose erasure did not find the set: it was being written."""
        erased = Erasure.objects.filter(started_at__gte=begun).values_list("subject", flat=True)
        for subject in set(erased):
            remove_subject_rows(subject)
        if erased:
            self._run.refresh_from_db(fields=["data_key", "data_checksum", "erased_rows"])

    def _split(self) -> tuple[pyarrow.Table, pyarrow.Table]:
        run, trainer = self._run, self._trainer
        table = read_frozen(run.data_key, run.data_checksum)
        train, test, run.split_at = trainer.split(table, run.as_of)
        run.train_row_count, run.test_row_count = train.num_rows, test.num_rows
        for part, rows, minimum in (
            ("training", train, trainer.min_train_rows),
            ("test", test, trainer.min_test_rows),
        ):
            if rows.num_rows < minimum:
                raise TooFewRows(f"The {part} part has {rows.num_rows} rows of {minimum} needed.")
        shared = _shared_keys(train, test, trainer.training_set.key)
        if shared:
            raise LeakedTestRows(f"{shared} rows of the test part are in the training part.")
        run.test_checksum = checksum_rows(test)
        self._signals = describe_inputs(trainer, table)
        self._write(f"{train.num_rows} rows to train on, {test.num_rows} to test on")
        return train, test

    def _compared_rows(self, test: pyarrow.Table) -> pyarrow.Table:
        """Return the rows whose predictions are compared with those that are served."""
        monitor = self._trainer.drift
        if monitor is None or monitor.predict is None or monitor.predictions_of == "test":
            return test
        return read_frozen(self._run.data_key, self._run.data_checksum)

    def _load_again(self, body: bytes) -> Any:
        served = self._trainer.served
        check_values(body, served.artifact_format)
        try:
            return served.load(body)
        except (ValueError, KeyError, OSError, TypeError) as error:
            raise ArtifactRefused(
                f"the artifact cannot be loaded ({type(error).__name__})"
            ) from None

    def _judge_control(self, train: pyarrow.Table, test: pyarrow.Table) -> GateRow:
        """Train on permuted labels, several times. Raises LabelLeak."""
        control, trainer = self._trainer.control, self._trainer
        index = train.column_names.index(control.label)
        figures = []
        for shuffle in range(control.shuffles):
            rng = np.random.default_rng((self._run.seed, shuffle))
            labels = train[control.label].take(rng.permutation(train.num_rows))
            shuffled = train.set_column(index, train.schema.field(index), labels)
            context = FitContext(
                seed=self._run.seed, parameters=self._run.parameters, record=lambda *_point: None
            )
            model = self._load_again(trainer.dump(trainer.fit(shuffled, context)))
            figures.append(trainer.evaluate(model, test).metrics[control.metric])
        if not np.isfinite(figures).all():
            raise TrainingRefused(f"{control.metric} of the shuffled labels was not measured.")
        lowest, limit = float(min(figures)), control.chance + control.margin
        if lowest > limit:
            raise LabelLeak(
                f"Each of {control.shuffles} models trained on shuffled labels has"
                f" {control.metric} above {limit:g} (lowest {lowest:.4f}): the test labels leak."
            )
        return GateRow(
            name=f"{control.metric} with shuffled labels",
            outcome=Outcome.PASSED,
            comparison="<=",
            figure=lowest,
            threshold=limit,
            detail=f"lowest of {control.shuffles}",
        )

    def _evaluate_champion(
        self, test: pyarrow.Table, references: dict[str, Evaluation]
    ) -> tuple[ModelVersion | None, str]:
        """Add the champion's evaluation; return it, and why it could not be evaluated."""
        champion = champion_version(model=self._run.model, at=timezone.now())
        if champion is None:
            return None, ""
        try:
            model = self._trainer.served.load_version(champion)
            references[CHAMPION] = self._trainer.evaluate(model, test)
        # Its features may have changed since: any error leaves the comparison open.
        except Exception as error:
            return champion, f"champion {champion.number}: {type(error).__name__}"
        return champion, ""

    def _store(
        self,
        body: bytes,
        evaluation: Evaluation,
        rows: list[GateRow],
        champion: ModelVersion | None,
    ) -> TrainingRun:
        trainer, run = self._trainer, self._run
        with transaction.atomic():
            lock_model(run.model)
            version = create_version(
                run=run,
                body=body,
                artifact_format=trainer.served.artifact_format,
                metrics=evaluation.metrics,
                features=trainer.features,
                rows=rows,
                champion=champion,
            )
            save_references(self._signals, version=version)
            is_automatic = trainer.deploys == AUTOMATIC
            if is_automatic and version.verdict == ModelVersion.Verdict.PASSED:
                deploy_by_policy(version=version)
            self._write(f"version {version.number}: {version.verdict}")
            self._finish(TrainingRun.Status.SUCCEEDED)
            run.save()
        log.info(
            "training.succeeded",
            model=run.model,
            version=version.number,
            verdict=version.verdict,
        )
        return run

    def _existing_version(self) -> ModelVersion | None:
        run = self._run
        versions = ModelVersion.objects.filter(
            model=run.model,
            data_checksum=run.data_checksum,
            run__seed=run.seed,
            run__parameters=run.parameters,
            run__code_version=run.code_version,
        )
        if not self._trainer.is_timeless:
            versions = versions.filter(run__as_of=run.as_of)
        return None if self._is_dry_run else versions.select_related("run").first()

    def _finish_unchanged(self, version: ModelVersion) -> TrainingRun:
        answered = version.run
        self._run.requests.update(run=answered)
        self._run.delete()
        log.info("training.unchanged", model=version.model, version=version.number)
        return answered

    def _finish_dry_run(self, rows: list[GateRow]) -> TrainingRun:
        self._run.metrics = {**self._run.metrics, "gates": [row_fields(row) for row in rows]}
        self._finish(TrainingRun.Status.SUCCEEDED)
        return self._run

    def _finish(self, status: TrainingRun.Status) -> None:
        run = self._run
        run.status = status
        run.progress = 1.0
        run.finished_at = timezone.now()
        self._update_figures()

    def _begin(self, step: str) -> None:
        self._run.step = step
        self._run.progress = _STEPS.index(step) / len(_STEPS)
        self._report(step, self._run.progress)
        self._write(step)
        self._update_figures()
        if not self._is_dry_run:
            self._run.save()

    def _update_figures(self) -> None:
        run = self._run
        run.seconds = monotonic() - self._started
        run.peak_memory_bytes = peak_memory_bytes()
        run.log = "\n".join(self._lines)[-_MAX_LOG_LENGTH:]
        run.curves = self._curves

    def _write(self, line: str) -> None:
        self._lines.append(f"{monotonic() - self._started:8.2f} s  {line}")

    def _record(self, curve: str, x: float, y: float) -> None:
        self._curves.setdefault(curve, []).append((x, y))


def gate_table(run: TrainingRun) -> tuple[list[GateRow], ModelVersion.Verdict]:
    """Return the gate rows and the verdict of a finished run, also of a dry run."""
    if not run._state.adding:  # Django's flag of unsaved rows
        rows = [GateRow(**_stored_fields(gate)) for gate in run.version.gates.order_by("position")]
        return rows, ModelVersion.Verdict(run.version.verdict)
    rows = [GateRow(**fields) for fields in run.metrics["gates"]]
    return rows, overall_verdict(rows)


def _stored_fields(gate: GateResult) -> dict[str, Any]:
    return {name: getattr(gate, name) for name in GateRow.__slots__}


def code_version(trainer: Trainer) -> str:
    """Return the sha256 over the source files of a trainer's modules."""
    digest = hashlib.sha256()
    for name in trainer.code:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ValueError(f"{trainer.name}: {name} is no module with a source file")
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


def _shared_keys(train: pyarrow.Table, test: pyarrow.Table, key: tuple[str, ...]) -> int:
    """Return how many distinct keys are in both tables."""
    names = list(key)
    distinct = _without_dictionaries(test.select(names)).group_by(names).aggregate([])
    others = _without_dictionaries(train.select(names))
    return int(distinct.join(others, keys=names, join_type="left semi").num_rows)


def _without_dictionaries(table: pyarrow.Table) -> pyarrow.Table:
    """Return the values of a table's dictionary columns, whose codes differ between chunks."""
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            values = table.column(position).cast(field.type.value_type)
            table = table.set_column(position, field.name, values)
    return table


def _all_metrics(
    evaluation: Evaluation, references: dict[str, Evaluation]
) -> dict[str, dict[str, float]]:
    evaluations = {"candidate": evaluation, **references}
    return {name: dict(measured.metrics) for name, measured in evaluations.items()}
