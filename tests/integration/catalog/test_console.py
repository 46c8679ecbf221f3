"""Console pages of products, sources and runs after a sync."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from mlops.models import QuarantinedRecord, RawRecord, Run
from mlops.pipelines.runner import run_source
from tests.factories.catalog import StoreFactory
from tests.factories.mlops import QuarantinedRecordFactory, RunFactory
from tests.integration.console import message_levels
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)
MAX_QUERIES = 16


@pytest.fixture
def staff(client: Client) -> Client:
    """Return a client logged in as a superuser."""
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def run(supplier: SampleSupplier) -> Run:
    """Return a sync with one quarantined product."""
    supplier.fault = "malformed-product"
    return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")


def _get_page(client: Client, name: str, *args: Any, **query: str) -> str:
    response = client.get(reverse(f"admin:{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def test_home_shows_the_first_steps_until_they_are_done(
    staff: Client, supplier: SampleSupplier
) -> None:
    CatalogSource.objects.update(is_enabled=False)

    steps = staff.get(reverse("admin:index")).context["first_steps"]
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    CatalogSource.objects.filter(code="ocs").update(is_enabled=True)
    later = staff.get(reverse("admin:index")).context["first_steps"]
    StoreFactory.create()
    at_last = staff.get(reverse("admin:index")).context["first_steps"]

    assert [step["is_done"] for step in steps[:3]] == [False, False, False]
    assert [step["is_done"] for step in later[:3]] == [True, True, False]
    assert at_last == []


def test_first_steps_are_those_of_the_permissions(client: Client) -> None:
    CatalogSource.objects.update(is_enabled=False)
    user = User.objects.create_user("colette", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_product"))
    client.force_login(user)

    steps = client.get(reverse("admin:index")).context["first_steps"]

    assert [step["url"] for step in steps] == [reverse("admin:catalog_product_changelist")]


def test_empty_list_links_to_its_help(staff: Client) -> None:
    page = _get_page(staff, "mlops_run_changelist")

    assert "Nothing is listed yet." in page
    assert page.count(f"{reverse('console-help')}#runs") == 2


def test_list_that_a_search_empties_says_so(staff: Client) -> None:
    page = _get_page(staff, "catalog_licenceholder_changelist", q="nowhere")

    assert "No row meets the search and the filters." in page


def test_home_shows_the_source_of_a_run(staff: Client, supplier: SampleSupplier) -> None:
    run = run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")

    home = staff.get(reverse("admin:index")).context
    source_url = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    (source,) = [
        row for row in [*home["sources"], *home["disabled_sources"]] if row["url"] == source_url
    ]
    assert source["listings"] == run.new
    assert source["status"] == "succeeded"


def test_products_are_searched_and_filtered(staff: Client, run: Run) -> None:
    product = Product.objects.filter(strain_type="hybrid").exclude(thc_percentage=None)[0]
    query = product.sku or product.name

    found = _get_page(staff, "catalog_product_changelist", q=query)
    sativas = _get_page(
        staff, "catalog_product_changelist", strain_type="sativa", q=product.sku or ""
    )
    potent = _get_page(
        staff,
        "catalog_product_changelist",
        thc_percentage_from="99",
        thc_percentage_to="100",
    )

    assert product.name in found
    assert f"/{product.pk}/" not in sativas
    assert f"/{product.pk}/" not in potent


def test_product_page_links_to_the_raw_bytes_it_was_read_from(staff: Client, run: Run) -> None:
    product = Product.objects.get(gtin="00628124825080")
    listing = SupplierListing.objects.filter(merge_key=product.merge_key, language="en").get()
    record = RawRecord.objects.get(run=run, bundle=listing.bundle)

    page = _get_page(staff, "catalog_product_change", product.pk)
    record_page = _get_page(staff, "mlops_rawrecord_change", record.pk)
    download = staff.get(reverse("admin:mlops_rawrecord_bytes", args=[record.pk]))

    assert "Linx cubain" in page
    assert reverse("admin:mlops_rawrecord_change", args=[record.pk]) in page
    assert listing.external_id in record_page or record.size_bytes > 20_000
    assert listing.external_id.encode() in download.content
    assert download["Content-Type"] == "application/octet-stream"
    assert download["X-Content-Type-Options"] == "nosniff"
    assert download["Content-Disposition"].startswith("attachment")


def test_l5_bytes_are_downloaded_with_the_extension_of_their_type(staff: Client, run: Run) -> None:
    record = RawRecord.objects.filter(run=run, content_type__startswith="application/json")[0]

    download = staff.get(reverse("admin:mlops_rawrecord_bytes", args=[record.pk]))

    assert download["Content-Disposition"].endswith('.json"')


def test_missing_bytes_are_reported_without_a_path(
    staff: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_record: RawRecord) -> bytes:
        raise FileNotFoundError(2, "No such file", "/srv/objects/raw/27")

    monkeypatch.setattr("mlops.admin.raw_records.read_body", fail)
    record = RawRecord.objects.filter(run=run)[0]

    page = _get_page(staff, "mlops_rawrecord_change", record.pk)

    assert "The bytes are missing in the store" in page
    assert "/srv/objects" not in page


def test_h10_page_of_a_source_shows_its_last_run_in_words(staff: Client, run: Run) -> None:
    page = _get_page(staff, "catalog_catalogsource_change", "ocs")

    assert "Succeeded, 0" in page
    assert "(&#x27;succeeded&#x27;" not in page


def test_m15_run_that_receives_events_is_running(staff: Client) -> None:
    RunFactory.create(source="purchases", status="succeeded", finished_at=None)

    page = _get_page(staff, "mlops_run_changelist")

    assert "Running" in page
    assert "in progress" in page


def test_m14_quarantine_is_searched_by_source(staff: Client) -> None:
    QuarantinedRecordFactory.create(run=RunFactory.create(source="aglc"), source="aglc")
    QuarantinedRecordFactory.create(run=RunFactory.create(source="sqdc"), source="sqdc")

    response = staff.get(reverse("admin:mlops_quarantinedrecord_changelist"), {"q": "aglc"})

    assert [row.source for row in response.context["cl"].result_list] == ["aglc"]


def test_state_of_a_run_is_a_word_on_its_page(staff: Client, run: Run) -> None:
    page = _get_page(staff, "mlops_run_change", run.pk)

    assert "&#x27;Succeeded&#x27;)" not in page
    assert ">Succeeded<" in re.sub(r"\s+", "", page)


def test_run_page_shows_counts_checksums_and_rejections(staff: Client, run: Run) -> None:
    reason = QuarantinedRecord.objects.get().reason

    page = _get_page(staff, "mlops_run_change", run.pk)

    for text in (run.checksum_in, run.checksum_out, str(run.new), reason, "supplier_listings"):
        assert text in page
    assert run.status in _get_page(staff, "mlops_run_changelist")


@pytest.mark.parametrize("name", ["lineageentry", "rawrecord", "alert", "quarantinedrecord"])
def test_lists_of_pipeline_records_are_shown(staff: Client, run: Run, name: str) -> None:
    assert _get_page(staff, f"mlops_{name}_changelist")


def test_quarantined_payload_is_escaped(staff: Client, run: Run) -> None:
    record = QuarantinedRecord.objects.get()
    assert "No variants" in _get_page(staff, "mlops_quarantinedrecord_change", record.pk)

    record.payload = {"title": "<script>alert(1)</script>"}
    record.save()

    page = _get_page(staff, "mlops_quarantinedrecord_change", record.pk)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_records_of_the_pipeline_cannot_be_changed_or_deleted(staff: Client, run: Run) -> None:
    for name, row in (("mlops_run", run), ("mlops_rawrecord", RawRecord.objects.all()[0])):
        change = staff.post(reverse(f"admin:{name}_change", args=[row.pk]), {"source": "x"})
        delete = staff.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"})

        assert change.status_code == 403
        assert delete.status_code == 403


def test_number_of_queries_of_lists_is_bounded(
    staff: Client, run: Run, django_assert_max_num_queries: Any
) -> None:
    for name in ("catalog_product", "catalog_supplierlisting", "mlops_rawrecord", "mlops_run"):
        with django_assert_max_num_queries(MAX_QUERIES):
            _get_page(staff, f"{name}_changelist")


def test_run_now_queues_a_sync(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[str] = []
    monkeypatch.setattr(
        "catalog.admin.sources.sync_source.delay", lambda *, code: queued.append(code)
    )
    source = CatalogSource.objects.get(pk="ocs")
    form = {
        "label": source.label,
        "is_enabled": "on",
        "base_url": "http://127.0.0.1:1/ocs",
        "authentication": "none",
        "requests_per_second": "5",
        "max_gone_percent": "20",
        "max_price_jump_percent": "10",
        "catalog_catalogsource_save_and_run_now": "1",
    }

    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    assert staff.post(page, form, follow=True).status_code == 200
    source.refresh_from_db()
    assert source.is_enabled
    assert source.base_url == "http://127.0.0.1:1/ocs"
    assert queued == ["ocs"]

    source_list = reverse("admin:catalog_catalogsource_changelist")
    response = staff.post(
        source_list, {"action": "run_now", "_selected_action": ["sqdc"]}, follow=True
    )
    assert queued == ["ocs", "sqdc"]
    assert message_levels(response) == ["success"]


@pytest.mark.parametrize(
    "name", ["index", "catalog_product_changelist", "mlops_rawrecord_changelist"]
)
def test_console_requires_a_staff_account(client: Client, name: str) -> None:
    client.force_login(User.objects.create_user("customer"))

    response = client.get(reverse(f"admin:{name}"))

    assert response.status_code == 302
    assert "/login/" in response["Location"]
