"""Export of training runs in MLflow's layout."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories.registry import ModelVersionFactory, TrainingRunFactory

pytestmark = pytest.mark.django_db


def _export(folder: Path, *options: str) -> str:
    output = io.StringIO()
    call_command("export_training_runs", str(folder), *options, stdout=output)
    return output.getvalue()


def test_run_is_written_with_parameters_metrics_curves_and_tags(tmp_path: Path) -> None:
    run = TrainingRunFactory.create(
        parameters={"C": 0.5},
        metrics={"candidate": {"roc_auc": 0.9}, "popularity": {"roc_auc": 0.6}},
        curves={"loss": [[1.0, 0.7], [2.0, 0.5]]},
        log="fit",
    )
    ModelVersionFactory.create(run=run)

    _export(tmp_path)

    (folder,) = tmp_path.glob(f"*/{run.pk.hex}")
    assert run.finished_at
    timestamp = int(run.finished_at.timestamp() * 1000)
    assert (folder / "params" / "C").read_text() == "0.5"
    assert (folder / "metrics" / "roc_auc").read_text() == f"{timestamp} 0.9 0\n"
    assert (folder / "metrics" / "popularity" / "roc_auc").is_file()
    assert (folder / "metrics" / "curves" / "loss").read_text() == (
        f"{timestamp} 0.7 1\n{timestamp} 0.5 2\n"
    )
    assert (folder / "tags" / "verdict").read_text() == "passed"
    assert (folder / "artifacts" / "log.txt").read_text() == "fit"
    assert 'name: "sample"' in (folder.parent / "meta.yaml").read_text()


def test_runs_of_one_model_are_written(tmp_path: Path) -> None:
    TrainingRunFactory.create()
    TrainingRunFactory.create(model="other")

    output = _export(tmp_path, "--model", "other")

    assert output.startswith("1 training runs")
    assert len(list(tmp_path.glob("*/meta.yaml"))) == 1


def test_repeated_export_writes_the_same(tmp_path: Path) -> None:
    TrainingRunFactory.create(parameters={"C": 0.5})
    _export(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    _export(tmp_path)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    TrainingRunFactory.create()
    (tmp_path / "file").touch()

    with pytest.raises(CommandError, match="folder: Not a directory"):
        _export(tmp_path / "file")


def test_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    run = TrainingRunFactory.create(metrics={"candidate": {"../../escaped": 1.0}})

    _export(tmp_path)

    (folder,) = tmp_path.glob(f"*/{run.pk.hex}")
    written = [path for path in tmp_path.rglob("*escaped*") if path.is_file()]
    assert len(written) == 1
    assert written[0].is_relative_to(folder / "metrics")
