"""Journeys of a catalogue editor: correct, import, merge, sync, fix what was rejected."""

from decimal import Decimal
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from catalog.models import CatalogSource, Product, ProductLock, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from mlops.models import QuarantinedRecord
from mlops.pipelines.runner import run_source
from tests.browser.conftest import OpenConsole
from tests.factories.catalog import ProductFactory
from tests.integration.catalog.test_corrections import import_listings, make_listing
from tests.samples.suppliers.server import SampleSupplier


def test_product_is_corrected_and_locked_against_the_next_sync(open_console: OpenConsole) -> None:
    import_listings(make_listing(merge_key="gtin:1"))
    product = Product.objects.get()
    console = open_console()

    console.open("catalog_product_change", product.pk)
    console.fill("Price, $", "27.45")
    console.fill("Reason", "price tag")
    console.click("Save and continue editing")
    import_listings(make_listing(merge_key="gtin:1", price=Decimal("31.00")))
    console.page.reload()

    assert console.value("Price, $") == "27.45"
    assert "price tag" in console.page.locator("#field-price").inner_text()
    assert ProductLock.objects.get().field == "price"


def test_product_with_an_error_leads_to_the_field(open_console: OpenConsole) -> None:
    console = open_console()
    console.open("catalog_product_change", ProductFactory.create().pk)

    console.fill("THC to, %", "130")
    console.click("Save and continue editing")
    console.page.get_by_role("link", name="THC to, %").first.click()

    assert "must be from 0 to 100" in console.text
    assert console.page.evaluate("document.activeElement.name") == "thc_percentage_high"


def test_import_names_the_faulty_row_and_imports_the_corrected_sheet(
    open_console: OpenConsole, tmp_path: Any
) -> None:
    for sku in ("A-1", "A-2"):
        ProductFactory.create(sku=sku, price=Decimal(20))
    faulty, corrected = tmp_path / "prices.csv", tmp_path / "corrected.csv"
    faulty.write_text("sku,price\nA-1,27.45\nA-2,dear\n")
    corrected.write_text("sku,price\nA-1,27.45\nA-2,22.10\n")
    console = open_console()

    console.upload_sheet(faulty)
    refusal = console.text
    console.upload_sheet(corrected)
    console.click("Confirm import")
    console.page.reload()

    assert "is not a price" in refusal
    assert "Confirm import" not in refusal
    prices = Product.objects.order_by("sku").values_list("price", flat=True)
    assert list(prices) == [Decimal("27.45"), Decimal("22.10")]
    assert console.page.get_by_role("link", name="Undo").is_visible()


def test_two_products_are_merged_and_unmerged(open_console: OpenConsole) -> None:
    import_listings(
        make_listing("aglc", "1", name="Pink Kush"), make_listing("ocs", "2", name="Pink Kush 3.5")
    )
    before = list(Product.objects.order_by("pk").values("name", "sku", "source"))
    console = open_console()

    console.open("catalog_product_changelist")
    console.select_rows(2)
    console.run_action("Merge the two selected products")
    assert "survives" in console.text
    console.click("Yes, merge")
    merged = Product.objects.current().get()
    with console.page.expect_navigation():
        console.page.locator("#messages a").click()
    console.press("Origin")
    console.click("Unmerge")
    console.submit()

    assert merged.merged_into is None
    assert Product.objects.current().count() == 2
    assert list(Product.objects.order_by("pk").values("name", "sku", "source")) == before


def test_source_is_tried_then_run(open_console: OpenConsole, supplier: SampleSupplier) -> None:
    CatalogSource.objects.filter(pk="ocs").update(base_url=f"{supplier.url}/ocs", is_enabled=True)
    console = open_console()

    console.open("catalog_catalogsource_change", "ocs")
    console.click("Dry run")
    listings_after_dry_run = SupplierListing.objects.count()
    console.click("Runs")
    dry_run_row = console.page.locator("#result_list tbody tr").first.inner_text()
    console.open("catalog_catalogsource_change", "ocs")
    console.click("Save and run now")
    console.open("mlops_run_changelist")

    assert listings_after_dry_run == 0
    assert "dry run" in dry_run_row.lower()
    assert SupplierListing.objects.filter(source="ocs").count() > 500
    assert console.page.locator("#result_list tbody tr").count() == 2


def test_rejected_row_is_fixed_field_by_field_and_replayed(open_console: OpenConsole) -> None:
    good = [f"Blue Dream {n},Dried Flower,B{n},7 g,{40 + n}.00" for n in range(7)]
    _run_list(",Dried Flower,A1,3.5 g,29.95", *good)
    record = QuarantinedRecord.objects.get()
    console = open_console()

    console.open("mlops_quarantinedrecord_fix", record.pk)
    marked = console.page.locator("[aria-describedby=reason]").inner_text()
    console.fill("Name", "Pink Kush")
    console.click("Fix and replay")

    assert "Rejected:" in marked
    assert SupplierListing.objects.get(sku="A1").name == "Pink Kush"
    record.refresh_from_db()
    assert record.closed_at is not None


def _run_list(*rows: str) -> None:
    """Run a list of these rows."""
    body = ContentFile("\n".join(["Name,Category,SKU,Size,Price", *rows, ""]).encode())
    columns = {name.lower(): name for name in ("Name", "Category", "SKU", "Size", "Price")}
    CatalogSource.objects.create(
        code="north",
        label="North",
        kind="sheet",
        file=default_storage.save("lists/north.csv", body),
        mapping={"columns": columns, "id_columns": ["SKU"]},
    )
    run_source(SUPPLIER_PRODUCTS, code="north")
