"""The console shows what a sync brought, and nobody but staff sees it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from mlops.models import QuarantinedRecord, RawRecord, Run
from mlops.pipelines.runner import run_source
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(client: Client) -> Client:
    """A browser of somebody who may do everything."""
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def run(supplier: SampleSupplier) -> Run:
    """A sync with one product quarantined."""
    supplier.fault = "malformed-product"
    return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")


def _page(browser: Client, name: str, *arguments: Any, **query: str) -> str:
    answer = browser.get(reverse(f"admin:{name}", args=arguments), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_home_counts_and_says_what_to_do_when_empty(
    staff: Client, supplier: SampleSupplier
) -> None:
    assert "No products yet" in _page(staff, "index")
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    home = _page(staff, "index")
    assert "No products yet" not in home
    assert str(Product.objects.count()) in home
    assert "Ontario Cannabis Store" in home


def test_products_are_searched_and_filtered(staff: Client, run: Run) -> None:
    product = Product.objects.filter(strain_type="hybrid").exclude(thc_percentage=None)[0]
    found = _page(staff, "catalog_product_changelist", q=product.sku or product.name)
    assert product.name in found
    sativas = _page(staff, "catalog_product_changelist", strain_type="sativa", q=product.sku or "")
    assert f"/{product.pk}/" not in sativas
    potent = {"thc_percentage_from": "99", "thc_percentage_to": "100"}
    assert f"/{product.pk}/" not in _page(staff, "catalog_product_changelist", **potent)


def test_product_page_leads_to_the_bytes_it_was_read_from(staff: Client, run: Run) -> None:
    product = Product.objects.get(gtin="00628124825080")
    listing = SupplierListing.objects.filter(merge_key=product.merge_key, language="en").get()
    record = RawRecord.objects.get(run=run, bundle=listing.bundle)
    page = _page(staff, "catalog_product_change", product.pk)
    assert "Linx cubain" in page
    assert reverse("admin:mlops_rawrecord_change", args=[record.pk]) in page
    assert (
        listing.external_id in _page(staff, "mlops_rawrecord_change", record.pk)
        or record.size_bytes > 20_000
    )
    sent = staff.get(reverse("admin:mlops_rawrecord_bytes", args=[record.pk]))
    assert listing.external_id.encode() in sent.content
    assert (sent["Content-Type"], sent["X-Content-Type-Options"]) == (
        "application/octet-stream",
        "nosniff",
    )
    assert sent["Content-Disposition"].startswith("attachment")


def test_run_page_tells_counts_checksums_and_what_was_rejected(staff: Client, run: Run) -> None:
    page = _page(staff, "mlops_run_change", run.pk)
    reason = QuarantinedRecord.objects.get().reason
    for fact in (run.checksum_in, run.checksum_out, str(run.new), reason, "supplier_listings"):
        assert fact in page
    assert run.status in _page(staff, "mlops_run_changelist")
    for name in ("lineageentry", "rawrecord", "alert", "quarantinedrecord"):
        _page(staff, f"mlops_{name}_changelist")


def test_quarantined_payload_is_shown_but_not_run(staff: Client, run: Run) -> None:
    record = QuarantinedRecord.objects.get()
    assert "No variants" in _page(staff, "mlops_quarantinedrecord_change", record.pk)
    record.payload = {"title": "<script>alert(1)</script>"}
    record.save()
    page = _page(staff, "mlops_quarantinedrecord_change", record.pk)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_the_machine_wrote_cannot_be_changed(staff: Client, run: Run) -> None:
    for name, row in (("mlops_run", run), ("mlops_rawrecord", RawRecord.objects.all()[0])):
        assert (
            staff.post(reverse(f"admin:{name}_change", args=[row.pk]), {"source": "x"}).status_code
            == 403
        )
        assert (
            staff.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code
            == 403
        )


def test_lists_ask_the_same_however_long_they_are(
    staff: Client, run: Run, django_assert_max_num_queries: Any
) -> None:
    for name in ("catalog_product", "catalog_supplierlisting", "mlops_rawrecord", "mlops_run"):
        with django_assert_max_num_queries(16):
            _page(staff, f"{name}_changelist")


def test_run_now_queues_a_sync(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[str] = []
    monkeypatch.setattr(
        "catalog.admin.sources.sync_source.delay", lambda *, code: queued.append(code)
    )
    row = CatalogSource.objects.get(pk="ocs")
    address = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    form = {
        "label": row.label,
        "is_enabled": "on",
        "base_url": "http://127.0.0.1:1/ocs",
        "authentication": "none",
        "requests_per_second": "5",
        "most_gone_percent": "20",
        "most_jumped_percent": "10",
        "catalog_catalogsource_save_and_run_now": "1",
    }
    assert staff.post(address, form, follow=True).status_code == 200
    row.refresh_from_db()
    assert (row.is_enabled, row.base_url, queued) == (True, "http://127.0.0.1:1/ocs", ["ocs"])
    listed = reverse("admin:catalog_catalogsource_changelist")
    answer = staff.post(listed, {"action": "run_now", "_selected_action": ["sqdc"]}, follow=True)
    assert queued == ["ocs", "sqdc"]
    assert "see its runs" in answer.content.decode()


def test_only_staff_come_in(client: Client) -> None:
    client.force_login(User.objects.create_user("customer"))
    for name in ("index", "catalog_product_changelist", "mlops_rawrecord_changelist"):
        answer = client.get(reverse(f"admin:{name}"))
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]
