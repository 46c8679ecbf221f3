"""Export and import of product sheets: one operation or nothing, locks respected, no formulas."""

import io
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import tablib
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.admin.sheets import ProductResource
from catalog.models import Product, ProductLock
from catalog.services.corrections import correct_products
from catalog.services.undo import undo_operation
from mlops.models import Operation
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
        {"sku": "", "price": "5", "terpenes": "", "brand": "House", "name": "House roll"},
    )
    one = Product.objects.get(sku="1")

    assert (str(one.price), one.terpenes, one.brand) == (
        "11.50",
        ["limonene", "myrcene"],
        "San Rafael '71",
    )
    assert Product.objects.get(name="House roll").brand == "House"

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
        ({"sku": "1", "price": "-3"}, "must be more than 0"),
        ({"sku": "1", "price": "dear"}, "must be a decimal"),
        ({"sku": "1", "thc_percentage_high": "700"}, "must be from 0 to 100"),
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
