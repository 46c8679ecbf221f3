"""What is changed behind the application's back is found and named; what the application changes is not."""

from collections.abc import Callable
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
from mlops.quality.integrity import check_integrity
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sealed(supplier: SampleSupplier) -> None:
    """A catalogue as the application left it, sealed."""
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    assert check_integrity() == []


def _sql(text: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def _kinds() -> set[tuple[str, str]]:
    return {(breach.kind, breach.row_id) for breach in check_integrity()}


def test_clean_database_is_quiet_and_seals_nothing_twice() -> None:
    count = IntegritySeal.objects.count()
    assert check_integrity() == []
    assert IntegritySeal.objects.count() == count
    assert not Alert.objects.filter(code="integrity").exists()


def test_what_the_application_does_is_quiet(supplier: SampleSupplier, admin_user: User) -> None:
    product = Product.objects.all()[0]
    correct_products(changes={product.pk: {"brand": "Ours"}}, by=admin_user)
    run_source(SUPPLIER_PRODUCTS, code="sqdc", base_url=f"{supplier.url}/sqdc")
    match_products()
    assert check_integrity() == []
    assert check_integrity() == []


@pytest.mark.parametrize("table", ["products", "supplier_listings", "raw_records"])
@pytest.mark.parametrize("kind", ["edited", "deleted"])
def test_row_changed_in_sql_is_named(table: str, kind: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id::text FROM {table} ORDER BY id LIMIT 1")
        (pk,) = cursor.fetchone()
    column = "url" if table == "raw_records" else "brand"
    text = (
        f"UPDATE {table} SET {column} = 'Hand' WHERE id = %s"
        if kind == "edited"
        else f"DELETE FROM {table} WHERE id = %s"
    )
    _sql(text, pk)
    assert _kinds() == {(kind, pk)}
    alert = Alert.objects.get(code="integrity")
    assert alert.subject == f"{table} block {pk[:2]}"
    assert pk in alert.message
    assert _kinds() == {(kind, pk)}
    assert Alert.objects.filter(code="integrity").count() == 1


def test_added_row_is_named() -> None:
    _sql(
        "INSERT INTO products (id, merge_key, name) VALUES ('3f000000-0000-0000-0000-000000000000', 'x', 'Planted')"
    )
    assert _kinds() == {("added", "3f000000-0000-0000-0000-000000000000")}


def _forge(pk: str, *, digests: bool) -> None:
    """Edit a row, and the checksums so that they fit it."""
    _sql("UPDATE products SET brand = 'Hand' WHERE id = %s", pk)
    sealed = IntegritySeal.objects.filter(table_name="products", block=int(pk[:2], 16)).latest("id")
    if digests:
        _sql(
            "UPDATE row_digests SET digest = md5(ROW(p.*)::text)::uuid FROM products p WHERE p.id = row_id AND row_id = %s",
            pk,
        )
    _sql(
        "UPDATE integrity_seals SET checksum = '1:2' || substr(checksum, position('-' IN checksum)) WHERE id = %s",
        sealed.pk,
    )


@pytest.mark.parametrize("digests", [False, True])
def test_edited_checksums_are_named_too(digests: bool) -> None:
    pk = str(Product.objects.order_by("pk")[0].pk)
    _forge(pk, digests=digests)
    told = " ".join(map(str, check_integrity()))
    assert f"products block {pk[:2]}" in told
    assert "was edited" in told
    if not digests:
        assert pk in told


def test_lost_seals_are_named() -> None:
    newest = IntegritySeal.objects.filter(table_name="products").order_by("id")[3]
    newest.delete()
    assert any("one before it is gone" in breach.kind for breach in check_integrity())
    IntegritySeal.objects.filter(table_name="products").delete()
    assert [str(breach) for breach in check_integrity(tables=["products"])] == [
        "products: every seal is gone"
    ]


def test_history_without_an_operation_accounts_for_nothing() -> None:
    pk = str(Product.objects.order_by("pk")[0].pk)
    _sql("UPDATE products SET price = 1 WHERE id = %s", pk)
    _sql("SELECT set_config('session_replication_role', 'replica', false)")
    _sql("UPDATE products SET price = 2 WHERE id = %s", pk)
    _sql("SELECT set_config('session_replication_role', 'origin', false)")
    assert _kinds() == {("edited", pk)}


def _run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_integrity", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_command_names_rows_and_a_person_may_accept(
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    assert _run()[0] == 0
    pk = str(Product.objects.order_by("pk")[0].pk)
    _sql("UPDATE products SET brand = 'Hand' WHERE id = %s", pk)
    code, out = _run()
    assert (code, pk in out) == (1, True)
    assert _run("--accept", f"products:{pk[:2]}")[0] == 0
    assert _run()[0] == 0
    assert not Alert.objects.filter(code="integrity", closed_at=None).exists()
