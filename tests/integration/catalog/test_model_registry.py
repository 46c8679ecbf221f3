"""The matching model and the effects predictor in the registry: shipped, served, trained again."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from catalog import effects
from catalog.effects import (
    EFFECTS,
    EffectsModel,
    effects_model,
    installed_effects_model,
    refresh_effects_model,
)
from catalog.matching import algorithm_version, dump_artifact, match_model, shipped_model
from catalog.reference.strains import Strain
from catalog.served_models import MATCHING, with_served_match_model
from catalog.training import PAIRS
from mlops.models import Deployment, ModelVersion, TrainingRun
from mlops.registry import (
    ArtifactRefused,
    approve,
    deploy,
    find_trainer,
    read_artifact,
    record_shipped_models,
    retrain,
)
from tests.factories.registry import ModelVersionFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Path) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    models = tmp_path / "models"
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}, MODELS_DIR=models):
        _forget()
        yield
    _forget()


def _forget() -> None:
    """Serve as a new process does."""
    for served in (MATCHING, EFFECTS):
        served._reset()
    installed_effects_model.cache_clear()
    effects._Serving.model = None


@with_served_match_model
def _served_version() -> str:
    return algorithm_version()


def _deploy_matching(**changes: Any) -> ModelVersion:
    body = dump_artifact(replace(shipped_model(), **changes))
    version = ModelVersionFactory.create(model="matching", artifact_format="json", body=body)
    approve(version=version, approved_by="kim", reason="reviewed")
    deploy(version=version, approved_by="kim", reason="better")
    MATCHING.outdate()
    return version


def _install_effects(folder: Path, *, gain: tuple[float, float, float], bias: float = 1.0) -> None:
    """Write the files of a model with one effect of one feature."""
    from catalog.effects_training import Evaluation, TrainedEffectsModel, save

    measured = {"model": 0.8, "most common": 0.7}
    trained = TrainedEffectsModel(
        model=EffectsModel(
            effects=("happy",),
            features={"type:indica": 0},
            weights=np.array([[2.0]], dtype=np.float32),
            bias=np.array([bias], dtype=np.float32),
            of_parents={"haze": ("happy",)},
            digest="",
        ),
        strength=0.1,
        trained_on=200,
        evaluation=Evaluation(
            strains=200, ranking=measured, recall_at_3=measured, f1_at_3=measured, gain=gain
        ),
    )
    save(trained, folder / effects.FOLDER, source="strains.jsonl")


def test_shipped_model_becomes_version_one_and_serves() -> None:
    call_command("register_models")

    version = ModelVersion.objects.get(model="matching")
    assert (version.number, version.verdict) == (1, "passed")
    assert [gate.outcome for gate in version.gates.all()] == ["passed"] * 3
    assert version.run.parameters["source"] == "pairs.jsonl"
    assert version.run.train_row_count == 964
    deployment = Deployment.objects.get(model="matching")
    assert (deployment.version, deployment.policy) == (version, "shipped with the release")


def test_shipped_artifact_is_verified_when_it_is_read() -> None:
    call_command("register_models")

    assert json.loads(read_artifact(ModelVersion.objects.get(model="matching")))["same"] == 0.7


def test_repeated_registration_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("register_models")
    call_command("register_models")

    assert "matching: version 1, known" in capsys.readouterr().out
    assert ModelVersion.objects.count() == Deployment.objects.count() == 1


def test_registered_model_decides_as_the_shipped_one() -> None:
    before = algorithm_version()
    call_command("register_models")

    @with_served_match_model
    def served() -> Any:
        return match_model()

    assert served() == shipped_model()
    assert served() is not shipped_model()
    assert _served_version() == before


def test_newer_release_replaces_the_shipped_version(monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("register_models")
    newer = replace(shipped_model(), same=0.75)
    monkeypatch.setattr("catalog.training.shipped_model", lambda: newer)

    call_command("register_models")

    assert ModelVersion.objects.count() == 2
    assert Deployment.objects.get(ended_at=None).version.number == 2


def test_release_does_not_replace_what_staff_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = _deploy_matching(same=0.8)

    call_command("register_models")

    assert ModelVersion.objects.count() == 2
    assert Deployment.objects.get(ended_at=None).version == chosen


def test_damaged_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    _install_effects(tmp_path / "models", gain=(0.01, 0.02, 0.03))
    (tmp_path / "models" / effects.FOLDER / effects.WEIGHTS).write_bytes(b"altered")

    with pytest.raises(CommandError, match="effects: the shipped files are damaged"):
        call_command("register_models")


def test_matching_uses_the_deployed_model() -> None:
    before = _served_version()
    version = _deploy_matching(base=0.5)

    assert _served_version() != before
    assert MATCHING.current() is not None
    assert algorithm_version() == before, "outside of a service the shipped model compares"
    assert version.number == 1


def test_matching_without_a_deployment_uses_the_shipped_model() -> None:
    assert _served_version() == algorithm_version()


def test_nested_calls_compare_with_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    original = MATCHING.current

    def count() -> Any:
        reads.append(1)
        return original()

    monkeypatch.setattr(MATCHING, "current", count)

    @with_served_match_model
    def outer() -> list[str]:
        return [_served_version() for _ in range(100)]

    outer()

    assert len(reads) == 1


def test_installed_effects_model_is_recorded_and_deployed(tmp_path: Path) -> None:
    _install_effects(tmp_path / "models", gain=(0.01, 0.02, 0.03))
    installed = installed_effects_model()

    call_command("register_models")

    assert Deployment.objects.get(model="effects").version.number == 1
    served = refresh_effects_model()
    assert served is not None
    assert installed is not None
    assert served is not installed
    assert (served.effects, served.features, served.of_parents, served.digest) == (
        installed.effects,
        installed.features,
        installed.of_parents,
        installed.digest,
    )
    assert np.array_equal(served.weights, installed.weights)


def test_effects_model_that_is_no_better_than_frequencies_is_not_deployed(tmp_path: Path) -> None:
    _install_effects(tmp_path / "models", gain=(-0.003, 0.0, 0.003))

    call_command("register_models")

    assert ModelVersion.objects.get(model="effects").verdict == "inconclusive"
    assert not Deployment.objects.filter(model="effects").exists()
    assert refresh_effects_model() is installed_effects_model()


def test_effects_are_predicted_by_the_version_that_a_run_has_read(tmp_path: Path) -> None:
    _install_effects(tmp_path / "models", gain=(0.01, 0.02, 0.03))
    assert effects_model() is installed_effects_model()
    call_command("register_models")
    assert effects_model() is installed_effects_model()

    refresh_effects_model()

    assert effects_model() is not installed_effects_model()


def test_absent_effects_model_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("register_models")

    assert "effects: not installed" in capsys.readouterr().out
    assert refresh_effects_model() is None


def test_matching_trainer_refuses_a_part_of_the_pairs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = tmp_path / "pairs.jsonl"
    few.write_text("\n".join(PAIRS.read_text(encoding="utf-8").splitlines()[:200]))
    monkeypatch.setattr("catalog.training.PAIRS", few)

    with pytest.raises(Exception, match=r"part has \d+ rows of"):
        retrain(find_trainer("matching"))


@pytest.mark.slow
def test_matching_is_trained_from_the_labeled_pairs_once() -> None:
    run = retrain(find_trainer("matching"), as_of=timezone.now())
    again = retrain(find_trainer("matching"), as_of=timezone.now())

    assert again.pk == run.pk
    assert TrainingRun.objects.count() == 1
    metrics = run.version.metrics
    assert metrics["precision"] == 1.0
    assert metrics["recall"] == pytest.approx(0.79, abs=0.03)
    assert metrics["roc_auc"] > 0.9
    assert run.version.verdict == "passed"


@pytest.mark.slow
def test_effects_are_trained_from_known_strains(monkeypatch: pytest.MonkeyPatch) -> None:
    strains = {
        f"s{number}": Strain(
            key=f"s{number}",
            name=f"S {number}",
            strain_type=("indica", "sativa")[number % 2],
            terpenes=(("myrcene", "limonene")[number // 2 % 2],),
            effects=(
                "happy" if number % 10 else "calm",
                ("sleepy", "energetic")[number % 2],
                ("hungry", "focused")[number // 2 % 2],
            ),
        )
        for number in range(300)
    }
    monkeypatch.setattr("catalog.training.known_strains", lambda: strains)

    run = retrain(find_trainer("effects"))

    assert run.version.verdict == "passed"
    assert run.metrics["candidate"]["lrap"] > run.metrics["frequency by type"]["lrap"]
    assert (run.train_row_count or 0) + (run.test_row_count or 0) == 300


def test_shipped_pairs_have_the_hash_of_the_card() -> None:
    import hashlib

    card = json.loads((PAIRS.parent / "card.json").read_text())

    assert hashlib.sha256(PAIRS.read_bytes()).hexdigest() == card["data_sha256"]


def test_altered_trees_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "trained"
    shutil.copytree(PAIRS.parent, folder)
    (folder / "trees.json").write_text("{}")
    from catalog.matching import load

    monkeypatch.setattr("catalog.training.shipped_model", lambda: load(folder))

    with pytest.raises(ArtifactRefused, match="matching: the shipped files are damaged"):
        record_shipped_models()
