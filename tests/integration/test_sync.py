"""The main job: a supplier's feed becomes products, once; a broken feed touches nothing."""

import pytest

from catalog.ingest.pipeline import SUPPLIER_PRODUCTS
from catalog.models import Product, SupplierListing
from config.errors import CultivarError
from mlops.flow.runner import rehearse_source, run_due, run_source
from mlops.models import Alert, QuarantinedRecord, Run
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


def _sync(supplier: SampleSupplier, code: str = "ocs") -> Run:
    return run_source(SUPPLIER_PRODUCTS, code=code, base_url=f"{supplier.url}/{code}")


@pytest.mark.parametrize("code", ["ocs", "sqdc"])
def test_second_sync_changes_nothing(supplier: SampleSupplier, code: str) -> None:
    first, second = _sync(supplier, code), _sync(supplier, code)
    assert first.new == first.read > 0
    assert (second.new, second.changed, second.unchanged) == (0, 0, first.new)
    assert second.checksum_out == first.checksum_out


def test_english_and_french_listings_are_one_product(supplier: SampleSupplier) -> None:
    _sync(supplier)
    product = Product.objects.get(gtin="00628124825080")
    assert (product.name, product.name_fr) == ("Cuban Linx Pre-Roll", "Linx cubain")
    assert SupplierListing.objects.filter(merge_key=product.merge_key).count() == 2


def test_changed_price_reaches_the_product(supplier: SampleSupplier) -> None:
    _sync(supplier)
    sku = supplier.ocs[0]["variants"][0]["sku"]
    supplier.ocs[0]["variants"][0]["price"] = "12.34"
    run = _sync(supplier)
    assert (run.new, run.changed) == (0, 1)
    assert str(Product.objects.get(sku=sku.rstrip("_")).price) == "12.34"


@pytest.mark.parametrize("code", ["ocs", "sqdc"])
@pytest.mark.parametrize("fault", ["500", "truncated", "html", "empty"])
def test_broken_feed_touches_nothing_and_the_next_run_recovers(supplier: SampleSupplier, fault: str, code: str) -> None:
    before = _sync(supplier, code).checksum_out
    supplier.fault = fault
    with pytest.raises(CultivarError):
        _sync(supplier, code)
    failed = Run.objects.first()
    assert failed is not None
    assert failed.status == Run.Status.FAILED
    assert failed.error
    assert Alert.objects.filter(closed_at=None).count() == 1
    supplier.fault = None
    assert _sync(supplier, code).checksum_out == before
    assert not Alert.objects.filter(closed_at=None).exists()


def test_malformed_product_is_quarantined_and_the_others_go_on(supplier: SampleSupplier) -> None:
    supplier.fault = "malformed-product"
    run = _sync(supplier)
    assert (run.rejected, run.new) == (1, run.read - 1)
    assert QuarantinedRecord.objects.get().payload == {"id": 1, "title": "No variants"}


def test_run_that_died_while_refining_is_finished_later(supplier: SampleSupplier) -> None:
    run = _sync(supplier)
    SupplierListing.objects.all().delete()
    run.raw_records.update(refined_at=None)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.LANDED)
    assert run_due(SUPPLIER_PRODUCTS) == 1
    run_again = Run.objects.get(pk=run.pk)
    assert (run_again.status, run_again.checksum_out) == (Run.Status.SUCCEEDED, run.checksum_out)


def test_rehearsal_counts_and_writes_nothing(supplier: SampleSupplier) -> None:
    run = rehearse_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    assert run.new > 0
    assert not Product.objects.exists()
    assert not Run.objects.exists()
