"""Console pages of experiments: drafts, start and stop with confirmation, result."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from customers.models import Recommendation, RecommendationFeedback
from mlops.models import Experiment
from tests.factories.experiments import ExperimentFactory
from tests.integration.console import is_linked, message_levels

pytestmark = pytest.mark.django_db(transaction=True)
_ADD = "admin:mlops_experiment_add"


def _form(variants: list[tuple[str, str, str]], **changes: str) -> dict[str, str]:
    values = {
        "name": "Diverse home",
        "hypothesis": "Fewer repeats are clicked more often.",
        "scope": "recommendations.home",
        "metric": "clicked",
        "min_effect": "0.02",
        "days": "14",
        "variants-TOTAL_FORMS": str(len(variants)),
        "variants-INITIAL_FORMS": "0",
        **changes,
    }
    for index, (name, share, settings) in enumerate(variants):
        values[f"variants-{index}-name"] = name
        values[f"variants-{index}-share"] = share
        values[f"variants-{index}-settings"] = settings
    return values


_TWO = [("control", "0.5", "{}"), ("diverse", "0.5", '{"diversity": 0.6}')]


def _url(name: str, experiment: Experiment) -> str:
    return reverse(f"admin:mlops_experiment_{name}", args=[experiment.pk])


def _errors(page: Any) -> str:
    formset = page.context["inline_admin_formsets"][0].formset
    return " ".join(formset.non_form_errors()) + str(formset.errors)


def test_draft_is_created_with_its_variants(admin_client: Client) -> None:
    admin_client.post(reverse(_ADD), _form(_TWO))

    experiment = Experiment.objects.get()
    assert experiment.status == "draft"
    assert experiment.created_by == "admin"
    variants = [
        (one.position, one.name, one.share, one.settings) for one in experiment.variants.all()
    ]
    assert variants == [(0, "control", 0.5, {}), (1, "diverse", 0.5, {"diversity": 0.6})]


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        ([("control", "0.6", "{}"), ("B", "0.6", '{"diversity": 1}')], "sum to 1.2"),
        ([("control", "0.5", "{}"), ("B", "0.5", '{"diversity": 7}')], "B: diversity: "),
        ([("control", "0.5", "{}"), ("B", "0.5", "{}")], "must change something"),
        (
            [("control", "0.5", "{}"), ("control", "0.5", '{"diversity": 1}')],
            "duplicate data for name",
        ),
        ([("control", "0.5", "{}"), ("B", "0.5", "[1]")], "Must be a JSON object"),
    ],
)
def test_impossible_draft_is_refused_with_its_reason(
    admin_client: Client, variants: list[tuple[str, str, str]], reason: str
) -> None:
    page = admin_client.post(reverse(_ADD), _form(variants))

    assert reason in _errors(page)
    assert not Experiment.objects.exists()


def test_variants_of_a_draft_are_changed_and_removed(admin_client: Client) -> None:
    experiment = ExperimentFactory.create(
        variants=(
            ("control", 0.3, {}),
            ("B", 0.3, {"diversity": 1}),
            ("C", 0.3, {"diversity": 0.5}),
        )
    )
    rows = list(experiment.variants.order_by("position"))
    form = _form(
        [
            ("control", "0.5", "{}"),
            ("B", "0.3", '{"diversity": 1}'),
            ("C", "0.5", '{"diversity": 0}'),
        ]
    )
    form["variants-INITIAL_FORMS"] = "3"
    form["variants-1-DELETE"] = "on"
    for index, row in enumerate(rows):
        form[f"variants-{index}-id"] = str(row.pk)
        form[f"variants-{index}-experiment"] = str(experiment.pk)

    admin_client.post(_url("change", experiment), form)

    variants = [(one.position, one.name, one.share) for one in experiment.variants.all()]
    assert variants == [(0, "control", 0.5), (1, "C", 0.5)]


def test_start_asks_first(admin_client: Client) -> None:
    experiment = ExperimentFactory.create()

    page = admin_client.get(_url("start", experiment))

    experiment.refresh_from_db()
    assert experiment.status == "draft"
    assert "diversity = 0.6" in page.content.decode()


def test_start_after_confirmation(admin_client: Client) -> None:
    experiment = ExperimentFactory.create()

    page = admin_client.post(_url("start", experiment), follow=True)

    experiment.refresh_from_db()
    assert (experiment.status, experiment.started_by) == ("running", "admin")
    assert message_levels(page) == ["success"]


def test_second_start_in_a_scope_shows_the_reason(admin_client: Client) -> None:
    ExperimentFactory.create(running=True, name="first")
    second = ExperimentFactory.create()

    page = admin_client.post(_url("start", second), follow=True)

    assert message_levels(page) == ["error"]
    assert "first is running in it" in page.content.decode()


def test_stop_records_the_reason(admin_client: Client) -> None:
    experiment = ExperimentFactory.create(running=True)

    admin_client.post(_url("stop", experiment), {"reason": "enough seen"})

    experiment.refresh_from_db()
    assert (experiment.status, experiment.stopped_by) == ("stopped", "admin")
    assert experiment.stop_reason == "enough seen"


def test_stop_without_a_reason_asks_again(admin_client: Client) -> None:
    experiment = ExperimentFactory.create(running=True)

    page = admin_client.post(_url("stop", experiment), {"reason": ""})

    assert page.context["form"].errors["reason"]
    experiment.refresh_from_db()
    assert experiment.status == "running"


def test_page_of_a_running_experiment_shows_its_result(admin_client: Client) -> None:
    experiment = ExperimentFactory.create(running=True)
    for variant, session in (("control", "a"), ("diverse", "b"), ("diverse", "c")):
        recommendation = Recommendation.objects.create(
            created_at=experiment.started_at,
            scenario="home",
            model_version="blend",
            experiment_id=experiment.pk,
            variant=variant,
            milliseconds=10,
        )
        RecommendationFeedback.objects.create(
            recommendation_id=recommendation.id,
            product_id=experiment.pk,
            kind="clicked",
            session=session,
            scenario="home",
        )

    page = admin_client.get(_url("change", experiment))

    result = page.context["result"]
    assert result.units == {"control": 1, "diverse": 2}
    assert "Too early to say" in page.content.decode()
    assert is_linked(page, _url("stop", experiment))
    assert not is_linked(page, _url("start", experiment))


def test_started_experiment_cannot_be_edited(admin_client: Client) -> None:
    experiment = ExperimentFactory.create(running=True)

    response = admin_client.post(_url("change", experiment), _form(_TWO, name="renamed"))

    assert response.status_code == 403
    experiment.refresh_from_db()
    assert experiment.name != "renamed"


def test_started_experiment_cannot_be_deleted(admin_client: Client) -> None:
    experiment = ExperimentFactory.create(running=True)

    assert admin_client.post(_url("delete", experiment), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("name", ["start", "stop"])
def test_actions_need_the_permission_to_change(client: Client, name: str) -> None:
    experiment = ExperimentFactory.create(running=name == "stop")
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_experiment"))
    client.force_login(user)

    assert client.post(_url(name, experiment), {"reason": "mine"}).status_code == 403


def test_list_opens(admin_client: Client) -> None:
    ExperimentFactory.create(running=True)

    page = admin_client.get(reverse("admin:mlops_experiment_changelist"))

    assert page.context["cl"].result_count == 1
