"""Export and import of product sheets: one operation or nothing, locks respected, no formulas."""

import csv
import io
import zipfile
from datetime import timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import CatalogSource, Product, ProductImport, ProductLock, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import correct_products
from catalog.services.duplicates import merge_pair
from catalog.services.product_imports import _refuse
from catalog.services.product_sheets import ROWS_PER_BATCH, plan_sheet
from catalog.services.undo import undo_operation
from catalog.tasks import expire_product_imports, read_product_import, run_product_import
from mlops.models import Operation
from mlops.pipelines.connectors.sheets import IMPORT_LIMITS
from mlops.pipelines.runner import run_source
from tests.factories.catalog import ProductFactory
from tests.integration.catalog.test_corrections import import_listings, make_listing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Record tasks instead of sending them to the broker; tests run them."""
    sent: list[tuple[str, dict[str, str]]] = []
    for task in (read_product_import, run_product_import):
        monkeypatch.setattr(
            task, "delay", lambda name=task.name, **kwargs: sent.append((name, kwargs))
        )
    return sent


@pytest.fixture
def products() -> list[Product]:
    """Two products."""
    formula = "=cmd|' /C calc'!A0"
    import_listings(make_listing(external_id="1"), make_listing(external_id="2", name=formula))
    return list(Product.objects.order_by("sku"))


def test_excel_export_contains_texts_not_formulas(
    products: list[Product], admin_client: Client
) -> None:
    address = reverse("admin:catalog_product_export")
    page = admin_client.get(address)

    assert page.status_code == 200

    form = {"format": "1", "resource": ""}
    response = admin_client.post(address, form)
    book = openpyxl.load_workbook(io.BytesIO(response.content))
    cells = [cell for row in book.active.iter_rows() for cell in row]  # type: ignore[union-attr]

    assert any("calc" in str(cell.value) for cell in cells)
    assert all(cell.data_type != "f" for cell in cells)


@pytest.mark.parametrize("name", ["=1+1", "'=1+1", "''-2", "'quoted'", "Pink Kush"])
def test_l15_an_exported_name_is_imported_unchanged(admin_client: Client, name: str) -> None:
    product = ProductFactory.create(name=name)
    address = reverse("admin:catalog_product_export")
    exported = admin_client.post(address, {"format": "0", "resource": ""}).content

    product_import = _upload(admin_client, exported)

    assert name in exported.decode()
    assert _counts(product_import) == {"unchanged": 1}
    assert not product_import.preview.get("errors")
    product.refresh_from_db()
    assert product.name == name


def _upload(client: Client, body: bytes, name: str = "prices.csv") -> ProductImport:
    """Upload a sheet and let the background task read it."""
    product_import = _upload_only(client, body, name)
    read_product_import(import_id=str(product_import.pk))
    product_import.refresh_from_db()
    return product_import


def _upload_only(client: Client, body: bytes, name: str = "prices.csv") -> ProductImport:
    """Upload a sheet in the console; return its import."""
    file = io.BytesIO(body)
    file.name = name
    client.post(reverse("admin:catalog_product_import"), {"file": file})
    return ProductImport.objects.latest("created_at")


def _detail(product_import: ProductImport) -> str:
    return reverse("admin:catalog_product_import_detail", args=[product_import.pk])


def _confirm(client: Client, product_import: ProductImport) -> None:
    """Confirm an import on its page and let the background task write it."""
    client.post(_detail(product_import))
    run_product_import(import_id=str(product_import.pk))
    product_import.refresh_from_db()


def _counts(product_import: ProductImport) -> dict[str, int]:
    """Return the counts of the preview that are not zero."""
    return {name: count for name, count in product_import.preview["counts"].items() if count}


def _errors(product_import: ProductImport) -> str:
    """Return the reason of a refused sheet, or the lines, fields and reasons of invalid rows."""
    if product_import.refusal:
        return product_import.refusal
    errors = [
        f"line {row['line']} {field}: {reason}"
        for row in product_import.preview["rows"]
        for field, reason in row["errors"]
    ]
    return " ".join(errors)


def _body(*rows: dict[str, str]) -> bytes:
    """Return a CSV of rows by heading."""
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def test_import_corrects_and_locks_fields_and_is_undone_as_a_whole(
    products: list[Product], admin_client: Client, admin_user: User
) -> None:
    changed = {"sku": "1", "price": "11.50", "terpenes": "limonene, myrcene"}
    created = {"sku": "", "price": "5", "terpenes": "", "brand": "House", "name": "Morning Roll"}
    body = _body({**changed, "brand": "", "name": ""}, created)

    _confirm(admin_client, _upload(admin_client, body))

    one = Product.objects.get(sku="1")
    assert (one.price, one.brand) == (Decimal("11.50"), "San Rafael '71")
    assert one.terpenes == ["limonene", "myrcene"]
    assert Product.objects.get(name="Morning Roll").brand == "House"

    done = Operation.objects.get(kind="import")
    assert (done.actor, done.reason) == (admin_user, "import of prices.csv")

    undo_operation(original=done, by=admin_user)

    one.refresh_from_db()
    assert (one.price, one.terpenes) == (Decimal("29.95"), [])
    assert Product.objects.count() == 2
    assert not ProductLock.objects.exists()


def test_import_skips_and_reports_locked_fields(
    products: list[Product], admin_client: Client, admin_user: User
) -> None:
    correct_products(changes={products[0].pk: {"price": 8}}, by=admin_user)
    body = _body({"id": str(products[0].pk), "price": "11.50", "brand": "Other"})

    product_import = _upload(admin_client, body)
    _confirm(admin_client, product_import)

    products[0].refresh_from_db()
    assert (products[0].price, products[0].brand) == (Decimal(8), "Other")
    assert product_import.preview["rows"][0]["locked"] == ["price"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"sku": "1", "price": "-3"}, "is not a price"),
        ({"sku": "1", "price": "dear"}, "is not a price"),
        ({"sku": "1", "thc_percentage": "700"}, "thc_percentage: must be from 0 to 100"),
        ({"sku": "9", "price": "3"}, "name: a new product needs a name"),
        ({"id": "nonsense", "price": "3"}, "id: nonsense is not a valid id"),
        ({"id": "00000000-0000-0000-0000-000000000000", "price": "3"}, "not found"),
    ],
    ids=["negative", "words", "huge", "nameless", "no-id", "unknown-id"],
)
def test_one_invalid_row_is_reported_and_nothing_is_imported(
    products: list[Product], admin_client: Client, row: dict[str, str], reason: str
) -> None:
    good = {**dict.fromkeys(row, ""), "id": "", "sku": "2", "brand": "Good"}
    product_import = _upload(admin_client, _body({**dict.fromkeys(good, ""), **row}, good))

    _confirm(admin_client, product_import)

    assert reason in _errors(product_import)
    assert product_import.state == ProductImport.State.READY
    assert not Operation.objects.filter(kind="import").exists()
    assert not Product.objects.filter(brand="Good").exists()


def test_console_previews_then_imports(products: list[Product], admin_client: Client) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")

    page = admin_client.get(_detail(product_import))

    assert page.context["can_confirm"]
    assert page.context["preview"]["rows"][0]["changes"] == [["price", "29.95", "12"]]
    assert not Operation.objects.filter(kind="import").exists()

    _confirm(admin_client, product_import)

    assert Product.objects.get(sku="1").price == Decimal("12.00")
    assert product_import.operation == Operation.objects.get(kind="import")


@pytest.mark.parametrize(
    "body",
    [
        b"name,brand\nMorning Roll,House\n",
        b"id,name\n,Morning Roll\n",
        b"name,sku\nMorning Roll,H-1\n",
    ],
)
def test_t33_preview_shows_no_id_of_a_new_product(admin_client: Client, body: bytes) -> None:
    (row,) = _upload(admin_client, body).preview["rows"]

    assert (row["product"], row["is_new"], row["name"]) == ("", True, "Morning Roll")


@pytest.mark.parametrize(
    "heading",
    [
        "Name,Brand,SKU,Category,Price",
        "NOM;MARQUE;sku;Catégorie;Prix",
        "name\tbrand\tsku\tcategory\tPrix (CAD)",
    ],
)
def test_t20_headings_are_read_in_any_case_and_both_languages(
    admin_client: Client, heading: str
) -> None:
    delimiter = next(sign for sign in ";\t," if sign in heading)
    row = delimiter.join(["Morning Roll", "House", "H-1", "Pre-Rolled", "5.00"])

    _confirm(admin_client, _upload(admin_client, f"{heading}\n{row}\n".encode()))

    product = Product.objects.get()
    assert (product.name, product.brand, product.category) == ("Morning Roll", "House", "pre_rolls")
    assert (product.sku, product.price) == ("H-1", Decimal("5.00"))


def test_t20_unknown_headings_are_named_before_the_import_is_confirmed(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price,Aisle,Colour\n1,12.00,A,red\n")

    page = admin_client.get(_detail(product_import))

    assert page.context["preview"]["unknown_headings"] == ["Aisle", "Colour"]
    assert page.context["can_confirm"]


def test_t20_file_without_a_known_heading_is_refused(admin_client: Client) -> None:
    product_import = _upload(admin_client, b"Aisle,Colour\nA,red\n")

    assert "none of Aisle, Colour is known" in _errors(product_import)
    assert product_import.state == ProductImport.State.REFUSED


@pytest.mark.parametrize(
    "body",
    [
        "sku;price\n1;29,90\n".encode("cp1252"),
        "sku;Prix\n1;29,90 $\n".encode("mac_roman"),
        "sku\tprice\n1\t29.90\n".encode("utf-16"),
        "sep=;\nsku;price\n1;29,90\n".encode("utf-8-sig"),
    ],
    ids=["cp1252", "mac", "utf-16", "sep"],
)
def test_t21_import_reads_what_lists_read(
    products: list[Product], admin_client: Client, body: bytes
) -> None:
    _confirm(admin_client, _upload(admin_client, body))

    assert Product.objects.get(sku="1").price == Decimal("29.90")


def test_t21_accents_of_windows_files_are_kept(
    products: list[Product], admin_client: Client
) -> None:
    _confirm(admin_client, _upload(admin_client, "sku;marque\n1;Forêt dorée\n".encode("cp1252")))

    assert Product.objects.get(sku="1").brand == "Forêt dorée"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'sku,price\n"1,12.00\n2,13.00\n', "begins in line 2 has a quote"),
        (b"sku,price\n1,12,00\n", "more cells than the header"),
        (b"sku,brand\n1,For\xc3\x83\xc2\xaat\n", "garbled"),
    ],
    ids=["quote", "cells", "garbled"],
)
def test_t21_file_that_cannot_be_read_is_refused_with_the_line(
    products: list[Product], admin_client: Client, body: bytes, reason: str
) -> None:
    product_import = _upload(admin_client, body)

    assert reason in _errors(product_import)
    assert not admin_client.get(_detail(product_import)).context["can_confirm"]


def _book(rows: list[list[Any]], **formats: str) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    for cell, number_format in formats.items():
        book.worksheets[0][cell].number_format = number_format
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_t5_percent_cell_is_imported_as_percent(
    products: list[Product], admin_client: Client
) -> None:
    body = _book([["sku", "THC", "Price"], ["1", 0.225, 29.9]], B2="0.0%", C2="0.00")

    _confirm(admin_client, _upload(admin_client, body, "prices.xlsx"))

    product = Product.objects.get(sku="1")
    assert (product.thc_percentage, product.price) == (Decimal("22.50"), Decimal("29.90"))


@pytest.mark.parametrize("form", ["0", "1"], ids=["csv", "xlsx"])
@pytest.mark.parametrize("query", ["", "?q=Pink"])
def test_t53_untouched_export_imports_as_no_change(
    products: list[Product], admin_client: Client, form: str, query: str
) -> None:
    Product.objects.filter(sku="1").update(
        thc_mg=Decimal("0.00"), weight_grams=Decimal("0.30"), lineage=["A", "B"]
    )
    page, body = _export(admin_client, query, form)

    product_import = _upload(admin_client, body, f"export.{'xlsx' if form == '1' else 'csv'}")

    assert _counts(product_import) == {"unchanged": page["row_count"]}
    assert not admin_client.get(_detail(product_import)).context["can_confirm"]


def test_class_f_identifier_twice_within_one_import_is_refused(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n2,13.00\n1,14.00\n")

    assert "1 stands in line 2 and again in line 4" in _errors(product_import)


def test_class_f_new_product_twice_within_one_import_is_refused(admin_client: Client) -> None:
    body = b"name,gtin\nHouse Roll,628124825080\nHouse Roll,00628124825080\n"

    assert "stands in line 2 and again in line 3" in _errors(_upload(admin_client, body))


def test_class_f_product_twice_under_two_identifiers_is_refused(
    products: list[Product], admin_client: Client
) -> None:
    body = f"id,sku,price\n{products[0].pk},,12.00\n,1,13.00\n".encode()

    assert "line 3 sku: Pink Kush stands in line 2 already" in _errors(_upload(admin_client, body))


def test_class_f_gtin_given_to_two_products_is_refused(
    products: list[Product], admin_client: Client
) -> None:
    ids = [product.pk for product in products]
    body = f"id,gtin\n{ids[0]},628124825080\n{ids[1]},0628124825080\n".encode()

    assert "line 3 gtin: 00628124825080 stands in line 2" in _errors(_upload(admin_client, body))


def test_class_e_gtin_of_another_product_is_refused(
    products: list[Product], admin_client: Client
) -> None:
    Product.objects.filter(sku="2").update(gtin="00628124825080", name="Rose Kush")
    body = f"id,gtin\n{products[0].pk},628124825080\n".encode()

    assert "gtin: 00628124825080 belongs to Rose Kush" in _errors(_upload(admin_client, body))


def test_class_f_identifier_is_found_again_beyond_a_batch_of_rows(
    products: list[Product], admin_client: Client
) -> None:
    rows = [f"H-{number},House {number}" for number in range(ROWS_PER_BATCH + 1)]
    body = "\n".join(["sku,name", *rows, "H-0,House"]).encode()

    assert "stands in line 2 and again in line 503" in _errors(_upload(admin_client, body))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("000000000000", "is a placeholder"),
        ("628124825081", "wrong check digit"),
        ("200000000011", "not a GTIN"),
        ("62812482509", "wrong length"),
    ],
)
def test_t1_code_that_is_no_gtin_identifies_no_row(
    products: list[Product], admin_client: Client, code: str, reason: str
) -> None:
    product_import = _upload(admin_client, f"gtin,name\n{code},Renamed\n".encode())

    assert reason in _errors(product_import)


@pytest.mark.parametrize("sku", ["N/A", "-", "6.28E+11"])
def test_t3_placeholder_as_sku_identifies_no_row(
    products: list[Product], admin_client: Client, sku: str
) -> None:
    Product.objects.filter(sku="1").update(sku=sku)

    assert sku in _errors(_upload(admin_client, f"sku,price\n{sku},5\n".encode()))


def test_class_e_gtin_of_12_digits_finds_the_product_of_14(
    products: list[Product], admin_client: Client
) -> None:
    Product.objects.filter(sku="1").update(gtin="00628124825080")

    _confirm(admin_client, _upload(admin_client, b"gtin,price\n628124825080,12.00\n"))

    assert Product.objects.get(sku="1").price == Decimal("12.00")


def test_t52_import_beyond_the_limit_of_rows_is_refused(admin_client: Client) -> None:
    body = b"name\n" + b"House Roll\n" * 20_001

    assert "more than 20,000 rows" in _errors(_upload(admin_client, body))


def test_t52_file_beyond_the_limit_of_bytes_is_not_stored(admin_client: Client) -> None:
    file = io.BytesIO(b"name\n" + b"x" * IMPORT_LIMITS.max_bytes)
    file.name = "long.csv"

    response = admin_client.post(reverse("admin:catalog_product_import"), {"file": file})

    assert "is larger than 10 MiB" in str(response.context["form"].errors["file"])
    assert not ProductImport.objects.exists()


def test_t52_workbook_that_unfolds_beyond_the_limit_is_refused(admin_client: Client) -> None:
    body = io.BytesIO(_book([["sku", "price"], ["1", 12]]))
    with zipfile.ZipFile(body, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/blank.bin", bytes(IMPORT_LIMITS.max_unfolded_bytes + 1))

    product_import = _upload(admin_client, body.getvalue(), "prices.xlsx")

    assert "unfolds to more than 64 MiB" in _errors(product_import)


def test_t52_sheet_is_read_and_written_by_tasks(
    products: list[Product],
    admin_client: Client,
    queued: list[tuple[str, dict[str, str]]],
) -> None:
    product_import = _upload_only(admin_client, b"sku,price\n1,12.00\n")

    assert product_import.state == ProductImport.State.UPLOADED
    assert queued == [(read_product_import.name, {"import_id": str(product_import.pk)})]

    read_product_import(import_id=str(product_import.pk))
    admin_client.post(_detail(product_import))

    assert queued[1] == (run_product_import.name, {"import_id": str(product_import.pk)})
    assert Product.objects.get(sku="1").price == Decimal("29.95")


def test_t52_progress_is_shown_while_a_sheet_is_read(
    admin_client: Client, admin_user: User
) -> None:
    rows = "".join(f"House {number}\n" for number in range(2 * ROWS_PER_BATCH))
    progress = []

    plan_sheet(
        io.BytesIO(f"name\n{rows}".encode()),
        may_add=True,
        on_progress=lambda read, count: progress.append((read, count)),
    )

    count = 2 * ROWS_PER_BATCH
    assert progress == [(0, count), (ROWS_PER_BATCH, count), (count, count)]


def test_t52_page_refreshes_itself_only_while_a_task_works(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload_only(admin_client, b"sku,price\n1,12.00\n")
    ProductImport.objects.update(state="reading", read_rows=500, row_count=2000)

    page = admin_client.get(_detail(product_import))

    assert page.context["product_import"].is_in_progress
    assert b'http-equiv="refresh"' in page.content
    assert b'<progress value="500" max="2000"' in page.content

    read_product_import(import_id=str(product_import.pk))

    assert b'http-equiv="refresh"' not in admin_client.get(_detail(product_import)).content


def test_t52_task_delivered_twice_writes_once(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"name,price\nMorning Roll,5\n")
    admin_client.post(_detail(product_import))

    results = [run_product_import(import_id=str(product_import.pk)) for _ in range(2)]

    assert Product.objects.filter(name="Morning Roll").count() == 1
    assert [bool(result) for result in results] == [True, False]


def test_t52_sheet_that_is_read_twice_keeps_its_preview(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")

    assert read_product_import(import_id=str(product_import.pk)) == {}


def test_t52_import_is_not_written_before_it_is_confirmed(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")

    assert run_product_import(import_id=str(product_import.pk)) == {}
    assert Product.objects.get(sku="1").price == Decimal("29.95")


def test_t52_import_that_fails_says_so_instead_of_waiting(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload_only(admin_client, b"sku,price\n1,12.00\n")
    default_storage.delete(str(product_import.file.name))

    with pytest.raises(FileNotFoundError):
        read_product_import(import_id=str(product_import.pk))

    page = admin_client.get(_detail(product_import))
    assert not page.context["product_import"].is_in_progress
    assert page.context["product_import"].refusal


def test_t52_finished_import_is_not_refused_by_a_late_failure(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")
    _confirm(admin_client, product_import)

    _refuse(product_import.pk, "late")

    product_import.refresh_from_db()
    assert (product_import.state, product_import.refusal) == ("imported", "")


def test_t52_expired_preview_and_its_file_are_deleted(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")
    stored = str(product_import.file.name)
    ProductImport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert expire_product_imports()["expired"] == 1

    product_import.refresh_from_db()
    assert (product_import.state, product_import.preview) == ("expired", {})
    assert not default_storage.exists(stored)
    assert expire_product_imports()["expired"] == 0


def test_t52_preview_beyond_its_time_cannot_be_confirmed(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")
    ProductImport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    _confirm(admin_client, product_import)

    assert product_import.state == ProductImport.State.READY
    assert Product.objects.get(sku="1").price == Decimal("29.95")


def test_t52_file_of_a_finished_import_is_deleted(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")
    stored = str(product_import.file.name)

    _confirm(admin_client, product_import)

    assert (product_import.state, product_import.file.name) == ("imported", "")
    assert not default_storage.exists(stored)


def test_t52_import_of_another_person_is_not_found(
    products: list[Product], admin_client: Client, client: Client
) -> None:
    product_import = _upload(admin_client, b"sku,price\n1,12.00\n")
    client.force_login(User.objects.create_superuser("other"))

    assert client.get(_detail(product_import)).status_code == 404
    assert client.post(_detail(product_import)).status_code == 404


def test_t52_row_that_became_invalid_after_the_preview_refuses_the_import(
    products: list[Product], admin_client: Client
) -> None:
    product_import = _upload(admin_client, b"gtin,name\n628124825080,House\n")
    Product.objects.update(gtin="00628124825080")

    _confirm(admin_client, product_import)

    assert product_import.state == ProductImport.State.REFUSED
    assert "several products" in product_import.preview["rows"][0]["errors"][0][1]


@pytest.mark.parametrize(
    ("terpenes", "warned"),
    [("limonen", True), ("Myrcène, limonene", False), ("limonene, foo", True)],
)
def test_t55_unknown_terpene_of_a_sheet_is_warned_of_before_confirming(
    products: list[Product], admin_client: Client, terpenes: str, warned: bool
) -> None:
    product_import = _upload(admin_client, _body({"sku": "1", "terpenes": terpenes}))

    (row,) = product_import.preview["rows"]
    assert [field for field, _warning in row["warnings"]] == ["terpenes"] * warned
    assert admin_client.get(_detail(product_import)).context["can_confirm"]


@pytest.fixture
def editor(client: Client) -> Client:
    """Return a client of a user who may view and change products, but not add any."""
    user = User.objects.create_user("editor", is_staff=True)
    codes = ("view_product", "change_product")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    "body",
    [
        b"name,brand\nMorning Roll,House\n",
        b"sku,name\nH-1,Morning Roll\n",
        b"gtin,name,price\n628124825080,Morning Roll,5\n",
    ],
    ids=["no-id", "unknown-sku", "unknown-gtin"],
)
def test_t54_new_rows_without_the_add_permission_are_refused_before_confirming(
    editor: Client, body: bytes
) -> None:
    product_import = _upload(editor, body)

    assert "line 2 row: the product is new, which needs the permission" in _errors(product_import)
    assert not editor.get(_detail(product_import)).context["can_confirm"]

    _confirm(editor, product_import)

    assert not Product.objects.exists()


def test_t54_existing_products_are_changed_without_the_add_permission(
    products: list[Product], editor: Client
) -> None:
    _confirm(editor, _upload(editor, b"sku,price\n1,12.00\n"))

    assert Product.objects.get(sku="1").price == Decimal("12.00")


def test_t54_permission_withdrawn_after_the_preview_refuses_new_rows(
    editor: Client,
) -> None:
    user = User.objects.get(username="editor")
    user.user_permissions.add(Permission.objects.get(codename="add_product"))
    product_import = _upload(editor, b"name\nMorning Roll\n")
    user.user_permissions.remove(Permission.objects.get(codename="add_product"))

    _confirm(editor, product_import)

    assert product_import.state == ProductImport.State.REFUSED
    assert not Product.objects.exists()


def test_import_needs_the_permission_to_change_products(client: Client) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_product"))
    client.force_login(viewer)

    assert client.get(reverse("admin:catalog_product_import")).status_code == 403


SAME_FILE = '''Nom;Marque;UGS;CUP;Catégorie;Format;THC;CBD;Prix
Fleur séchée Rosée;Forêt;R-1;628124825080;Dried Flower;3,5 g;22,5 %;<1 %;29,95 $
Jujubes à la mangue;Hazel;R-2;;Edibles;2 x 5 mg;10 mg;;6,95
"Huile ""Calme""";Hazel;R-3;;Oils;30 ml;20 mg/ml;20 mg/ml;102,90 $
'''
COMPARED = (
    *("name", "brand", "sku", "category", "weight_grams", "volume_ml", "unit_count", "price"),
    *("thc_percentage", "thc_percentage_low", "thc_percentage_high", "cbd_percentage_high"),
    *("thc_mg", "cbd_mg", "mg_basis", "dried_equivalent_grams", "gtin"),
)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "mac_roman", "utf-16"])
def test_import_and_list_give_the_same_products_for_the_same_file(
    admin_client: Client, encoding: str
) -> None:
    columns = dict(
        zip(
            ("name", "brand", "sku", "gtin", "category", "size", "thc", "cbd", "price"),
            SAME_FILE.splitlines()[0].split(";"),
            strict=True,
        )
    )
    body = SAME_FILE.encode(encoding)
    CatalogSource.objects.create(
        code="north",
        label="North",
        kind="sheet",
        file=default_storage.save("lists/north.csv", ContentFile(body)),
        mapping={"columns": columns, "id_columns": [columns["sku"]]},
    )
    run_source(SUPPLIER_PRODUCTS, code="north")
    from_list = list(Product.objects.order_by("sku").values_list(*COMPARED))
    Product.objects.all().delete()
    SupplierListing.objects.all().delete()

    _confirm(admin_client, _upload(admin_client, body))

    assert len(from_list) == 3
    assert list(Product.objects.order_by("sku").values_list(*COMPARED)) == from_list


def _export(client: Client, query: str = "", form: str = "0") -> tuple[Any, bytes]:
    """Return the context of the export's page and the exported file."""
    address = reverse("admin:catalog_product_export") + query
    page = client.get(address)
    response = client.post(address, {"format": form, "resource": ""})
    return page.context, response.content


def _exported_ids(body: bytes) -> list[str]:
    return [row["id"] for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig")))]


def _listed_ids(client: Client, query: str) -> list[str]:
    """Return the ids of all rows of the product list, in its order."""
    page = client.get(reverse("admin:catalog_product_changelist") + query)
    return [str(product.pk) for product in page.context["cl"].queryset]


@pytest.fixture
def mixed_products(admin_user: User) -> None:
    """Create products of two brands; one of each brand is merged into another."""
    import_listings(
        *(make_listing(external_id=f"a{n}", brand="Redecan", name=f"A{n}") for n in range(4)),
        *(make_listing(external_id=f"b{n}", brand="Hazel", name=f"B{n}") for n in range(3)),
    )
    by_sku = {product.sku: product for product in Product.objects.all()}
    merge_pair(left=by_sku["a0"], right=by_sku["a1"], by=admin_user)
    merge_pair(left=by_sku["b0"], right=by_sku["b1"], by=admin_user)


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 5), ("?brand__icontains=Hazel", 2), ("?q=A3", 1), ("?o=-1&missing=GTIN", 5)],
    ids=["all", "brand", "search", "order"],
)
def test_t53_export_has_exactly_the_rows_of_the_list(
    mixed_products: None, admin_client: Client, query: str, count: int
) -> None:
    page, body = _export(admin_client, query)

    exported = _exported_ids(body)
    assert len(exported) == count
    assert exported == _listed_ids(admin_client, query)
    assert page["row_count"] == count


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("", []),
        ("?q=A3&p=2", [("search", "A3")]),
        ("?brand__icontains=Hazel", [("brand", "Hazel")]),
        (
            "?price_from=10&price_to=30&o=1",
            [("price from", "10"), ("price to", "30")],
        ),
    ],
)
def test_t53_export_page_states_the_filter_of_the_list(
    mixed_products: None, admin_client: Client, query: str, filters: list[tuple[str, str]]
) -> None:
    page, _ = _export(admin_client, query)

    assert page["list_filters"] == filters


def test_t53_export_with_an_invalid_filter_returns_to_the_list(
    mixed_products: None, admin_client: Client
) -> None:
    response = admin_client.get(reverse("admin:catalog_product_export") + "?nonsense=1")

    assert response.headers["Location"] == reverse("admin:catalog_product_changelist")


def test_t53_page_of_a_merged_product_stays_open(
    mixed_products: None, admin_client: Client
) -> None:
    merged = Product.objects.exclude(merged_into=None)[0]

    page = admin_client.get(reverse("admin:catalog_product_change", args=[merged.pk]))

    assert page.status_code == 200


def test_m10_export_has_the_chosen_columns_and_the_id(
    admin_client: Client, mixed_products: None
) -> None:
    address = reverse("admin:catalog_product_export")
    form = admin_client.get(address).context["form"]

    body = admin_client.post(
        address, {"format": "0", "resource": "", "columns": ["price", "sku"]}
    ).content

    rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig")))
    assert set(rows.fieldnames or ()) == {"id", "sku", "price"}
    assert {name for name, _ in form.fields["columns"].choices} > {"sku", "price", "terpenes"}


def test_t53_csv_export_begins_with_a_byte_order_mark(
    mixed_products: None, admin_client: Client
) -> None:
    _, body = _export(admin_client)

    assert body.startswith(b"\xef\xbb\xbf")


def test_l9_faulty_cells_are_named_by_labels(products: list[Product], admin_client: Client) -> None:
    product_import = _upload(admin_client, b"sku,thc min,thc max\n1,abc,20\n")

    page = admin_client.get(_detail(product_import)).content.decode()

    assert "<td>THC from, %</td>" in page
    assert "thc_percentage_low" not in page
