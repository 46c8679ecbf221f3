"""Console pages of models: gates, actions with confirmation, comparison, who served when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mlops.models import Deployment, ModelVersion, ShadowResult
from mlops.registry import approve, deploy, retrain, start_shadow
from tests.factories.registry import ModelVersionFactory, TrainingRunFactory
from tests.integration.console import is_linked, message_levels
from tests.samples.trainers import make_trainer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _action(client: Client, version: ModelVersion, name: str, **values: Any) -> Any:
    url = reverse("admin:mlops_modelversion_action", args=[version.pk, name])
    return client.post(url, {"reason": "reviewed", **values}, follow=True)


def _deployed() -> ModelVersion:
    version = approve(version=ModelVersionFactory.create(), approved_by="kim", reason="reviewed")
    deploy(version=version, approved_by="kim", reason="better")
    return version


def test_version_page_shows_gates_curves_and_actions(admin_client: Client) -> None:
    version = retrain(make_trainer(), as_of=datetime(2026, 11, 1, tzinfo=UTC)).version

    page = admin_client.get(reverse("admin:mlops_modelversion_change", args=[version.pk]))

    assert [label for _, label in page.context["gates"]] == ["success"] * 3
    assert [chart["name"] for chart in page.context["charts"]] == ["iterations"]
    assert is_linked(page, reverse("admin:mlops_modelversion_action", args=[version.pk, "approve"]))


@pytest.mark.parametrize("name", ["modelversion", "trainingrun", "deployment"])
def test_lists_open(admin_client: Client, name: str) -> None:
    _deployed()

    page = admin_client.get(reverse(f"admin:mlops_{name}_changelist"))

    assert page.context["cl"].result_count == 1


def test_queries_of_the_list_do_not_grow_with_versions(admin_client: Client) -> None:
    url = reverse("admin:mlops_modelversion_changelist")
    _deployed()
    admin_client.get(url)
    with CaptureQueriesContext(connection) as one:
        admin_client.get(url)
    for _ in range(4):
        _deployed()

    with CaptureQueriesContext(connection) as five:
        admin_client.get(url)

    assert len(five) == len(one)


def test_training_run_page_shows_its_state(admin_client: Client) -> None:
    run = TrainingRunFactory.create(status="running", step="fit", progress=0.3, log="fit")

    page = admin_client.get(reverse("admin:mlops_trainingrun_change", args=[run.pk]))

    assert "fit, 30%" in page.content.decode()


def test_action_asks_before_it_acts(admin_client: Client) -> None:
    version = ModelVersionFactory.create()

    page = admin_client.get(
        reverse("admin:mlops_modelversion_action", args=[version.pk, "approve"])
    )

    version.refresh_from_db()
    assert page.status_code == 200
    assert version.approved_at is None


def test_version_is_approved_and_deployed(admin_client: Client) -> None:
    version = ModelVersionFactory.create()

    _action(admin_client, version, "approve")
    page = _action(admin_client, version, "deploy", scope="*")

    deployment = Deployment.objects.get()
    assert message_levels(page)[-1] == "success"
    assert (deployment.version, deployment.approved_by) == (version, "admin")


def test_refused_deployment_shows_its_reason(admin_client: Client) -> None:
    version = ModelVersionFactory.create()

    page = _action(admin_client, version, "deploy", scope="*")

    assert message_levels(page) == ["error"]
    assert "is not approved" in str(next(iter(page.context["messages"])))


def test_action_without_a_reason_asks_for_it(admin_client: Client) -> None:
    version = ModelVersionFactory.create()

    page = _action(admin_client, version, "approve", reason="")

    assert list(page.context["form"].errors) == ["reason"]


def test_rollback_returns_to_the_version_before(admin_client: Client) -> None:
    first, second = _deployed(), _deployed()

    _action(admin_client, second, "roll-back", scope="*")

    assert Deployment.objects.get(ended_at=None).version == first


@pytest.mark.parametrize(
    ("name", "values"),
    [("canary", {"share": "0.2", "days": "3"}), ("shadow", {"share": "1", "days": "3"})],
)
def test_trial_starts(admin_client: Client, name: str, values: dict[str, str]) -> None:
    _deployed()
    version = approve(version=ModelVersionFactory.create(), approved_by="kim", reason="reviewed")

    _action(admin_client, version, name, **values)

    assert Deployment.objects.get(role=name).version == version


def test_staff_without_permission_change_nothing(client: Client) -> None:
    user = User.objects.create_user("sam", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client.force_login(user)
    version = ModelVersionFactory.create()

    page = _action(client, version, "approve")

    assert page.status_code == 403
    assert ModelVersion.objects.get().approved_at is None


def test_comparison_shows_the_change_of_each_metric(admin_client: Client) -> None:
    left = ModelVersionFactory.create(metrics={"roc_auc": 0.8}, features=["a"])
    right = ModelVersionFactory.create(metrics={"roc_auc": 0.9}, features=["a", "b"])

    page = admin_client.get(reverse("admin:mlops_modelversion_compare", args=[left.pk, right.pk]))

    rows = {row.name: row for row in page.context["differences"]}
    assert rows["roc_auc"].change == pytest.approx(0.1)
    assert (rows["input b"].left, rows["input b"].right) == (False, True)


def test_page_says_who_served_when(admin_client: Client) -> None:
    version = _deployed()
    url = reverse("admin:mlops_deployment_served")

    now = admin_client.get(url, {"model": "sample", "scope": "store-1", "at": "2099-01-01"})
    before = admin_client.get(url, {"model": "sample", "scope": "store-1", "at": "2020-01-01"})

    assert now.context["deployment"].version == version
    assert before.context["is_answered"]
    assert before.context["deployment"] is None


def test_shadow_is_started_with_its_share_of_answers(admin_client: Client) -> None:
    _deployed()
    version = ModelVersionFactory.create()

    _action(admin_client, version, "shadow", days=3, share=0.2)

    assert Deployment.objects.get(role="shadow").share == 0.2


@pytest.mark.parametrize("name", ["modelversion", "deployment"])
def test_pages_show_the_agreement_of_a_shadow(admin_client: Client, name: str) -> None:
    _deployed()
    version = ModelVersionFactory.create()
    shadow = start_shadow(version=version, duration=timedelta(days=1), approved_by="kim")
    ShadowResult.objects.create(
        deployment=shadow, hour=shadow.started_at, compared=4, agreement=3.0, difference=0.5
    )
    shown = version if name == "modelversion" else shadow

    page = admin_client.get(reverse(f"admin:mlops_{name}_change", args=[shown.pk]))

    (report,) = page.context["shadow_reports"]
    assert (report.compared, report.agreement) == (4, 0.75)
    assert "75.0 %" in page.content.decode()


def test_page_of_a_champion_shows_no_agreement(admin_client: Client) -> None:
    _deployed()
    deployment = Deployment.objects.get()

    page = admin_client.get(reverse("admin:mlops_deployment_change", args=[deployment.pk]))

    assert page.context["shadow_reports"] == []


@pytest.mark.parametrize(
    ("verdict", "is_approved", "actions"),
    [
        ("passed", False, ["approve", "shadow"]),
        ("inconclusive", False, ["approve", "shadow"]),
        ("passed", True, ["deploy", "canary", "shadow"]),
        ("failed", False, []),
    ],
)
def test_page_offers_only_the_actions_that_are_possible(
    admin_client: Client, verdict: str, is_approved: bool, actions: list[str]
) -> None:
    _deployed()
    version = ModelVersionFactory.create(verdict=verdict)
    if is_approved:
        approve(version=version, approved_by="kim", reason="reviewed")

    page = admin_client.get(reverse("admin:mlops_modelversion_change", args=[version.pk]))

    assert list(page.context["actions"]) == actions


def test_champion_can_be_rolled_back(admin_client: Client) -> None:
    _deployed()
    champion = _deployed()

    page = admin_client.get(reverse("admin:mlops_modelversion_change", args=[champion.pk]))

    assert list(page.context["actions"]) == ["roll-back"]
    assert page.context["role_text"] == "champion everywhere"


def test_staff_without_permission_are_offered_no_actions(client: Client) -> None:
    user = User.objects.create_user("sam", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client.force_login(user)
    version = ModelVersionFactory.create()

    page = client.get(reverse("admin:mlops_modelversion_change", args=[version.pk]))

    assert page.context["actions"] == {}


def test_metrics_have_a_column_per_model(admin_client: Client) -> None:
    run = TrainingRunFactory.create(
        metrics={"share": {"auc": 0.5}, "candidate": {"auc": 0.9, "rmse": 1.0}, "champion": {}}
    )

    page = admin_client.get(reverse("admin:mlops_trainingrun_change", args=[run.pk]))

    assert page.context["metric_columns"] == ["candidate", "champion", "share"]
    assert page.context["metrics"] == [("auc", [0.9, None, 0.5]), ("rmse", [1.0, None, None])]


def test_every_curve_has_a_chart(admin_client: Client) -> None:
    curves = {f"loss {number}": [[1, 0.5], [2, 0.4]] for number in range(7)}
    run = TrainingRunFactory.create(curves=curves)

    page = admin_client.get(reverse("admin:mlops_trainingrun_change", args=[run.pk]))

    assert [chart["name"] for chart in page.context["charts"]] == sorted(curves)
