"""The command `measure_drift`: output and exit codes."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from mlops.models import RetrainRequest, TrainingRun
from mlops.registry import TRAINERS, RecentRows, retrain
from tests.samples.trainers import make_trainer, monitor

pytestmark = pytest.mark.django_db
_AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that registers the sample trainer with this monitor, and a champion."""

    def register(**drift: Any) -> None:
        trainer = make_trainer(drift=monitor())
        retrain(trainer, as_of=_AS_OF)
        TrainingRun.objects.update(started_at=_AS_OF)
        changed = replace(trainer, drift=monitor(**drift))
        monkeypatch.setattr(TRAINERS, "_registry", {trainer.name: changed})
        monkeypatch.setattr(TRAINERS, "_is_discovered", True)

    return register


def _measure() -> str:
    output = io.StringIO()
    call_command("measure_drift", stdout=output)
    return output.getvalue()


def test_table_has_a_row_per_signal(served: Any) -> None:
    served()

    output = _measure()

    assert [line for line in output.splitlines() if "stable" in line and "feature" in line]
    assert "prediction" in output


def test_drift_is_an_exit_code_and_asks_for_no_training(served: Any) -> None:
    served(shift=0.8)

    with pytest.raises(CommandError) as drifted:
        _measure()

    assert drifted.value.returncode == 3
    assert not RetrainRequest.objects.exists()


def test_model_that_cannot_be_measured_is_an_exit_code(served: Any) -> None:
    served(
        recent=RecentRows(sql="SELECT 1 AS c WHERE %(since)s < %(until)s", columns={"a": "int64"})
    )

    with pytest.raises(CommandError) as failed:
        _measure()

    assert failed.value.returncode == 1
