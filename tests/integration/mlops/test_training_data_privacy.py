"""Frozen training sets and artifacts: erasure of a person, expiry, legal holds, access."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from config.settings import storage
from mlops.models import Erasure, LegalHold, ModelVersion, TrainingRun
from mlops.privacy.erasure import erase
from mlops.privacy.retention import sweep
from mlops.registry import (
    TRAINERS,
    ArtifactRefused,
    SubjectColumn,
    Trainer,
    TrainingSet,
    approve,
    count_subject_rows,
    deploy,
    read_artifact,
    remove_subject_rows,
    retrain,
    rollback,
    start_shadow,
)
from mlops.registry.artifacts import store_artifact
from tests.canaries import CanaryCustomer
from tests.factories.registry import ModelVersionFactory, TrainingRunFactory
from tests.samples.trainers import FEATURES, Regression, dump, make_trainer, training_set

pytestmark = pytest.mark.django_db(transaction=True)
_NOW = timezone.now()
_SETS, _ARTIFACTS = "frozen training sets", "artifacts of models"
# Every tenth row is of the person.
_PERSON = "CASE WHEN mod(gen.n, 10) = 0 THEN %(person)s ELSE gen.id END"
_SQL = """
SELECT s.*, {person} AS person FROM ({rows}) s
CROSS JOIN LATERAL (SELECT s.id AS n, md5(s.id::text)::uuid::text AS id) gen ORDER BY s.id
"""


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Path) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # As in production, in another folder.
        "OPTIONS": {**storage._files()["OPTIONS"], "location": str(tmp_path / "o")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _training_set(person: UUID, form: str = "text") -> TrainingSet:
    plain = training_set()
    column = _PERSON if form == "text" else f"hashtextextended({_PERSON}, 0)"
    return replace(
        plain,
        sql=_SQL.format(person=column, rows=plain.sql.replace("ORDER BY n", "")),
        columns={**plain.columns, "person": "string" if form == "text" else "int64"},
        params={**plain.params, "person": str(person)},
        subject=SubjectColumn(name="person", form=form),  # type: ignore[arg-type]
    )


def _trainer(person: UUID, form: str = "text") -> Trainer:
    return make_trainer(training_set=_training_set(person, form))


def _train(person: UUID, **options: Any) -> TrainingRun:
    run = retrain(_trainer(person, options.pop("form", "text")), **options)
    run.refresh_from_db()
    return run


def _train_and_deploy(person: UUID, month: int) -> TrainingRun:
    run = _train(person, as_of=datetime(2026, month, 1, tzinfo=_NOW.tzinfo))
    version = approve(version=run.version, approved_by="kim", reason="reviewed")
    deploy(version=version, approved_by="kim", reason="better")
    return run


def _age(run: TrainingRun, days: int) -> None:
    at = _NOW - timedelta(days=days)
    TrainingRun.objects.filter(pk=run.pk).update(started_at=at)
    ModelVersion.objects.filter(run=run).update(created_at=at)


def _age_file(key: str, days: int) -> None:
    at = (_NOW - timedelta(days=days)).timestamp()
    os.utime(default_storage.path(key), (at, at))


def _sweep(rule: str, **options: Any) -> tuple[int, int]:
    (record,) = sweep(only=[rule], now=_NOW, **options)
    assert record.error == ""
    return record.deleted, record.skipped_by_hold


def _version(days: int) -> ModelVersion:
    version = approve(version=ModelVersionFactory.create(), approved_by="kim", reason="reviewed")
    ModelVersion.objects.filter(pk=version.pk).update(created_at=_NOW - timedelta(days=days))
    return version


# Erasure


@pytest.mark.parametrize("form", ["text", "hash"])
def test_rows_of_a_person_are_removed_and_the_others_stay(form: str) -> None:
    person = uuid4()
    run = _train(person, form=form)

    removed = remove_subject_rows(person)

    first_checksum = run.data_checksum
    run.refresh_from_db()
    assert (removed, run.erased_rows) == (200, 200)
    assert run.data_checksum != first_checksum
    rows = pq.read_table(default_storage.path(run.data_key))
    assert rows.num_rows == 1_800
    assert count_subject_rows(person) == {}


def test_version_keeps_the_checksum_that_it_was_trained_on() -> None:
    person = uuid4()
    run = _train(person)
    before = run.version.data_checksum

    remove_subject_rows(person)

    assert ModelVersion.objects.get().data_checksum == before


def test_file_with_the_person_is_gone() -> None:
    person = uuid4()
    key = _train(person).data_key

    remove_subject_rows(person)

    assert not default_storage.exists(key)


def test_file_stays_when_the_erasure_is_rolled_back() -> None:
    person = uuid4()
    run = _train(person)

    with transaction.atomic():
        remove_subject_rows(person)
        transaction.set_rollback(True)

    run.refresh_from_db()
    assert default_storage.exists(run.data_key)
    assert count_subject_rows(person)[run.data_key] == 200


def test_unreferenced_file_with_the_person_is_deleted() -> None:
    person = uuid4()
    run = _train(person)
    TrainingRun.objects.filter(pk=run.pk).update(data_key="")

    assert remove_subject_rows(person) == 200

    assert not default_storage.exists(run.data_key)


def test_repeated_removal_finds_nothing() -> None:
    person = uuid4()
    _train(person)
    remove_subject_rows(person)

    assert remove_subject_rows(person) == 0


def test_set_without_persons_is_left_alone() -> None:
    run = retrain(make_trainer())
    key = run.data_key

    remove_subject_rows(uuid4())

    run.refresh_from_db()
    assert run.data_key == key
    assert default_storage.exists(key)


def test_incomplete_file_does_not_stop_an_erasure() -> None:
    person = uuid4()
    _train(person)
    default_storage.save("training/sample/cut.parquet", ContentFile(b"PAR1 cut"))

    assert remove_subject_rows(person) == 200


def test_erasure_counts_the_rows_in_its_receipt(canary_customer: CanaryCustomer) -> None:
    person = canary_customer.id
    _train(person)

    receipt = erase(subject=person, requested_by="key:test", reason="they asked")

    assert receipt.status == Erasure.Status.DONE
    assert receipt.deleted[_SETS] == 200
    assert count_subject_rows(person) == {}


def test_set_that_is_frozen_during_an_erasure_does_not_contain_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = uuid4()
    from mlops.registry import training
    from mlops.registry.training_sets import freeze as original

    def freeze_then_erase(*args: Any, **kwargs: Any) -> Any:
        frozen = original(*args, **kwargs)
        Erasure.objects.create(subject=person, status=Erasure.Status.DONE, requested_by="kim")
        return frozen

    monkeypatch.setattr(training, "freeze", freeze_then_erase)

    run = _train(person)

    assert run.erased_rows == 200
    assert (run.train_row_count or 0) + (run.test_row_count or 0) == 1_800
    assert count_subject_rows(person) == {}


def test_run_that_is_continued_uses_the_set_without_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = uuid4()
    trainer = _trainer(person)
    with monkeypatch.context() as patch:
        patch.setattr("mlops.registry.training.checksum_rows", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            retrain(trainer)
    remove_subject_rows(person)

    run = retrain(trainer)

    assert (run.train_row_count or 0) + (run.test_row_count or 0) == 1_800


def _interrupt(_table: Any) -> str:
    raise KeyboardInterrupt


def test_trainers_with_customers_declare_the_column() -> None:
    for trainer in TRAINERS.all():
        columns = trainer.training_set.columns
        named = {name for name in columns if "customer" in name or "person" in name}
        subject = trainer.training_set.subject
        assert named == ({subject.name} if subject else set()), trainer.name


def test_subject_must_be_a_column() -> None:
    with pytest.raises(ValueError, match="who is no column"):
        replace(training_set(), subject=SubjectColumn(name="who"))


# Expiry


def test_old_set_expires_with_a_receipt() -> None:
    run, newer, _ = (_train_and_deploy(uuid4(), month) for month in (6, 7, 8))
    _age(run, 91)

    assert _sweep(_SETS) == (1, 0)

    run.refresh_from_db()
    newer.refresh_from_db()
    assert run.data_deleted_at is not None
    assert not default_storage.exists(run.data_key)
    assert default_storage.exists(newer.data_key)
    assert newer.data_deleted_at is None


def test_expired_set_is_counted_once() -> None:
    _age(_train_and_deploy(uuid4(), 6), 91)
    _train_and_deploy(uuid4(), 7)
    _train_and_deploy(uuid4(), 8)
    assert _sweep(_SETS) == (1, 0)

    assert _sweep(_SETS) == (0, 0)


def test_run_without_a_set_is_not_counted() -> None:
    run = TrainingRunFactory.create(data_key="")
    _age(run, 200)

    assert _sweep(_SETS) == (0, 0)


def test_set_of_a_run_that_goes_on_stays() -> None:
    run, *_newer = (_train_and_deploy(uuid4(), month) for month in (6, 7, 8))
    _age(run, 200)
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=None)

    assert _sweep(_SETS) == (0, 0)
    assert default_storage.exists(run.data_key)


def test_young_set_stays() -> None:
    run = _train(uuid4())
    _age(run, 89)

    assert _sweep(_SETS) == (0, 0)
    assert default_storage.exists(run.data_key)


def test_sets_of_champion_and_the_one_before_stay() -> None:
    runs = [_train_and_deploy(uuid4(), month) for month in (3, 4, 5)]
    for run in runs:
        _age(run, 200)

    assert _sweep(_SETS) == (1, 0)

    assert [default_storage.exists(run.data_key) for run in runs] == [False, True, True]


def test_dry_run_counts_and_deletes_nothing() -> None:
    run = _train(uuid4())
    TrainingRun.objects.filter(pk=run.pk).update(data_key="")
    _age_file(run.data_key, 2)

    assert _sweep(_SETS, dry_run=True) == (1, 0)
    assert default_storage.exists(run.data_key)


def test_set_with_a_person_under_legal_hold_stays() -> None:
    person = uuid4()
    runs = [_train_and_deploy(person, month) for month in (3, 4, 5)]
    for run in runs:
        _age(run, 200)
    LegalHold.objects.create(subject=person, reason="court")

    assert _sweep(_SETS) == (0, 1)
    assert default_storage.exists(runs[0].data_key)


def test_file_that_no_run_refers_to_is_deleted_after_a_day() -> None:
    run = _train(uuid4())
    TrainingRun.objects.filter(pk=run.pk).update(data_key="")
    assert _sweep(_SETS) == (0, 0)

    _age_file(run.data_key, 2)

    assert _sweep(_SETS) == (1, 0)
    assert not default_storage.exists(run.data_key)


def test_unreferenced_file_with_a_person_under_legal_hold_stays() -> None:
    person = uuid4()
    run = _train(person)
    TrainingRun.objects.filter(pk=run.pk).update(data_key="")
    _age_file(run.data_key, 2)
    LegalHold.objects.create(subject=person, reason="court")

    assert _sweep(_SETS) == (0, 1)
    assert default_storage.exists(run.data_key)


def test_set_that_two_runs_share_stays_as_long_as_one_is_young() -> None:
    runs = [_train_and_deploy(uuid4(), month) for month in (3, 4, 5)]
    for run in runs:
        _age(run, 200)
    shared = runs[0].data_key
    TrainingRun.objects.create(model="sample", as_of=_NOW, data_key=shared, finished_at=_NOW)

    assert _sweep(_SETS) == (0, 0)
    assert default_storage.exists(shared)


def test_old_artifact_expires_and_cannot_be_deployed() -> None:
    old, previous, champion = _version(200), _version(200), _version(200)
    for version in (previous, champion):
        deploy(version=version, approved_by="kim", reason="better")

    assert _sweep(_ARTIFACTS) == (1, 0)

    old.refresh_from_db()
    assert not default_storage.exists(old.artifact_key)
    with pytest.raises(ArtifactRefused, match="the artifact was deleted on"):
        deploy(version=old, approved_by="kim", reason="better")


def test_rollback_works_after_the_sweep() -> None:
    previous, champion = _version(200), _version(200)
    for version in (previous, champion):
        deploy(version=version, approved_by="kim", reason="better")

    _sweep(_ARTIFACTS)

    rollback(model="sample", approved_by="kim", reason="worse")
    assert read_artifact(previous)


def test_artifact_of_a_shadow_stays() -> None:
    champion, shadow = _version(200), _version(200)
    deploy(version=champion, approved_by="kim", reason="better")
    start_shadow(version=shadow, duration=timedelta(days=1), approved_by="kim")

    assert _sweep(_ARTIFACTS) == (0, 0)
    assert read_artifact(shadow)


def test_young_artifact_stays() -> None:
    version = _version(179)

    assert _sweep(_ARTIFACTS) == (0, 0)
    assert read_artifact(version)


def test_expired_artifact_is_counted_once() -> None:
    _version(200)
    assert _sweep(_ARTIFACTS) == (1, 0)

    assert _sweep(_ARTIFACTS) == (0, 0)


def test_artifact_of_a_version_stays_however_old_its_file_is() -> None:
    version = _version(1)
    _age_file(version.artifact_key, 400)

    assert _sweep(_ARTIFACTS) == (0, 0)
    assert read_artifact(version)


def test_artifact_that_no_version_refers_to_is_deleted_after_a_day() -> None:
    body = dump(Regression(np.ones(len(FEATURES)), 1.0))
    key, _sha256 = store_artifact(body, model="sample", artifact_format="npz")
    assert _sweep(_ARTIFACTS) == (0, 0)
    _age_file(key, 2)

    assert _sweep(_ARTIFACTS, dry_run=True) == (1, 0)
    assert default_storage.exists(key)

    assert _sweep(_ARTIFACTS) == (1, 0)
    assert not default_storage.exists(key)


def test_artifact_whose_deletion_was_interrupted_is_deleted() -> None:
    version = _version(200)
    ModelVersion.objects.filter(pk=version.pk).update(artifact_deleted_at=_NOW)
    _age_file(version.artifact_key, 2)

    assert _sweep(_ARTIFACTS) == (1, 0)
    assert not default_storage.exists(version.artifact_key)


def test_other_files_below_models_stay() -> None:
    default_storage.save("models/README.txt", ContentFile(b"read me"))
    _age_file("models/README.txt", 400)

    assert _sweep(_ARTIFACTS) == (0, 0)
    assert default_storage.exists("models/README.txt")


# Access


def test_frozen_sets_are_readable_by_the_process_alone(settings: Any, tmp_path: Path) -> None:
    key = _train(uuid4()).data_key

    path = Path(default_storage.path(key))

    assert isinstance(default_storage._wrapped, FileSystemStorage)  # type: ignore[attr-defined]
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
