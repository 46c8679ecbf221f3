"""Kills of a training run, and a rollback under requests in two processes."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
import pytest
from django.db import connection

from mlops.models import Deployment, GateResult, ModelVersion, TrainingRun
from mlops.registry import TrainerBusy, approve, deploy, read_artifact, retrain, rollback
from tests.factories.registry import ModelVersionFactory
from tests.functional.forks import ForkServer, kill_process
from tests.polling import wait_until
from tests.samples.trainers import NAME, make_trainer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
_AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
_KILLS = 10
_TRAIN = """
from datetime import UTC, datetime
from mlops.registry import retrain
from tests.samples.trainers import make_trainer
retrain(make_trainer(), as_of=datetime(2026, 11, 1, tzinfo=UTC))
"""
# Serves until it is killed; appends the number of each response, 0 for a failure.
_SERVE = """
import time
from pathlib import Path
from mlops.registry import ServedModel
from tests.samples.trainers import load
folder = Path({folder!r})
served = ServedModel("sample", artifact_format="npz", load=load)
with (folder / "{name}.txt").open("w", buffering=1) as responses:
    while True:
        try:
            current = served.current("store-1")
            number = int(current.model.bias) if current else 0
        except Exception:
            number = 0
        responses.write(f"{{time.time():.3f}} {{number}}\\n")
        time.sleep(0.001)
"""


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    """A fork server on the test's database and object storage."""
    base = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    server = ForkServer(
        {
            **os.environ,
            "DATABASE_URL": f"{base}/{connection.settings_dict['NAME']}",
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        },
        modules=("mlops.registry", "tests.samples.trainers", "pyarrow.parquet"),
    )
    yield server
    server.stop()


def _retrain_when_unlocked() -> TrainingRun:
    """Train; a killed process's connection keeps its lock until its statement ends."""
    for _ in range(60):
        try:
            return retrain(make_trainer(), as_of=_AS_OF)
        except TrainerBusy:
            time.sleep(0.5)
    raise AssertionError("training stayed locked")


def _is_consistent() -> bool:
    """Return whether versions, gates and deployments belong together."""
    versions = list(ModelVersion.objects.all())
    for version in versions:
        read_artifact(version)
        assert GateResult.objects.filter(version=version).count() >= 3
        assert version.run.status == TrainingRun.Status.SUCCEEDED
    deployed = set(Deployment.objects.values_list("version_id", flat=True))
    return deployed <= {version.pk for version in versions}


def test_ten_kills_of_a_training_run_leave_no_half_deployment(forks: ForkServer) -> None:
    rng = random.Random(20261128)
    interrupted = 0
    for _ in range(_KILLS):
        runs_before = TrainingRun.objects.count()
        process = forks.run(_TRAIN)
        wait_until(partial(_has_started, process, runs_before), 60, every=0.005)
        # A run on a quick machine takes less than 0.2 s.
        time.sleep(rng.uniform(0, rng.choice([0.1, 0.5])))
        kill_process(process)
        interrupted += TrainingRun.objects.filter(status="running").exists()
        assert _is_consistent()
        if ModelVersion.objects.exists():
            _delete_rows()

    run = _retrain_when_unlocked()

    assert interrupted >= 3
    assert run.version.verdict == "passed"
    assert Deployment.objects.get(ended_at=None).version == run.version
    assert not TrainingRun.objects.filter(status="running").exists()


def _has_started(process: psutil.Process, runs_before: int) -> bool:
    is_running = TrainingRun.objects.filter(status="running").exists()
    return is_running or TrainingRun.objects.count() > runs_before or not process.is_running()


def _delete_rows() -> None:
    """Delete everything that the next run could reuse."""
    for model in (Deployment, ModelVersion, TrainingRun):
        model.objects.all().delete()


def test_rollback_reaches_two_processes_without_a_failed_request(
    forks: ForkServer, tmp_path: Path
) -> None:
    versions = [
        approve(version=ModelVersionFactory.create(), approved_by="kim", reason="reviewed")
        for _ in range(2)
    ]
    for version in versions:
        deploy(version=version, approved_by="kim", reason="better")
    processes = [
        forks.run(_SERVE.format(folder=str(tmp_path), name=name)) for name in ("one", "two")
    ]
    try:
        wait_until(lambda: all(_last(tmp_path, name) == 2 for name in ("one", "two")), 60)
        rolled_back_at = time.time()
        rollback(model=NAME, approved_by="kim", reason="complaints")
        wait_until(lambda: all(_last(tmp_path, name) == 1 for name in ("one", "two")), 30)
    finally:
        for process in processes:
            kill_process(process)

    for name in ("one", "two"):
        responses = _responses(tmp_path, name)
        counts = Counter(number for _, number in responses)
        late = [at for at, number in responses if number == 2 and at > rolled_back_at + 5]
        assert set(counts) == {1, 2}
        assert late == []


def _responses(folder: Path, name: str) -> list[tuple[float, int]]:
    path = folder / f"{name}.txt"
    lines = path.read_text().splitlines()[:-1] if path.exists() else []
    return [(float(at), int(number)) for at, number in (line.split() for line in lines)]


def _last(folder: Path, name: str) -> int:
    responses = _responses(folder, name)
    return responses[-1][1] if responses else 0
