"""
Export of training runs in the layout of MLflow's file store, without MLflow.

Each model is an experiment; parameters, metrics, curves and tags are files. MLflow opens the folder
with `MLFLOW_ALLOW_FILE_STORE=true`, or imports it with `mlflow migrate-filestore`.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops.models import TrainingRun

_STATUS = {
    TrainingRun.Status.RUNNING: 1,
    TrainingRun.Status.SUCCEEDED: 3,
    TrainingRun.Status.FAILED: 4,
    TrainingRun.Status.REFUSED: 4,
    TrainingRun.Status.INTERRUPTED: 5,
}
"""MLflow's numbers of RUNNING, FINISHED, FAILED and KILLED."""
_NOT_IN_NAMES = re.compile(r"[^\w.\- /]")


def export_runs(folder: Path, *, model: str | None = None) -> int:
    """Write all runs, or those of one model, below a folder; return how many. Safe to repeat."""
    runs = TrainingRun.objects.order_by("started_at")
    if model:
        runs = runs.filter(model=model)
    count = 0
    for run in runs.select_related("version").iterator(chunk_size=100):
        _write_run(folder, run)
        count += 1
    return count


def _write_run(folder: Path, run: TrainingRun) -> None:
    # MLflow's ids of experiments are numbers.
    experiment_id = str(int(hashlib.sha256(run.model.encode()).hexdigest()[:12], 16))
    experiment = folder / experiment_id
    run_folder = experiment / run.pk.hex
    artifacts = run_folder / "artifacts"
    for name in ("params", "metrics", "tags"):
        (run_folder / name).mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(exist_ok=True)
    started, finished = _milliseconds(run.started_at), _milliseconds(run.finished_at)
    _write_yaml(
        experiment / "meta.yaml",
        {
            "artifact_location": experiment.absolute().as_uri(),
            "creation_time": started,
            "experiment_id": experiment_id,
            "last_update_time": started,
            "lifecycle_stage": "active",
            "name": run.model,
        },
    )
    _write_yaml(
        run_folder / "meta.yaml",
        {
            "artifact_uri": artifacts.absolute().as_uri(),
            "end_time": finished,
            "entry_point_name": "",
            "experiment_id": experiment_id,
            "lifecycle_stage": "active",
            "run_id": run.pk.hex,
            "run_name": str(run),
            "source_name": "",
            "source_type": 4,
            "source_version": "",
            "start_time": started,
            "status": _STATUS[TrainingRun.Status(run.status)],
            "tags": [],
            "user_id": "",
        },
    )
    parameters = {**run.parameters, "seed": run.seed, "as_of": run.as_of.isoformat()}
    _write_files(run_folder / "params", ((name, str(value)) for name, value in parameters.items()))
    _write_files(run_folder / "metrics", _metric_lines(run, finished or started or 0))
    _write_files(run_folder / "tags", _tags(run))
    (artifacts / "log.txt").write_text(run.log, encoding="utf-8")


def _metric_lines(run: TrainingRun, timestamp: int) -> Iterable[tuple[str, str]]:
    """Yield the file of each metric: lines of time, value and step."""
    for evaluated, metrics in run.metrics.items():
        prefix = "" if evaluated == "candidate" else f"{evaluated}/"
        for name, value in metrics.items():
            yield f"{prefix}{name}", f"{timestamp} {value} 0\n"
    for name, points in run.curves.items():
        yield f"curves/{name}", "".join(f"{timestamp} {y} {int(x)}\n" for x, y in points)
    if run.seconds is not None:
        yield "seconds", f"{timestamp} {run.seconds} 0\n"
    if run.peak_memory_bytes is not None:
        yield "peak_memory_bytes", f"{timestamp} {run.peak_memory_bytes} 0\n"


def _tags(run: TrainingRun) -> Iterable[tuple[str, str]]:
    yield "mlflow.runName", str(run)
    yield "code_version", run.code_version
    yield "data_checksum", run.data_checksum
    yield "test_checksum", run.test_checksum
    if hasattr(run, "version"):
        yield "version", str(run.version.number)
        yield "verdict", run.version.verdict
    if run.error:
        yield "error", run.error


def _write_files(folder: Path, contents: Iterable[tuple[str, str]]) -> None:
    for name, content in contents:
        path = folder / _NOT_IN_NAMES.sub("_", name).replace("..", "_").strip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _write_yaml(path: Path, values: dict[str, Any]) -> None:
    # JSON values are YAML too.
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in values.items()]
    path.write_text("".join(lines), encoding="utf-8")


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)
