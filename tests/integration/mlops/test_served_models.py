"""Serving: processes follow deployments, and go on with what they have when a version is bad."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from config.cache.invalidation import is_listening
from mlops.models import Alert, ModelVersion
from mlops.registry import (
    ServedModel,
    approve,
    close_outdated_load_alerts,
    deploy,
    rollback,
    start_canary,
    start_shadow,
)
from tests.factories.registry import ModelVersionFactory
from tests.polling import wait_until
from tests.samples.trainers import FEATURES, NAME, Regression, dump, load

pytestmark = pytest.mark.django_db(transaction=True)
_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture
def served() -> ServedModel[Regression]:
    """A served model of a process that has loaded nothing yet."""
    return ServedModel(NAME, artifact_format="npz", load=load)


def _approved(**fields: Any) -> ModelVersion:
    version = ModelVersionFactory.create(**fields)
    return approve(version=version, approved_by="kim", reason="reviewed")


def _deploy(version: ModelVersion) -> None:
    deploy(version=version, approved_by="kim", reason="better")


def _number(served: ServedModel[Regression], scope: str = "*") -> int | None:
    current = served.current(scope)
    return current.number if current else None


def _damage(version: ModelVersion) -> None:
    default_storage.delete(version.artifact_key)
    default_storage.save(version.artifact_key, ContentFile(b"damaged"))


def _restore(version: ModelVersion) -> None:
    body = dump(Regression(np.ones(len(FEATURES)), float(version.number)))
    default_storage.delete(version.artifact_key)
    default_storage.save(version.artifact_key, ContentFile(body))


def test_nothing_serves_before_the_first_deployment(served: ServedModel[Regression]) -> None:
    assert served.current() is None


def test_deployed_version_is_loaded(served: ServedModel[Regression]) -> None:
    version = _approved()
    _deploy(version)

    current = served.current()

    assert current is not None
    assert current.version_id == str(version.pk)
    assert current.model.bias == float(version.number)


def test_new_version_is_picked_up(served: ServedModel[Regression]) -> None:
    _deploy(_approved())
    _number(served)

    version = _approved()
    _deploy(version)

    wait_until(lambda: _number(served) == version.number, 5)


def test_current_model_needs_no_query(served: ServedModel[Regression]) -> None:
    _deploy(_approved())
    wait_until(is_listening, 10)

    def query_count() -> int:
        with CaptureQueriesContext(connection) as queries:
            _number(served)
        return len(queries)

    # The notice of the deployment may arrive after a first call.
    wait_until(lambda: query_count() == 0, 5)


def test_version_before_goes_on_when_the_new_one_is_damaged(
    served: ServedModel[Regression],
) -> None:
    first, second = _approved(), _approved()
    _deploy(first)
    _number(served)
    _deploy(second)
    _damage(second)

    served.outdate()
    assert _number(served) == first.number


def test_process_that_starts_with_a_damaged_champion_serves_the_one_before(
    served: ServedModel[Regression],
) -> None:
    first, second = _approved(), _approved()
    _deploy(first)
    _deploy(second)
    _damage(second)

    assert _number(served) == first.number


def test_model_that_its_loader_refuses_leaves_the_version_before() -> None:
    def refuse_second(body: bytes) -> Regression:
        model = load(body)
        if model.bias > 1:
            raise ValueError("wrong shape")
        return model

    served = ServedModel(NAME, artifact_format="npz", load=refuse_second)
    first, second = _approved(), _approved()
    _deploy(first)
    _number(served)

    _deploy(second)

    served.outdate()
    assert _number(served) == first.number


def test_concurrent_calls_are_answered_while_a_version_loads() -> None:
    is_loading, may_finish = threading.Event(), threading.Event()

    def slow_second(body: bytes) -> Regression:
        model = load(body)
        if model.bias > 1:
            is_loading.set()
            may_finish.wait(20)
        return model

    served = ServedModel(NAME, artifact_format="npz", load=slow_second)
    first, second = _approved(), _approved()
    _deploy(first)
    _number(served)
    _deploy(second)
    served.outdate()

    def load_second() -> None:
        _number(served)
        connection.close()

    loader = threading.Thread(target=load_second)
    loader.start()
    assert is_loading.wait(20)

    meanwhile = _number(served)
    may_finish.set()
    loader.join()

    assert meanwhile == first.number
    assert _number(served) == second.number


def test_stores_of_a_canary_are_served_by_it(served: ServedModel[Regression]) -> None:
    champion, canary = _approved(), _approved()
    _deploy(champion)
    start_canary(version=canary, share=0.5, duration=_DAY, approved_by="kim")

    numbers = {_number(served, f"store-{n}") for n in range(50)}

    assert numbers == {champion.number, canary.number}


def test_shadow_is_available_beside_the_champion(served: ServedModel[Regression]) -> None:
    champion, shadow = _approved(), ModelVersionFactory.create()
    _deploy(champion)
    start_shadow(version=shadow, duration=_DAY, approved_by="kim")

    beside = served.shadow()

    assert beside is not None
    assert (beside.number, _number(served)) == (shadow.number, champion.number)


def test_rollback_takes_effect_within_five_seconds(served: ServedModel[Regression]) -> None:
    first, second = _approved(), _approved()
    _deploy(first)
    _deploy(second)
    assert _number(served) == second.number

    start = monotonic()
    rollback(model=NAME, approved_by="kim", reason="complaints")
    wait_until(lambda: _number(served) == first.number, 5, every=0.01)

    assert monotonic() - start < 5


def _open_alerts() -> list[str]:
    alerts = Alert.objects.filter(code="model_load_failed", closed_at=None)
    return [alert.subject for alert in alerts]


def _serve_damaged(served: ServedModel[Regression]) -> ModelVersion:
    """Deploy a version that this process cannot load, beside one that it serves."""
    _deploy(_approved())
    _number(served)
    version = _approved()
    _deploy(version)
    _damage(version)
    served.outdate()
    _number(served)
    return version


def test_version_that_cannot_be_loaded_raises_an_alert(served: ServedModel[Regression]) -> None:
    version = _serve_damaged(served)

    alert = Alert.objects.get(code="model_load_failed", closed_at=None)
    assert alert.subject == str(version)
    assert "instead of" in alert.message


def test_alert_closes_when_the_version_loads(served: ServedModel[Regression]) -> None:
    version = _serve_damaged(served)
    _restore(version)

    other_process = ServedModel(NAME, artifact_format="npz", load=load)

    assert _number(other_process) == version.number
    assert _open_alerts() == []


def test_alert_closes_when_the_version_is_rolled_back(served: ServedModel[Regression]) -> None:
    _serve_damaged(served)

    rollback(model=NAME, approved_by="kim", reason="damaged")

    assert _open_alerts() == []


def test_alert_of_an_expired_trial_is_closed(served: ServedModel[Regression]) -> None:
    _deploy(_approved())
    version = ModelVersionFactory.create()
    shadow = start_shadow(version=version, duration=_DAY, approved_by="kim")
    _damage(version)
    assert served.shadow() is None
    assert _open_alerts() == [str(version)]

    close_outdated_load_alerts(now=shadow.started_at + 2 * _DAY)

    assert _open_alerts() == []


def test_alert_of_a_running_trial_stays_open(served: ServedModel[Regression]) -> None:
    _deploy(_approved())
    version = ModelVersionFactory.create()
    shadow = start_shadow(version=version, duration=_DAY, approved_by="kim")
    _damage(version)
    served.shadow()

    close_outdated_load_alerts(now=shadow.started_at + _DAY / 2)

    assert _open_alerts() == [str(version)]


def test_damaged_version_is_not_reported_at_every_call(served: ServedModel[Regression]) -> None:
    _serve_damaged(served)
    wait_until(is_listening, 10)

    def query_count() -> int:
        with CaptureQueriesContext(connection) as queries:
            for _ in range(50):
                _number(served)
        return len(queries)

    wait_until(lambda: query_count() == 0, 5)


def test_answer_survives_an_alert_that_cannot_be_stored(
    served: ServedModel[Regression], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_alert: Any) -> None:
        raise OperationalError("read-only")

    monkeypatch.setattr("mlops.registry.load_alerts.open_alert", refuse)
    first = _approved()
    _deploy(first)
    _number(served)
    second = _approved()
    _deploy(second)
    _damage(second)

    served.outdate()
    assert _number(served) == first.number
