"""Export and import of product sheets: one operation or nothing, locks respected, no formulas."""

import io
import zipfile
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import tablib
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from catalog.admin.sheets import ProductResource
from catalog.models import CatalogSource, Product, ProductLock, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import correct_products
from catalog.services.undo import undo_operation
from mlops.models import Operation
from mlops.pipelines.runner import run_source
from tests.integration.catalog.test_corrections import import_listings, make_listing

pytestmark = pytest.mark.django_db(transaction=True)


def _sheet(*rows: dict[str, Any]) -> tablib.Dataset:
    headers = list(rows[0])
    return tablib.Dataset(*[[row[name] for name in headers] for row in rows], headers=headers)


def _import(by: User, *rows: dict[str, Any], dry_run: bool = False) -> tuple[ProductResource, Any]:
    resource = ProductResource()
    return resource, resource.import_data(
        _sheet(*rows), dry_run=dry_run, user=by, file_name="prices.csv"
    )


@pytest.fixture
def products() -> list[Product]:
    """Two products."""
    formula = "=cmd|' /C calc'!A0"
    import_listings(make_listing(external_id="1"), make_listing(external_id="2", name=formula))
    return list(Product.objects.order_by("sku"))


def test_importing_an_export_changes_nothing(products: list[Product], admin_user: User) -> None:
    exported = ProductResource().export()

    assert "'=cmd|' /C calc'!A0" in exported["name"]

    resource = ProductResource()
    result = resource.import_data(
        tablib.Dataset().load(exported.csv, format="csv"), user=admin_user
    )

    assert not result.has_errors()
    assert not result.has_validation_errors()
    assert not ProductLock.objects.exists()


def test_excel_export_contains_texts_not_formulas(
    products: list[Product], admin_client: Client
) -> None:
    address = reverse("admin:catalog_product_export")
    page = admin_client.get(address)

    assert page.status_code == 200

    form = {"format": "1", "resource": "", "productresource_id": "on", "productresource_name": "on"}
    response = admin_client.post(address, form)
    book = openpyxl.load_workbook(io.BytesIO(response.content))
    cells = [cell for row in book.active.iter_rows() for cell in row]  # type: ignore[union-attr]

    assert any("calc" in str(cell.value) for cell in cells)
    assert all(cell.data_type != "f" for cell in cells)


def test_import_corrects_and_locks_fields_and_is_undone_as_a_whole(
    products: list[Product], admin_user: User
) -> None:
    _import(
        admin_user,
        {"sku": "1", "price": "11.50", "terpenes": "limonene, myrcene", "brand": "", "name": ""},
        {"sku": "", "price": "5", "terpenes": "", "brand": "House", "name": "Morning Roll"},
    )
    one = Product.objects.get(sku="1")

    assert (str(one.price), one.terpenes, one.brand) == (
        "11.50",
        ["limonene", "myrcene"],
        "San Rafael '71",
    )
    assert Product.objects.get(name="Morning Roll").brand == "House"

    done = Operation.objects.get(kind="import")

    assert (done.actor, done.reason) == (admin_user, "import of prices.csv")

    undo_operation(original=done, by=admin_user)
    one.refresh_from_db()

    assert (str(one.price), one.terpenes) == ("29.95", [])
    assert Product.objects.count() == 2
    assert not ProductLock.objects.exists()


def test_import_skips_and_reports_locked_fields(products: list[Product], admin_user: User) -> None:
    correct_products(changes={products[0].pk: {"price": 8}}, by=admin_user)
    resource, _ = _import(
        admin_user, {"id": str(products[0].pk), "price": "11.50", "brand": "Other"}
    )
    products[0].refresh_from_db()

    assert (products[0].price, products[0].brand) == (Decimal(8), "Other")
    assert resource.skipped == [(products[0].pk, "price")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"sku": "1", "price": "-3"}, "is not a price"),
        ({"sku": "1", "price": "dear"}, "is not a price"),
        ({"sku": "1", "thc_percentage": "700"}, "must be from 0 to 100"),
        ({"sku": "9", "price": "3"}, "needs a name"),
        ({"id": "nonsense", "price": "3"}, "is not a valid id"),
        ({"id": "00000000-0000-0000-0000-000000000000", "price": "3"}, "not found"),
    ],
    ids=["negative", "words", "huge", "nameless", "no-id", "unknown-id"],
)
def test_one_invalid_row_is_reported_and_nothing_is_imported(
    products: list[Product], admin_user: User, row: dict[str, Any], reason: str
) -> None:
    good = {
        "id": "",
        "sku": "2",
        **{name: "" for name in row if name not in ("id", "sku")},
        "brand": "Good",
    }
    _, result = _import(admin_user, {**dict.fromkeys(good, ""), **row}, good)
    errors = " ".join(str(invalid.error) for invalid in result.invalid_rows)

    assert reason in errors
    assert not Operation.objects.filter(kind="import").exists()
    assert not Product.objects.filter(brand="Good").exists()


def test_console_previews_then_imports(products: list[Product], admin_client: Client) -> None:
    address = reverse("admin:catalog_product_import")

    assert admin_client.get(address).status_code == 200

    file = io.BytesIO(b"sku,price\n1,12.00\n")
    file.name = "prices.csv"
    preview = admin_client.post(address, {"import_file": file, "format": "0", "resource": ""})

    assert preview.status_code == 200
    assert "12.00" in preview.content.decode()
    assert not Operation.objects.filter(kind="import").exists()

    form = preview.context["confirm_form"]
    response = admin_client.post(
        reverse("admin:catalog_product_process_import"), form.initial, follow=True
    )

    assert response.status_code == 200
    assert str(Product.objects.get(sku="1").price) == "12.00"


def _upload(client: Client, body: bytes, name: str = "prices.csv") -> Any:
    """Submit a file to the first step of the import."""
    file = io.BytesIO(body)
    file.name = name
    form = {"import_file": file, "format": str(int(name.endswith("xlsx"))), "resource": ""}
    return client.post(reverse("admin:catalog_product_import"), form)


def _confirm(client: Client, preview: Any) -> None:
    form = preview.context["confirm_form"]
    client.post(reverse("admin:catalog_product_process_import"), form.initial)


def _errors(response: Any) -> str:
    """Return what the page of the preview says is wrong with the rows and the file."""
    result = response.context.get("result")
    if result is None:
        return str(response.context["form"].errors)
    rows = [str(row.error) for row in result.invalid_rows]
    return " ".join([*rows, *(str(error.error) for error in result.base_errors)])


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
    preview = _upload(admin_client, b"sku,price,Aisle,Colour\n1,12.00,A,red\n")

    assert "ignored: Aisle, Colour." in preview.content.decode()
    assert "confirm_form" in preview.context


def test_t20_file_without_a_known_heading_is_refused(admin_client: Client) -> None:
    preview = _upload(admin_client, b"Aisle,Colour\nA,red\n")

    assert "none of Aisle, Colour is known" in _errors(preview)
    assert "confirm_form" not in preview.context


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
    preview = _upload(admin_client, body)

    assert reason in _errors(preview)
    assert "confirm_form" not in preview.context


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


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_t8_untouched_export_changes_nothing(
    products: list[Product], admin_client: Client, admin_user: User, form: str
) -> None:
    body = ProductResource().export().export(form)
    data = body if isinstance(body, bytes) else body.encode()

    preview = _upload(admin_client, data, f"export.{form}")

    assert _errors(preview) == ""
    assert not any(row.import_type in ("new", "update") for row in preview.context["result"].rows)


def test_class_f_identifier_twice_within_one_import_is_refused(
    products: list[Product], admin_client: Client
) -> None:
    preview = _upload(admin_client, b"sku,price\n1,12.00\n2,13.00\n1,14.00\n")

    assert "1 stands in row 1 and again in row 3" in _errors(preview)


def test_class_f_new_product_twice_within_one_import_is_refused(admin_client: Client) -> None:
    body = b"name,gtin\nHouse Roll,628124825080\nHouse Roll,00628124825080\n"

    assert "stands in row 1 and again in row 2" in _errors(_upload(admin_client, body))


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
    preview = _upload(admin_client, f"gtin,name\n{code},Renamed\n".encode())

    assert reason in _errors(preview)


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


def test_t52_workbook_that_unfolds_too_far_is_refused(admin_client: Client) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<row/>" * (70 * 2**20 // 6))

    assert "unfolds to more than 64 MiB" in _errors(
        _upload(admin_client, file.getvalue(), "prices.xlsx")
    )


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
