"""Home page of the console: work by urgency and age, charts, by permission."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from catalog.models import CatalogSource, ReviewItem
from competitors.models import CrawlStatus
from mlops.models import Alert, Deployment, Erasure, Run
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.competitors import CompetitorFactory
from tests.factories.customers import PurchaseFactory
from tests.factories.mlops import QuarantinedRecordFactory, RunFactory
from tests.factories.registry import ModelVersionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_charts() -> None:
    cache.clear()


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=None))
    return client


def _work(client: Client) -> list[tuple[str, int]]:
    return [(str(item.title), item.count) for item in client.get("/console/").context["work"]]


def _charts(client: Client) -> dict[str, Any]:
    return {str(chart["title"]): chart for chart in client.get("/console/").context["charts"]}


def test_home_without_work_says_so(staff: Client) -> None:
    CatalogSource.objects.update(is_enabled=False)

    response = staff.get("/console/")

    assert response.context["work"] == []
    assert "Nothing waits for you." in response.content.decode()


def test_work_is_ranked_by_urgency_and_then_by_age(staff: Client) -> None:
    now = timezone.now()
    CatalogSource.objects.update(is_enabled=False)
    CatalogSource.objects.filter(pk="ocs").update(is_enabled=True)
    QuarantinedRecordFactory.create_batch(2, run=RunFactory.create(source="aglc"))
    ReviewItem.objects.create(
        product=ProductFactory.create(), field="price", source="ocs", opened_at=now - timedelta(1)
    )
    CompetitorFactory.create(is_enabled=True, status=CrawlStatus.BLOCKED, status_since=now)
    Alert.objects.create(code="stale", subject="ocs", severity="warning", opened_at=now)
    Erasure.objects.create(
        subject=ProductFactory.create().pk, status=Erasure.Status.INCOMPLETE, requested_by="x"
    )
    RunFactory.create(source="ocs", status=Run.Status.FAILED, started_at=now - timedelta(hours=3))

    titles = [title for title, _count in _work(staff)]

    assert titles[0] == "Last run failed: Ontario Cannabis Store"
    assert titles[1] == "Erasures that are not complete"
    assert set(titles[2:4]) == {"Alerts: warnings", "Competitors that block crawls"}
    assert titles[4:] == [
        "Source values that differ from a locked field",
        "Rejected records in quarantine",
    ]


def test_source_that_recovered_needs_no_attention(staff: Client) -> None:
    now = timezone.now()
    CatalogSource.objects.update(is_enabled=False)
    CatalogSource.objects.filter(pk="ocs").update(is_enabled=True)
    RunFactory.create(source="ocs", status=Run.Status.FAILED, started_at=now - timedelta(hours=3))
    RunFactory.create(source="ocs", status=Run.Status.SUCCEEDED, started_at=now)

    assert _work(staff) == []


def test_work_leads_to_the_rows_that_wait(staff: Client) -> None:
    Alert.objects.create(code="stale", subject="ocs", severity="warning")
    Alert.objects.create(code="lost", subject="cars", severity="error")

    items = {str(i.title): i for i in staff.get("/console/").context["work"]}

    page = staff.get(items["Alerts: warnings"].url)
    assert [alert.code for alert in page.context["cl"].result_list] == ["stale"]


def test_newest_version_that_was_never_deployed_waits_for_approval(staff: Client) -> None:
    ModelVersionFactory.create(model="prices", number=1, verdict="passed")
    waiting = ModelVersionFactory.create(model="prices", number=2, verdict="passed")
    ModelVersionFactory.create(model="effects", number=1, verdict="failed")

    before = _work(staff)
    Deployment.objects.create(
        model="prices",
        version=waiting,
        role=Deployment.Role.CHAMPION,
        started_at=timezone.now(),
        policy="automatic",
    )

    assert ("Model versions to approve", 1) in before
    assert "Model versions to approve" not in dict(_work(staff))


def test_work_and_charts_follow_the_permissions() -> None:
    user = User.objects.create_user("colette", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name="Pricing"))
    client = Client()
    client.force_login(user)
    QuarantinedRecordFactory.create(run=RunFactory.create(source="aglc"))
    PurchaseFactory.create(store=StoreFactory.create(code="home"))

    before = client.get("/console/").context
    user.user_permissions.add(Permission.objects.get(codename="view_quarantinedrecord"))
    after = client.get("/console/").context

    assert before["work"] == []
    assert before["charts"] == []
    assert [str(item.title) for item in after["work"]] == ["Rejected records in quarantine"]
    assert [str(chart["title"]) for chart in after["charts"]] == [
        "Rejected records in the last 30 days"
    ]
    assert "sources" not in before


def test_sales_chart_has_a_value_for_each_day(staff: Client) -> None:
    store = StoreFactory.create(code="home")
    now = timezone.now()
    for days, quantity in ((1, 2), (1, 1), (40, 9)):
        PurchaseFactory.create(
            store=store, quantity=quantity, unit_price="10.00", purchased_at=now - timedelta(days)
        )

    chart = _charts(staff)["Sales in the last 30 days"]

    data = json.loads(chart["data"])
    assert len(data["labels"]) == 30
    assert data["datasets"][0]["data"][-2:] == [30.0, 0.0]
    assert sum(data["datasets"][0]["data"]) == 30.0
