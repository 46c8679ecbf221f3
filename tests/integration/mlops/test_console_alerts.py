"""Alerts in the console: acknowledge, assign, comment, resolve, links, thresholds."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mlops.models import Alert, Comment, MetricThreshold
from mlops.quality.alerts import open_alert
from tests.factories.catalog import ProductFactory
from tests.factories.mlops import SystemMetricFactory
from tests.integration.console import is_linked, message_levels

pytestmark = pytest.mark.django_db
LIST = "/console/mlops/alert/"


def _user(name: str, role: str) -> User:
    user = User.objects.create_user(name, password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def operator() -> User:
    return _user("ophelia", "Operator")


@pytest.fixture
def client(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def alert() -> Alert:
    return open_alert(code="stale", subject="ocs", message="no data", severity="warning")


def _post(client: Client, alert: Alert, **data: Any) -> Any:
    return client.post(f"{LIST}{alert.pk}/discuss/", data, follow=True)


def _shown(client: Client, choice: str) -> list[str]:
    page = client.get(f"{LIST}?assignee={choice}")
    return [alert.subject for alert in page.context["cl"].result_list]


def _history(alert: Alert) -> list[tuple[str, str, str]]:
    rows = Comment.objects.filter(table_name="alerts", row_id=str(alert.pk)).order_by("id")
    return list(rows.values_list("author__username", "action", "text"))


def test_comment_records_who_and_what(client: Client, alert: Alert) -> None:
    response = _post(client, alert, action="comment", text="asked the supplier")

    assert _history(alert) == [("ophelia", "comment", "asked the supplier")]
    assert [c.text for c, _action in response.context["comments"]] == ["asked the supplier"]


def test_comment_without_text_is_refused(client: Client, alert: Alert) -> None:
    response = _post(client, alert, action="comment", text="  ")

    assert message_levels(response) == ["error"]
    assert _history(alert) == []


def test_acknowledging_records_who_when_and_why(
    client: Client, operator: User, alert: Alert
) -> None:
    _post(client, alert, action="acknowledge", text="looking")

    alert.refresh_from_db()
    assert alert.acknowledged_by == operator
    assert alert.acknowledged_at is not None
    assert alert.closed_at is None
    assert _history(alert) == [("ophelia", "acknowledge", "looking")]


def test_alert_is_acknowledged_once(client: Client, alert: Alert) -> None:
    _post(client, alert, action="acknowledge")
    response = _post(client, alert, action="acknowledge")

    assert len(_history(alert)) == 1
    assert list(response.context["row_actions"]) == ["resolve"]


def test_resolving_closes_the_alert_with_a_reason(
    client: Client, operator: User, alert: Alert
) -> None:
    _post(client, alert, action="resolve", text="supplier is back")

    alert.refresh_from_db()
    assert (alert.closed_by, alert.closed_at is not None) == (operator, True)
    assert _history(alert) == [("ophelia", "resolve", "supplier is back")]


def test_resolving_without_a_reason_is_refused(client: Client, alert: Alert) -> None:
    response = _post(client, alert, action="resolve", text="")

    alert.refresh_from_db()
    assert message_levels(response) == ["error"]
    assert alert.closed_at is None


def test_closed_alert_is_not_acknowledged(client: Client, alert: Alert) -> None:
    _post(client, alert, action="resolve", text="done")

    response = _post(client, alert, action="acknowledge")

    alert.refresh_from_db()
    assert message_levels(response) == ["error"]
    assert alert.acknowledged_at is None


def test_cause_that_lasts_opens_another_alert(client: Client, alert: Alert) -> None:
    _post(client, alert, action="resolve", text="done")

    again = open_alert(code="stale", subject="ocs", message="no data", severity="warning")

    assert again.pk != alert.pk


def test_assignment_records_who_is_in_charge(client: Client, alert: Alert) -> None:
    colleague = _user("marc", "Operator")

    _post(client, alert, action="assign", assignee=colleague.pk, text="yours")

    alert.refresh_from_db()
    entry = Comment.objects.get(table_name="alerts")
    assert alert.assigned_to == colleague
    assert (entry.action, entry.assignee, entry.text) == ("assign", colleague, "yours")


def test_person_who_may_not_handle_alerts_is_not_put_in_charge(
    client: Client, alert: Alert
) -> None:
    auditor = _user("aude", "Auditor")

    response = _post(client, alert, action="assign", assignee=auditor.pk)

    alert.refresh_from_db()
    assert alert.assigned_to is None
    assert message_levels(response) == ["error"]


def test_reader_sees_the_comments_and_no_form(alert: Alert) -> None:
    reader = Client()
    reader.force_login(_user("aude", "Auditor"))

    page = reader.get(f"{LIST}{alert.pk}/change/")
    refused = reader.post(f"{LIST}{alert.pk}/discuss/", {"action": "comment", "text": "x"})

    assert page.context["discuss_url"] == ""
    assert refused.status_code == 403
    assert _history(alert) == []


def test_list_is_filtered_by_the_person_in_charge(
    client: Client, operator: User, alert: Alert
) -> None:
    mine = open_alert(code="stale", subject="mine", message="x")
    Alert.objects.filter(pk=mine.pk).update(assigned_to=operator)
    theirs = open_alert(code="stale", subject="theirs", message="x")
    Alert.objects.filter(pk=theirs.pk).update(assigned_to=_user("marc", "Operator"))

    shown = {
        choice: [
            a.subject for a in client.get(f"{LIST}?assignee={choice}").context["cl"].result_list
        ]
        for choice in ("me", "none", "others")
    }

    assert shown == {"me": ["mine"], "none": ["ocs"], "others": ["theirs"]}


def test_selected_alerts_are_assigned_acknowledged_and_resolved(
    client: Client, operator: User, alert: Alert
) -> None:
    selected = {"_selected_action": [alert.pk]}

    client.post(LIST, {"action": "assign_to_me", **selected})
    client.post(LIST, {"action": "acknowledge", **selected})
    question = client.post(LIST, {"action": "resolve", **selected})
    client.post(LIST, {"action": "resolve", "confirmed": "yes", "text": "over", **selected})

    alert.refresh_from_db()
    assert alert in question.context["alerts"]
    assert (alert.assigned_to, alert.closed_by) == (operator, operator)
    assert [action for _who, action, _why in _history(alert)] == [
        "assign",
        "acknowledge",
        "resolve",
    ]


@pytest.mark.parametrize(
    ("code", "subject", "url"),
    [
        ("stale", "ocs", "/console/catalog/catalogsource/ocs/change/"),
        (
            "metric_threshold",
            "till-1 temperature above",
            "/console/mlops/metricthreshold/metrics/?name=temperature",
        ),
        ("quality", "thc range", "/console/mlops/qualityfinding/?rule=thc+range"),
        ("integrity", "products block 0f", "/console/mlops/integrityseal/?table_name=products"),
        ("model_training_failed", "prices", "/console/mlops/trainingrun/?model=prices"),
        ("vector_recall", "products", "/console/vectors/vectorindex/?collection=products"),
        ("crawl_blocked", "competitor:shop", "/console/competitors/competitor/?q=shop"),
    ],
)
def test_alert_links_to_its_subject(client: Client, code: str, subject: str, url: str) -> None:
    open_alert(code=code, subject=subject, message="x")

    page = client.get(LIST)

    assert is_linked(page, url)
    assert client.get(url).status_code == 200


def test_alert_about_a_price_links_to_the_product(client: Client) -> None:
    product = ProductFactory.create()
    open_alert(code="price_jump", subject=str(product.pk), message="x")

    assert is_linked(client.get(LIST), f"/console/catalog/product/{product.pk}/change/")


def test_alert_without_a_page_shows_its_subject(client: Client) -> None:
    open_alert(code="login_blocked", subject="address", message="x")

    page = client.get(LIST)

    assert page.status_code == 200
    assert "address" in page.content.decode()


@pytest.mark.parametrize(
    ("severity", "color"), [("error", "bg-red-100"), ("warning", "bg-orange-100")]
)
def test_severity_is_a_colored_label_in_list_and_page(
    client: Client, severity: str, color: str
) -> None:
    alert = open_alert(code="stale", subject="ocs", message="x", severity=severity)

    pages = [client.get(url).content.decode() for url in (LIST, f"{LIST}{alert.pk}/change/")]

    label = re.compile(rf"{color}[^>]*>\s*{severity}\s*<")
    assert [bool(label.search(page)) for page in pages] == [True, True]


def test_alert_page_advises(client: Client, alert: Alert) -> None:
    page = client.get(f"{LIST}{alert.pk}/change/").content.decode()

    assert "Source without recent data" in page
    assert "Run the source by hand." in page


def _query_count(client: Client, url: str) -> int:
    """Return the fewest queries of three requests: one may fill a cache of the process."""
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        counts.append(len(queries))
    return min(counts)


def test_list_of_alerts_needs_the_same_queries_for_many(client: Client, operator: User) -> None:
    def open_alerts(*numbers: int) -> None:
        for number in numbers:
            opened = open_alert(code="stale", subject=f"source-{number}", message="x")
            Alert.objects.filter(pk=opened.pk).update(assigned_to=operator)

    open_alerts(0)
    of_one = _query_count(client, LIST)

    open_alerts(*range(1, 30))

    assert _query_count(client, LIST) == of_one


def test_page_of_an_alert_needs_the_same_queries_for_many_comments(
    client: Client, alert: Alert
) -> None:
    page = f"{LIST}{alert.pk}/change/"
    _post(client, alert, action="comment", text="0")
    of_one = _query_count(client, page)

    for number in range(1, 20):
        _post(client, alert, action="comment", text=str(number))

    assert _query_count(client, page) == of_one


def test_home_ranks_alerts_by_what_is_mine_and_unassigned(
    client: Client, operator: User, alert: Alert
) -> None:
    mine = open_alert(code="stale", subject="mine", message="x", severity="warning")
    Alert.objects.filter(pk=mine.pk).update(assigned_to=operator)

    work = {str(item.title): item for item in client.get("/console/").context["work"]}

    item = work["Alerts: warnings"]
    assert (item.count, item.mine, item.unassigned) == (2, 1, 1)
    page = client.get(item.assignee_urls["me"])
    assert [a.subject for a in page.context["cl"].result_list] == ["mine"]


def test_acknowledged_alerts_are_no_longer_urgent(client: Client, alert: Alert) -> None:
    _post(client, alert, action="acknowledge")

    work = {str(item.title): item for item in client.get("/console/").context["work"]}

    assert "Alerts: warnings" not in work
    assert work["Alerts: acknowledged warnings"].urgency.name == "ROUTINE"


ALERT_CHART = "/console/mlops/metricthreshold/metrics/"


class TestThresholds:
    """Thresholds of metrics that exist."""

    ADDRESS = "/console/mlops/metricthreshold/add/"

    def _add(self, client: Client, name: str) -> Any:
        return client.post(
            self.ADDRESS, {"name": name, "source": "", "side": "above", "value": 3, "is_active": 1}
        )

    def test_unknown_metric_is_refused_with_the_known_ones(self, client: Client) -> None:
        SystemMetricFactory.create(name="temperature")

        response = self._add(client, "temprature")

        (error,) = response.context["adminform"].form.errors["name"]
        assert "temperature" in error
        assert "model.feature_psi" in error
        assert not MetricThreshold.objects.filter(name="temprature").exists()

    @pytest.mark.parametrize("name", ["temperature", "model.outcome_drop"])
    def test_metric_with_values_or_of_models_is_accepted(self, client: Client, name: str) -> None:
        SystemMetricFactory.create(name="temperature")
        MetricThreshold.objects.filter(name=name).delete()

        response = self._add(client, name)

        assert response.status_code == 302
        assert MetricThreshold.objects.filter(name=name).exists()

    def test_m21_chart_shows_axis_values_and_thresholds(self, client: Client) -> None:
        SystemMetricFactory.create(name="temperature", source="fridge", value=4)
        MetricThreshold.objects.create(name="temperature", side="above", value=8)
        MetricThreshold.objects.create(name="temperature", side="below", value=2, is_active=False)

        page = client.get(ALERT_CHART, {"name": "temperature"}).context

        lines = {line["label"]: line["data"] for line in json.loads(page["chart"])["datasets"]}
        options = json.loads(page["chart_options"])
        assert lines["fridge"] == [4.0]
        assert lines["Threshold: Above 8"] == [8.0]
        assert len(lines) == 2
        assert options["scales"]["y"]["display"]
        assert options["plugins"]["tooltip"]["enabled"]

    def test_threshold_whose_metric_fell_silent_can_still_be_changed(self, client: Client) -> None:
        row = MetricThreshold.objects.create(name="gone", side="above", value=1)

        client.post(
            f"/console/mlops/metricthreshold/{row.pk}/change/",
            {"name": "gone", "source": "", "side": "above", "value": 9},
        )

        row.refresh_from_db()
        assert (row.value, row.is_active) == (9, False)
