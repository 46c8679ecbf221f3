"""Serving: processes follow deployments, and go on with what they have when a version is bad."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from config.cache.invalidation import is_listening
from mlops.models import ModelVersion
from mlops.registry import ServedModel, approve, deploy, rollback, start_canary, start_shadow
from tests.factories.registry import ModelVersionFactory
from tests.polling import wait_until
from tests.samples.trainers import NAME, Regression, load

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
