"""Dry runs and runs in the console: a dry run opens at once and refreshes; links from a run."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import CatalogSource
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.tasks import dry_run_catalog_source
from config.errors import CultivarError
from mlops.models import Alert, Run
from mlops.pipelines.runner import run_source
from tests.factories.mlops import RunFactory
from tests.integration.console import is_linked, message_levels
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Arguments of the dry runs that the console has queued."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(dry_run_catalog_source, "delay", lambda **kwargs: calls.append(kwargs))
    return calls


def _address(code: str = "ocs") -> str:
    return reverse("admin:catalog_catalogsource_dry_run", args=[code])


def _page(run: Run) -> str:
    return reverse("admin:mlops_run_change", args=[run.pk])


def test_dry_run_opens_its_page_at_once(
    admin_client: Client,
    queued: list[dict[str, Any]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post(_address(), follow=True)

    run = Run.objects.get()
    assert response.redirect_chain[-1][0] == _page(run)
    assert (run.is_dry_run, run.status) == (True, Run.Status.RUNNING)
    assert queued == [{"code": "ocs", "run_id": str(run.pk)}]


def test_dry_run_is_not_started_by_a_link(
    admin_client: Client, queued: list[dict[str, Any]]
) -> None:
    response = admin_client.get(_address())

    assert response.status_code == 405
    assert (queued, Run.objects.count()) == ([], 0)


def test_dry_run_needs_the_permission_to_change_sources(
    client: Client, django_user_model: Any, queued: list[dict[str, Any]]
) -> None:
    client.force_login(django_user_model.objects.create_user("marc", is_staff=True))

    response = client.post(_address())

    assert response.status_code == 403
    assert (queued, Run.objects.count()) == ([], 0)


def test_dry_run_of_a_list_without_columns_is_refused(
    admin_client: Client, queued: list[dict[str, Any]]
) -> None:
    CatalogSource.objects.create(code="list", label="List", kind=CatalogSource.Kind.SHEET)

    response = admin_client.post(_address("list"), follow=True)

    assert message_levels(response) == ["error"]
    assert (queued, Run.objects.count()) == ([], 0)


@pytest.mark.parametrize("status", [Run.Status.RUNNING, Run.Status.LANDED])
def test_page_refreshes_while_a_run_goes_on(admin_client: Client, status: str) -> None:
    run = RunFactory.create(status=status, finished_at=None)

    assert admin_client.get(_page(run))["Refresh"] == "3"


def test_page_of_a_finished_run_stays(admin_client: Client) -> None:
    run = RunFactory.create()

    assert "Refresh" not in admin_client.get(_page(run))


def test_finished_dry_run_fills_the_row_that_was_opened(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    CatalogSource.objects.filter(pk="aglc").update(base_url=f"{supplier.url}/aglc")
    started = RunFactory.create(source="aglc", running=True, is_dry_run=True)

    dry_run_catalog_source.run(code="aglc", run_id=str(started.pk))
    dry_run_catalog_source.run(code="aglc", run_id=str(started.pk))  # delivered again

    run = Run.objects.get()
    assert (run.pk, run.status, run.new) == (started.pk, Run.Status.SUCCEEDED, 120)
    report = admin_client.get(_page(run)).context["report"]
    assert (report.count, report.rows[0].is_new) == (120, True)
    assert report.rows[0].name != report.rows[0].key


def test_failed_dry_run_says_why_and_opens_no_alert(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    CatalogSource.objects.filter(pk="aglc").update(base_url=f"{supplier.url}/nothing-here")
    started = RunFactory.create(source="aglc", running=True, is_dry_run=True)

    with pytest.raises(CultivarError) as raised:
        dry_run_catalog_source.run(code="aglc", run_id=str(started.pk))

    run = Run.objects.get()
    assert (run.status, run.error) == (Run.Status.FAILED, str(raised.value))
    assert "Refresh" not in admin_client.get(_page(run))
    assert not Alert.objects.exists()


def test_run_leaves_a_dry_run_in_progress_alone(supplier: SampleSupplier) -> None:
    CatalogSource.objects.filter(pk="aglc").update(base_url=f"{supplier.url}/aglc")
    dry_run = RunFactory.create(source="aglc", running=True, is_dry_run=True)

    run = run_source(SUPPLIER_PRODUCTS, code="aglc")

    dry_run.refresh_from_db()
    assert run.pk != dry_run.pk
    assert (dry_run.status, dry_run.is_dry_run) == (Run.Status.RUNNING, True)


def test_report_is_filtered_on_the_page(admin_client: Client) -> None:
    differences = [
        {"key": "1", "name": "Oil", "before": {"price": "9"}, "after": {"price": "10"}},
        {"key": "2", "name": "Vape", "before": {"brand": "A"}, "after": {"brand": "B"}},
    ]
    run = RunFactory.create(
        is_dry_run=True, report={"table": "supplier_listings", "differences": differences}
    )

    report = admin_client.get(f"{_page(run)}?field=price").context["report"]

    assert [row.name for row in report.rows] == ["Oil"]


def test_run_links_to_source_listings_products_and_changes(admin_client: Client) -> None:
    run = RunFactory.create(source="ocs", pipeline=SUPPLIER_PRODUCTS.name)

    page = admin_client.get(_page(run))

    links = dict(page.context["run_links"])
    assert links["Source"] == reverse("admin:catalog_catalogsource_change", args=["ocs"])
    assert len(links) == 6
    for label, url in links.items():
        assert is_linked(page, url.replace("&", "&amp;")), label
        target = admin_client.get(url)
        assert target.status_code == 200, label
        assert "?e=1" not in url


def test_crawl_links_to_its_offers(admin_client: Client) -> None:
    run = RunFactory.create(source="competitor:shop", pipeline="competitors.offers")

    links = dict(admin_client.get(_page(run)).context["run_links"])

    assert admin_client.get(links["Offers that the run wrote last"]).status_code == 200
    assert "Products of the source" not in links


def test_page_of_a_run_needs_few_queries(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    run = RunFactory.create(
        is_dry_run=True,
        report={
            "differences": [
                {"key": str(uuid4()), "before": {"price": "9"}, "after": {"price": "10"}}
                for _ in range(100)
            ]
        },
    )

    with django_assert_max_num_queries(20):
        admin_client.get(_page(run))
