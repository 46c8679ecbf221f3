"""Shadow mode: answers are compared with those of another version, beside the request."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from config.cache.invalidation import is_listening
from mlops.models import Deployment, ModelVersion, ShadowResult
from mlops.registry import (
    DeploymentRefused,
    ServedModel,
    approve,
    compare_with_shadow,
    deploy,
    end_deployment,
    save_shadow_results,
    shadow_reports,
    start_shadow,
)
from tests.factories.registry import ModelVersionFactory
from tests.polling import wait_until
from tests.samples.trainers import NAME, Regression, load

pytestmark = pytest.mark.django_db(transaction=True)
_ANSWER = {"a": 3.0, "b": 2.0, "c": 1.0}


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture(autouse=True)
def _nothing_pending() -> Iterator[None]:
    yield
    save_shadow_results()


@pytest.fixture
def served() -> ServedModel[Regression]:
    """A served model of a process that has loaded nothing yet."""
    return ServedModel(NAME, artifact_format="npz", load=load)


def _champion() -> ModelVersion:
    version = approve(version=ModelVersionFactory.create(), approved_by="kim", reason="reviewed")
    deploy(version=version, approved_by="kim", reason="better")
    return version


def _shadow(share: float = 1.0) -> Deployment:
    return start_shadow(
        version=ModelVersionFactory.create(),
        share=share,
        duration=timedelta(days=1),
        approved_by="kim",
    )


def _compare(served: ServedModel[Regression], scores: Any = _ANSWER) -> bool:
    return compare_with_shadow(served, scores=_ANSWER, seconds=0.001, predict=lambda _model: scores)


def test_agreement_is_added_up_by_hour(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()

    assert _compare(served)
    assert _compare(served, {"a": 1.0, "b": 2.0, "d": 3.0})
    save_shadow_results()

    (report,) = shadow_reports([shadow])
    assert (report.compared, report.failed, report.skipped) == (2, 0, 0)
    assert report.agreement == pytest.approx((1 + 2 / 3) / 2)
    assert report.correlation == pytest.approx(1.0)
    assert report.difference == pytest.approx(0.5)
    assert report.served_milliseconds == pytest.approx(1.0)
    assert ShadowResult.objects.get().deployment_id == shadow.pk


def test_sums_of_processes_are_added(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()
    for _ in range(2):
        _compare(served)
        save_shadow_results()

    assert shadow_reports([shadow])[0].compared == 2


def test_shadow_computes_with_its_own_version(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()
    biases = []

    def predict(model: Regression) -> dict[Any, float]:
        biases.append(model.bias)
        return {}

    compare_with_shadow(served, scores=_ANSWER, seconds=0.0, predict=predict)
    save_shadow_results()

    assert biases == [float(shadow.version.number)]


def test_nothing_is_compared_without_a_shadow(served: ServedModel[Regression]) -> None:
    _champion()

    assert not _compare(served)


def test_nothing_is_compared_after_the_shadow_ended(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()
    assert _compare(served)

    end_deployment(deployment=shadow)

    served.outdate()
    assert not _compare(served)


def test_only_the_sampled_share_is_compared(
    served: ServedModel[Regression], monkeypatch: pytest.MonkeyPatch
) -> None:
    _champion()
    _shadow(share=0.25)
    draws = iter([0.1, 0.24, 0.25, 0.9])
    monkeypatch.setattr("mlops.registry.shadow.random.random", lambda: next(draws))

    assert [_compare(served) for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_impossible_share_is_refused(share: float) -> None:
    _champion()

    with pytest.raises(DeploymentRefused, match="share: must be above 0"):
        _shadow(share=share)


def test_shadow_that_raises_is_counted(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()

    def fail(_model: Regression) -> dict[Any, float]:
        raise ZeroDivisionError

    assert compare_with_shadow(served, scores=_ANSWER, seconds=0.0, predict=fail)
    save_shadow_results()

    (report,) = shadow_reports([shadow])
    assert (report.compared, report.failed) == (0, 1)
    assert report.agreement is None


def test_slow_shadow_delays_no_answer(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()
    may_finish = threading.Event()

    def wait(_model: Regression) -> dict[Any, float]:
        may_finish.wait(20)
        return _ANSWER

    start = perf_counter()
    outcomes = [
        compare_with_shadow(served, scores=_ANSWER, seconds=0.0, predict=wait) for _ in range(100)
    ]
    seconds = perf_counter() - start
    may_finish.set()
    save_shadow_results()

    (report,) = shadow_reports([shadow])
    assert seconds < 10
    assert report.skipped == outcomes.count(False) > 0
    assert report.compared == outcomes.count(True)


def test_comparison_needs_no_query_of_the_request(served: ServedModel[Regression]) -> None:
    _champion()
    _shadow()
    wait_until(is_listening, 10)

    def query_count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert _compare(served)
        return len(queries)

    # The notice of the deployment may arrive after a first call.
    wait_until(lambda: query_count() == 0, 5)


def test_error_of_the_comparison_does_not_reach_the_answer(
    served: ServedModel[Regression], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(served, "shadow_deployment", fail)

    assert not _compare(served)


def test_results_of_a_deleted_deployment_are_dropped(served: ServedModel[Regression]) -> None:
    _champion()
    shadow = _shadow()
    _compare(served)
    shadow.delete()

    save_shadow_results()

    assert not ShadowResult.objects.exists()
