"""Integrity check: unauthorized changes are reported, changes by the application are not."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from catalog.models import Product
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import correct_products
from catalog.services.duplicates import match_products
from mlops.models import Alert, IntegritySeal
from mlops.pipelines.runner import run_source
from mlops.quality.integrity_check import check_integrity
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sealed_catalog(supplier: SampleSupplier) -> None:
    """Fill and seal the catalogue."""
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    assert check_integrity() == []


def _execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def _breaches() -> set[tuple[str, str]]:
    return {(breach.kind, breach.row_id) for breach in check_integrity()}


def _first_product_id() -> str:
    return str(Product.objects.order_by("pk")[0].pk)


def test_an_unchanged_database_gets_no_new_seals_and_no_alerts() -> None:
    count = IntegritySeal.objects.count()

    assert check_integrity() == []

    assert IntegritySeal.objects.count() == count
    assert not Alert.objects.filter(code="integrity").exists()


def test_changes_by_the_application_are_not_reported(
    supplier: SampleSupplier, admin_user: User
) -> None:
    product = Product.objects.all()[0]
    correct_products(changes={product.pk: {"brand": "Ours"}}, by=admin_user)
    run_source(SUPPLIER_PRODUCTS, code="sqdc", base_url=f"{supplier.url}/sqdc")
    match_products()

    assert check_integrity() == []
    assert check_integrity() == []


@pytest.mark.parametrize("table", ["products", "supplier_listings", "raw_records"])
@pytest.mark.parametrize("kind", ["edited", "deleted"])
def test_a_row_changed_by_sql_is_reported_until_accepted(table: str, kind: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id::text FROM {table} ORDER BY id LIMIT 1")
        (row_id,) = cursor.fetchone()
    column = "url" if table == "raw_records" else "brand"
    if kind == "edited":
        _execute(f"UPDATE {table} SET {column} = 'Hand' WHERE id = %s", row_id)
    else:
        _execute(f"DELETE FROM {table} WHERE id = %s", row_id)

    assert _breaches() == {(kind, row_id)}

    alert = Alert.objects.get(code="integrity")
    assert alert.subject == f"{table} block {row_id[:2]}"
    assert row_id in alert.message
    assert _breaches() == {(kind, row_id)}
    assert Alert.objects.filter(code="integrity").count() == 1


def test_a_vacuum_in_progress_while_sealing_hides_no_change() -> None:
    # A view in front of the system's own, with an autovacuum worker that began before the import.
    _execute(
        "CREATE TEMP VIEW pg_stat_activity AS"
        " SELECT datname, pid, xact_start, backend_type FROM pg_catalog.pg_stat_activity"
        " UNION ALL SELECT current_database(), 0, now() - interval '1 hour', 'autovacuum worker'"
    )
    _execute("SET search_path = public, pg_temp, pg_catalog")
    IntegritySeal.objects.filter(table_name="products").delete()
    _execute("DELETE FROM row_digests WHERE table_name = 'products'")
    check_integrity()
    _execute("RESET search_path")
    _execute("DROP VIEW pg_temp.pg_stat_activity")
    product_id = _first_product_id()
    _execute("UPDATE products SET brand = 'Hand' WHERE id = %s", product_id)

    assert _breaches() == {("edited", product_id)}


def test_a_row_added_by_sql_is_reported() -> None:
    row_id = "3f000000-0000-0000-0000-000000000000"
    _execute("INSERT INTO products (id, merge_key, name) VALUES (%s, 'x', 'Planted')", row_id)

    assert _breaches() == {("added", row_id)}


@pytest.mark.parametrize("forges_digests", [False, True])
def test_forged_checksums_are_reported(forges_digests: bool) -> None:
    product_id = _first_product_id()
    block = int(product_id[:2], 16)
    seal = IntegritySeal.objects.filter(table_name="products", block=block).latest("id")
    _execute("UPDATE products SET brand = 'Hand' WHERE id = %s", product_id)
    if forges_digests:
        _execute(
            "UPDATE row_digests SET digest = md5(ROW(p.*)::text)::uuid"
            " FROM products p WHERE p.id = row_id AND row_id = %s",
            product_id,
        )
    _execute(
        "UPDATE integrity_seals"
        " SET checksum = '1:2' || substr(checksum, position('-' IN checksum)) WHERE id = %s",
        seal.pk,
    )

    report = " ".join(map(str, check_integrity()))

    assert f"products block {product_id[:2]}" in report
    assert "was edited" in report
    if not forges_digests:
        assert product_id in report


def test_a_deleted_seal_breaks_the_chain() -> None:
    IntegritySeal.objects.filter(table_name="products").order_by("id")[3].delete()

    assert any("one before it is gone" in breach.kind for breach in check_integrity())


def test_deletion_of_all_seals_is_reported() -> None:
    IntegritySeal.objects.filter(table_name="products").delete()

    assert [str(breach) for breach in check_integrity(tables=["products"])] == [
        "products: every seal is gone"
    ]


def test_row_changes_without_an_operation_do_not_authorize_a_change() -> None:
    product_id = _first_product_id()
    _execute("UPDATE products SET price = 1 WHERE id = %s", product_id)
    _execute("SELECT set_config('session_replication_role', 'replica', false)")
    _execute("UPDATE products SET price = 2 WHERE id = %s", product_id)
    _execute("SELECT set_config('session_replication_role', 'origin', false)")

    assert _breaches() == {("edited", product_id)}


def _run_command(*arguments: str) -> tuple[int, str]:
    """Return exit code and output of the command."""
    out = StringIO()
    try:
        call_command("check_integrity", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_command_lists_changed_rows_and_accepts_a_block() -> None:
    assert _run_command()[0] == 0
    product_id = _first_product_id()
    _execute("UPDATE products SET brand = 'Hand' WHERE id = %s", product_id)

    exit_code, output = _run_command()
    assert exit_code == 1
    assert product_id in output

    assert _run_command("--accept", f"products:{product_id[:2]}")[0] == 0
    assert _run_command()[0] == 0
    assert not Alert.objects.filter(code="integrity", closed_at=None).exists()
