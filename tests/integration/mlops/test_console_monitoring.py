"""Console pages of drift and production quality: tables, charts, empty states, permissions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mlops.models import DriftMeasurement, MetricThreshold, ModelVersion, TrainingRun
from mlops.registry import retrain
from mlops.registry.drift import measure_drift
from mlops.registry.outcomes import OUTCOME_METRICS, count_outcomes
from mlops.registry.served_predictions import SERVED_PREDICTION
from tests.factories.registry import ModelVersionFactory
from tests.integration.console import is_linked
from tests.samples.outcomes import calibration, rate
from tests.samples.trainers import make_trainer, monitor

pytestmark = pytest.mark.django_db
_AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
_DRIFT = "admin:mlops_driftmeasurement_drift"
_PRODUCTION = "admin:mlops_outcomecount_production"


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
    """Return a function that makes metrics the only registered ones."""

    def register(*metrics: Any) -> None:
        monkeypatch.setattr(OUTCOME_METRICS, "_registry", {one.key: one for one in metrics})
        monkeypatch.setattr(OUTCOME_METRICS, "_is_discovered", True)

    return register


def _measured(shift: float = 0.8) -> ModelVersion:
    trainer = make_trainer(drift=monitor())
    version = retrain(trainer, as_of=_AS_OF).version
    for days in (1, 0):
        measure_drift(
            replace(trainer, drift=monitor(shift=shift)),
            now=timezone.now() - timedelta(days=days),
        )
    return version


def _datasets(chart: str) -> dict[str, list[float | None]]:
    return {one["label"]: one["data"] for one in json.loads(chart)["datasets"]}


def test_drift_page_says_that_nothing_is_monitored(admin_client: Client) -> None:
    page = admin_client.get(reverse(_DRIFT))

    assert page.status_code == 200
    assert page.context["models"] == []
    assert "No model is monitored yet" in page.content.decode()


def test_drift_page_says_that_no_version_serves(admin_client: Client) -> None:
    version = _measured()
    version.deployments.all().delete()

    page = admin_client.get(reverse(_DRIFT))

    assert page.context["champion"] is None
    assert "nothing is compared" in page.content.decode()


def test_drift_page_says_that_the_champion_was_trained_before(admin_client: Client) -> None:
    _measured().drift_references.all().delete()
    # Another version with references; no better than the champion, it does not serve.
    retrain(make_trainer(drift=monitor()), as_of=_AS_OF, seed=1)

    page = admin_client.get(reverse(_DRIFT))

    assert page.context["rows"] == []
    assert "was trained before it was monitored" in page.content.decode()


def test_version_that_was_not_measured_has_only_its_distribution(admin_client: Client) -> None:
    retrain(make_trainer(drift=monitor()), as_of=_AS_OF)

    page = admin_client.get(reverse(_DRIFT))

    assert [row["outcome"] for row in page.context["rows"]] == ["not measured"] * 3
    assert page.context["history_chart"] == ""


def test_drift_page_begins_with_what_drifted_farthest(admin_client: Client) -> None:
    _measured()

    page = admin_client.get(reverse(_DRIFT))

    assert page.context["shown"].signal.reference.name == "a"
    assert [row["label"] for row in page.context["rows"]] == ["danger", "success", "danger"]


def test_drift_page_shows_both_distributions_and_the_history(admin_client: Client) -> None:
    _measured()

    page = admin_client.get(reverse(_DRIFT))

    bars = _datasets(page.context["distribution_chart"])
    assert sum(value or 0 for value in bars["training"]) == pytest.approx(100)
    assert sum(value or 0 for value in bars["now"]) == pytest.approx(100)
    assert bars["training"] != bars["now"]
    history = _datasets(page.context["history_chart"])
    assert len(history["PSI"]) == 2
    assert history["threshold of PSI"] == [0.2, 0.2]


def test_signal_of_the_drift_page_can_be_chosen(admin_client: Client) -> None:
    other = _measured().drift_references.get(name="b")

    page = admin_client.get(reverse(_DRIFT), {"model": "sample", "signal": str(other.pk)})

    assert page.context["shown"].signal.reference == other


def test_unknown_model_and_signal_show_the_first(admin_client: Client) -> None:
    _measured()

    page = admin_client.get(reverse(_DRIFT), {"model": "<b>", "signal": "x"})

    assert page.context["model"] == "sample"
    assert page.context["shown"].signal.reference.name == "a"


def test_thresholds_of_models_are_linked(admin_client: Client) -> None:
    url = f"{reverse('admin:mlops_metricthreshold_changelist')}?name__startswith=model."

    page = admin_client.get(reverse(_DRIFT))
    thresholds = admin_client.get(url)

    assert is_linked(page, url)
    names = {row.name for row in thresholds.context["cl"].result_list}
    assert {"model.feature_psi", "model.outcome_drop", "model.calibration_error"} <= names


def test_queries_of_the_drift_page_do_not_grow_with_days(admin_client: Client) -> None:
    _measured()
    url = reverse(_DRIFT)
    admin_client.get(url)
    with CaptureQueriesContext(connection) as few:
        admin_client.get(url)
    for row in list(DriftMeasurement.objects.all()):
        for days in range(2, 6):
            row.pk, row.day = None, row.day - timedelta(days=days)
            row.save(force_insert=True)

    with CaptureQueriesContext(connection) as many:
        admin_client.get(url)

    assert len(many) == len(few)


def test_production_page_shows_rates_with_intervals(
    admin_client: Client, only_registered: Any
) -> None:
    metric = rate()
    only_registered(metric)
    count_outcomes(metric, now=timezone.now())

    page = admin_client.get(reverse(_PRODUCTION))

    (shown,) = page.context["rates"]
    chart = _datasets(shown["charts"][0]["data"])
    assert chart["rate"][0] == pytest.approx(20)
    low, high = chart["95 % interval, low"][0], chart["95 % interval, high"][0]
    assert low is not None
    assert high is not None
    assert low < 20 < high
    assert shown["rows"][0]["row"].version == "v1"


def test_long_spans_are_shown_by_week(admin_client: Client, only_registered: Any) -> None:
    metric = rate()
    only_registered(metric)
    count_outcomes(metric, now=timezone.now())

    page = admin_client.get(reverse(_PRODUCTION), {"model": "sample", "days": "90"})

    points = _datasets(page.context["rates"][0]["charts"][0]["data"])["rate"]
    assert len(points) in (13, 14)


def test_production_page_shows_predicted_and_observed(
    admin_client: Client, only_registered: Any
) -> None:
    metric = calibration(bias=-0.2)
    only_registered(metric)
    count_outcomes(metric, now=timezone.now())

    page = admin_client.get(reverse(_PRODUCTION))

    (shown,) = page.context["calibrations"]
    assert not shown["is_exact"]
    assert _datasets(shown["chart"])["observed"][9] == pytest.approx(0.75)
    assert len(shown["rows"]) == 10


def test_bins_of_a_probability_are_those_of_its_metric(
    admin_client: Client, only_registered: Any
) -> None:
    MetricThreshold.objects.create(name="model.calibration_error", source="sample", value=0.03)
    metric = replace(calibration(), bin_edges=(0.0, 0.01, *(n / 10 for n in range(2, 11))))
    only_registered(metric)
    count_outcomes(metric, now=timezone.now())

    page = admin_client.get(reverse(_PRODUCTION))

    (shown,) = page.context["calibrations"]
    assert [row["range"] for row in shown["rows"]][:3] == ["0–0.01", "0.01–0.2", "0.2–0.3"]
    assert json.loads(shown["chart"])["labels"][:2] == ["0–0.01", "0.01–0.2"]
    assert shown["limit"] == 0.03


def test_drift_page_links_the_outcomes_of_the_model(
    admin_client: Client, only_registered: Any
) -> None:
    only_registered(calibration())
    _measured()

    page = admin_client.get(reverse(_DRIFT))

    assert is_linked(page, f"{reverse(_PRODUCTION)}?model=sample")


def test_first_days_of_serving_are_named_so(admin_client: Client) -> None:
    reference = _measured().drift_references.get(kind="prediction")
    reference.name = SERVED_PREDICTION
    reference.save()

    page = admin_client.get(reverse(_DRIFT), {"model": "sample", "signal": str(reference.pk)})

    assert set(_datasets(page.context["distribution_chart"])) == {"first days of serving", "now"}


@pytest.mark.parametrize("metrics", [(), (rate(),), (calibration(),)])
def test_production_page_without_counts_opens(
    admin_client: Client, only_registered: Any, metrics: tuple[Any, ...]
) -> None:
    only_registered(*metrics)

    page = admin_client.get(reverse(_PRODUCTION), {"model": "unknown", "days": "7000"})

    assert page.status_code == 200
    assert "Nothing was counted" in page.content.decode()


@pytest.mark.parametrize("name", [_DRIFT, _PRODUCTION])
def test_pages_require_permission(client: Client, name: str) -> None:
    client.force_login(User.objects.create_user("reader", password="x", is_staff=True))

    assert client.get(reverse(name)).status_code == 403


def test_run_page_shows_what_asked_for_it(admin_client: Client) -> None:
    run = ModelVersionFactory.create().run
    TrainingRun.objects.update(trigger="drift")
    run.requests.create(model="sample", trigger="drift", reason="a (PSI 0.31 is above 0.2)")

    page = admin_client.get(reverse("admin:mlops_trainingrun_change", args=[run.pk]))

    assert "a (PSI 0.31 is above 0.2)" in page.content.decode()
