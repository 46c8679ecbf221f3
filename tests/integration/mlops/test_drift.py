"""Drift of champions: references, measurements, alerts, and the training that they ask for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.test import override_settings
from django.utils import timezone

from mlops.models import (
    Alert,
    Deployment,
    DriftMeasurement,
    DriftReference,
    MetricThreshold,
    RetrainRequest,
    TrainingRun,
)
from mlops.registry import (
    TRAINERS,
    NewData,
    RecentRows,
    ServedPredictions,
    Trainer,
    VectorSample,
    retrain,
)
from mlops.registry.drift import FAILURE_CODE, measure_drift, monitor_models
from mlops.registry.retraining import MIN_INTERVAL, request_retrain, request_retrain_for_new_data
from tests.factories.registry import TrainingRunFactory
from tests.samples.trainers import make_trainer, monitor

pytestmark = pytest.mark.django_db
_AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
_NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
_DIMENSION = 12


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture
def only_registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes trainers the only registered ones."""

    def register(*trainers: Trainer) -> None:
        monkeypatch.setattr(TRAINERS, "_registry", {one.name: one for one in trainers})
        monkeypatch.setattr(TRAINERS, "_is_discovered", True)

    return register


def _trained(**drift: Any) -> Trainer:
    """Return a trainer whose champion was trained, with other recent rows since."""
    trainer = make_trainer(drift=monitor())
    retrain(trainer, as_of=_AS_OF)
    TrainingRun.objects.update(started_at=_AS_OF)
    return replace(trainer, drift=monitor(**drift))


def _outcomes(measurements: list[DriftMeasurement]) -> dict[str, str]:
    return {one.reference.name: one.outcome for one in measurements}


def _vectors(shift: float = 0.0, *, dimension: int = _DIMENSION) -> VectorSample:
    """Return vectors around a mean, which moves after training."""

    def sample(since: datetime, until: datetime, limit: int) -> Any:
        rng = np.random.default_rng(int(until.timestamp()) % 1_000)
        scales = np.linspace(3, 0.5, dimension)
        vectors = rng.normal(size=(min(limit, 2_000), dimension)) * scales
        return vectors + (shift if until > _AS_OF else 0.0)

    return VectorSample(name="products", sample=sample, components=3)


def test_version_stores_the_distribution_of_inputs_and_predictions() -> None:
    run = retrain(make_trainer(drift=monitor()), as_of=_AS_OF)

    references = run.version.drift_references.order_by("position")
    rows = {(one.kind, one.name): sum(one.histogram["counts"]) for one in references}
    assert rows == {
        ("feature", "a"): run.row_count,
        ("feature", "b"): run.row_count,
        ("prediction", "prediction"): run.test_row_count,
    }


def test_trainer_without_a_monitor_stores_no_references() -> None:
    run = retrain(make_trainer(), as_of=_AS_OF)

    assert not run.version.drift_references.exists()


def test_dry_run_stores_no_references() -> None:
    retrain(make_trainer(drift=monitor()), as_of=_AS_OF, dry_run=True)

    assert not DriftReference.objects.exists()


def test_rows_of_the_same_distribution_are_stable() -> None:
    measurements = measure_drift(_trained(), now=_NOW)

    assert _outcomes(measurements) == {"a": "stable", "b": "stable", "prediction": "stable"}


def test_shifted_feature_has_drifted_and_its_prediction() -> None:
    measurements = measure_drift(_trained(shift=0.8), now=_NOW)

    assert _outcomes(measurements) == {"a": "drifted", "b": "stable", "prediction": "drifted"}
    assert measurements[0].psi is not None
    assert measurements[0].psi > 0.2


def test_few_shifted_rows_are_inconclusive() -> None:
    measurements = measure_drift(_trained(rows=40, shift=0.8), now=_NOW)

    assert set(_outcomes(measurements).values()) == {"inconclusive"}
    assert measurements[0].detail == "too few rows: 40; 100 are needed"


def test_no_recent_rows_are_inconclusive() -> None:
    measurements = measure_drift(_trained(rows=0), now=_NOW)

    assert {one.detail for one in measurements} == {"no rows"}


def test_rows_of_few_units_are_inconclusive() -> None:
    rows = RecentRows(
        sql=(
            "SELECT 0.9::float8 AS a, cos(n * 2.3) AS b, n %% 3 AS id"
            " FROM generate_series(1, 900) AS n WHERE %(since)s < %(until)s"
        ),
        columns={"a": "float64", "b": "float64", "id": "int64"},
    )
    trainer = make_trainer(drift=monitor(unit="id"))
    retrain(trainer, as_of=_AS_OF)

    measurements = measure_drift(replace(trainer, drift=monitor(unit="id", recent=rows)), now=_NOW)

    assert measurements[0].psi is not None
    assert measurements[0].psi > 1
    assert set(_outcomes(measurements).values()) == {"inconclusive"}


def test_predictions_can_be_compared_with_those_of_all_rows() -> None:
    run = retrain(make_trainer(drift=monitor(predictions_of="all")), as_of=_AS_OF)

    reference = run.version.drift_references.get(kind="prediction")
    assert sum(reference.histogram["counts"]) == run.row_count


def test_second_measurement_of_a_day_replaces_the_first() -> None:
    trainer = _trained(shift=0.8)
    measure_drift(trainer, now=_NOW)

    measure_drift(replace(trainer, drift=monitor()), now=_NOW + timedelta(minutes=5))

    outcomes = DriftMeasurement.objects.values_list("outcome", flat=True)
    assert list(outcomes) == ["stable"] * 3


def test_model_without_a_champion_is_not_measured() -> None:
    assert measure_drift(make_trainer(drift=monitor()), now=_NOW) == []


def test_champion_that_cannot_be_loaded_leaves_the_features_measured() -> None:
    trainer = _trained()
    default_storage.delete(TrainingRun.objects.get().version.artifact_key)

    measurements = measure_drift(trainer, now=_NOW)

    assert _outcomes(measurements) == {"a": "stable", "b": "stable", "prediction": "inconclusive"}
    assert measurements[2].detail == "the champion cannot be loaded (ArtifactRefused)"


def test_feature_that_is_not_served_any_more_is_inconclusive() -> None:
    rows = RecentRows(
        sql="SELECT n::float8 AS b FROM generate_series(1, 200) n WHERE %(since)s < %(until)s",
        columns={"b": "float64"},
    )

    measurements = measure_drift(_trained(recent=rows, predict=None), now=_NOW)

    details = {one.reference.name: one.detail for one in measurements}
    assert details["a"] == "is absent from the recent rows"
    assert _outcomes(measurements)["b"] == "drifted"


def test_feature_that_becomes_text_is_inconclusive() -> None:
    rows = RecentRows(
        sql="SELECT 'x' AS a, 0::float8 AS b WHERE %(since)s < %(until)s",
        columns={"a": "string", "b": "float64"},
    )

    measurements = measure_drift(_trained(recent=rows, predict=None), now=_NOW)

    assert measurements[0].detail == "has values of another type than in training"


def test_alert_is_open_while_a_feature_has_drifted() -> None:
    trainer = _trained(shift=0.8)
    measure_drift(trainer, now=_NOW)
    opened = dict(Alert.objects.filter(closed_at=None).values_list("code", "message"))

    measure_drift(replace(trainer, drift=monitor()), now=_NOW + timedelta(days=1))

    assert set(opened) == {"model_feature_drift", "model_prediction_drift"}
    assert "a (PSI" in opened["model_feature_drift"]
    assert not Alert.objects.filter(closed_at=None).exists()


def test_alert_stays_while_too_few_rows_say_nothing() -> None:
    trainer = _trained(shift=0.8)
    measure_drift(trainer, now=_NOW)

    measure_drift(replace(trainer, drift=monitor(rows=10)), now=_NOW + timedelta(days=1))

    assert Alert.objects.filter(closed_at=None).count() == 2


def test_threshold_of_a_model_takes_precedence() -> None:
    for statistic in ("psi", "ks"):
        name = f"model.feature_{statistic}"
        MetricThreshold.objects.create(name=name, source="sample", value=50)

    measurements = measure_drift(_trained(shift=0.8), now=_NOW)

    assert _outcomes(measurements)["a"] == "stable"


def test_inactive_thresholds_are_not_checked() -> None:
    MetricThreshold.objects.filter(name__startswith="model.feature").update(is_active=False)

    measurements = measure_drift(_trained(shift=0.8), now=_NOW)

    assert measurements[0].outcome == "inconclusive"
    assert measurements[0].detail == "no threshold is active"


def test_vectors_of_the_same_distribution_are_stable() -> None:
    trainer = make_trainer(drift=monitor(vectors=_vectors()))
    retrain(trainer, as_of=_AS_OF)

    measurements = measure_drift(trainer, now=_NOW)

    outcomes = [one.outcome for one in measurements if one.reference.kind == "embedding"]
    assert outcomes == ["stable"] * 4


def test_vectors_that_moved_have_drifted() -> None:
    trainer = make_trainer(drift=monitor(vectors=_vectors()))
    retrain(trainer, as_of=_AS_OF)
    moved = replace(trainer, drift=monitor(vectors=_vectors(shift=2.0)))

    measure_drift(moved, now=_NOW)

    assert Alert.objects.filter(code="model_embedding_drift", closed_at=None).exists()


def test_vectors_of_another_dimension_are_inconclusive() -> None:
    trainer = make_trainer(drift=monitor(vectors=_vectors()))
    retrain(trainer, as_of=_AS_OF)
    other = replace(trainer, drift=monitor(vectors=_vectors(dimension=16)))

    measurements = measure_drift(other, now=_NOW)

    details = {one.detail for one in measurements if one.reference.kind == "embedding"}
    assert details == {"the vectors have another dimension than in training"}


def test_vectors_that_cannot_be_read_do_not_stop_training() -> None:
    def unavailable(*_arguments: Any) -> Any:
        raise ConnectionError

    vectors = VectorSample(name="products", sample=unavailable)

    run = retrain(make_trainer(drift=monitor(vectors=vectors)), as_of=_AS_OF)

    assert run.status == "succeeded"
    assert "no reference of products: ConnectionError" in run.log
    assert not run.version.drift_references.filter(kind="embedding").exists()


# Ten predictions an hour, each of another unit, evenly from 0 to .9; from `turns` on their cubes.
_SERVED_SQL = """
SELECT power(n / 10.0::float8, CASE WHEN hour < '{turns}' THEN 1 ELSE 3 END) AS prediction,
  concat(hour, n) AS unit
FROM generate_series(
    date_trunc('hour', %(since)s::timestamptz), %(until)s::timestamptz, interval '1 hour'
  ) AS hour,
  generate_series(0, 9) AS n
WHERE hour >= %(since)s AND hour < %(until)s AND %(number)s = 1
"""


def _served(*, turns: datetime = _NOW + timedelta(days=365)) -> Trainer:
    """Return a trainer that logs predictions, whose champion serves since a fortnight."""
    sql = _SERVED_SQL.format(turns=turns.isoformat())
    trainer = make_trainer(drift=monitor(predict=None, served=ServedPredictions(sql=sql)))
    retrain(trainer, as_of=_AS_OF)
    Deployment.objects.update(started_at=_NOW - timedelta(days=14))
    return trainer


def _measured_predictions(trainer: Trainer, now: datetime = _NOW) -> list[DriftMeasurement]:
    measurements = measure_drift(trainer, now=now)
    return [one for one in measurements if one.reference.name == "served prediction"]


def test_first_week_of_served_predictions_becomes_their_reference() -> None:
    trainer = _served()

    early = _measured_predictions(trainer, _NOW - timedelta(days=8))
    (late,) = _measured_predictions(trainer)

    assert early == []
    assert sum(late.reference.histogram["counts"]) == 7 * 24 * 10
    assert late.outcome == "stable"


def test_served_predictions_that_changed_have_drifted() -> None:
    (measured,) = _measured_predictions(_served(turns=_NOW - timedelta(days=6)))

    assert measured.outcome == "drifted"
    assert Alert.objects.filter(code="model_prediction_drift", closed_at=None).exists()


def test_served_predictions_within_an_edited_threshold_are_stable() -> None:
    MetricThreshold.objects.filter(name__startswith="model.prediction").update(value=50)

    (measured,) = _measured_predictions(_served(turns=_NOW - timedelta(days=6)))

    assert measured.outcome == "stable"


def test_predictions_of_the_reference_are_not_compared_with_it() -> None:
    trainer = _served()

    (measured,) = _measured_predictions(trainer, _NOW - timedelta(days=6))

    assert measured.row_count == 24 * 10


def test_few_served_predictions_are_no_reference() -> None:
    trainer = _served()
    served = ServedPredictions(sql=_SERVED_SQL.format(turns=_NOW) + " LIMIT 99")

    measured = _measured_predictions(replace(trainer, drift=monitor(predict=None, served=served)))

    assert measured == []


def test_drift_asks_for_training(only_registered: Any) -> None:
    only_registered(_trained(shift=0.8))

    counts, (request,) = monitor_models(now=_NOW)

    assert counts == {"stable": 1, "drifted": 2, "inconclusive": 0, "failed": 0}
    assert (request.model, request.trigger, request.run) == ("sample", "drift", None)
    assert "a (PSI" in request.reason


def test_drift_asks_at_most_once_a_day(only_registered: Any) -> None:
    only_registered(_trained(shift=0.8))
    monitor_models(now=_NOW)

    _, same_day = monitor_models(now=_NOW + timedelta(hours=12))
    _, next_day = monitor_models(now=_NOW + timedelta(hours=24))

    assert same_day == []
    assert len(next_day) == 1


def test_run_of_the_same_day_answers_drift(only_registered: Any) -> None:
    only_registered(_trained(shift=0.8))
    TrainingRunFactory.create(started_at=_NOW - timedelta(hours=3))

    _, requests = monitor_models(now=_NOW)

    assert requests == []


def test_stable_model_asks_for_nothing(only_registered: Any) -> None:
    only_registered(_trained())

    _, requests = monitor_models(now=_NOW)

    assert requests == []


def test_failed_measurement_alerts_and_the_others_go_on(only_registered: Any) -> None:
    def broken(*_arguments: Any) -> Any:
        raise RuntimeError("customer 4711")

    trainer = _trained()
    only_registered(
        replace(trainer, drift=monitor(predict=broken)), make_trainer(name="other", drift=monitor())
    )

    counts, _ = monitor_models(now=_NOW)

    alert = Alert.objects.get(code=FAILURE_CODE, closed_at=None)
    assert counts["failed"] == 1
    assert alert.message == "Drift of sample was not measured: RuntimeError."


def test_measurement_after_a_failure_closes_its_alert(only_registered: Any) -> None:
    trainer = _trained()
    wrong = RecentRows(sql="SELECT 1 AS c WHERE %(since)s < %(until)s", columns={"a": "float64"})
    only_registered(replace(trainer, drift=monitor(recent=wrong)))
    monitor_models(now=_NOW)

    only_registered(trainer)
    monitor_models(now=_NOW)

    assert Alert.objects.get(code=FAILURE_CODE).closed_at is not None


@pytest.mark.parametrize(("new_rows", "is_requested"), [(399, False), (400, True)])
def test_enough_new_data_ask_for_training(new_rows: int, is_requested: bool) -> None:
    trainer = replace(
        _trained(),
        new_data=NewData(
            sql="SELECT %(rows)s::bigint WHERE %(since)s IS NOT NULL", params={"rows": new_rows}
        ),
    )

    request = request_retrain_for_new_data(trainer, now=_NOW)

    # A fifth of the 2,000 rows of the last training set.
    assert (request is not None) == is_requested
    assert request is None or request.trigger == "new_data"


def test_run_shows_what_asked_for_it() -> None:
    request = request_retrain(
        model="sample",
        trigger=TrainingRun.Trigger.DRIFT,
        reason="a (PSI 0.3 is above 0.2)",
        now=timezone.now(),
    )
    assert request is not None

    run = retrain(make_trainer(), as_of=_AS_OF, trigger=TrainingRun.Trigger.DRIFT)

    request.refresh_from_db()
    assert run.trigger == "drift"
    assert request.run == run


def test_request_is_answered_by_an_unchanged_version() -> None:
    first = retrain(make_trainer(), as_of=_AS_OF)
    request = RetrainRequest.objects.create(model="sample", trigger="drift", reason="drift")

    retrain(make_trainer(), as_of=_AS_OF)

    request.refresh_from_db()
    assert request.run == first


def test_failed_training_leaves_the_next_day_free_to_ask() -> None:
    TrainingRunFactory.create(status="failed", started_at=_NOW - MIN_INTERVAL)

    request = request_retrain(
        model="sample", trigger=TrainingRun.Trigger.DRIFT, reason="drift", now=_NOW
    )

    assert request is not None
