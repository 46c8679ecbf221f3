"""Tests that commit leave the rows of the migrations, and only those."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django_celery_beat.models import PeriodicTask

from catalog.models import CatalogSource, Product, ProductLock
from tests import baseline

pytestmark = pytest.mark.django_db(transaction=True)


def _rows() -> dict[str, list[str]]:
    """Return all rows of all tables as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        rows = {}
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
            rows[table] = [row for (row,) in cursor.fetchall()]
    return rows


def test_added_rows_are_removed_whatever_refers_to_them() -> None:
    before = _rows()
    product = Product.objects.create(name="Pink Kush", merge_key=f"test:{uuid4()}", price=30)
    user = User.objects.create_user("staff")
    ProductLock.objects.create(product=product, field="price", locked_by=user)
    assert _rows() != before

    baseline.restore()

    assert _rows() == before


def test_changed_and_deleted_rows_of_the_migrations_are_restored() -> None:
    before = _rows()
    assert CatalogSource.objects.update(requests_per_second=1000)
    PeriodicTask.objects.all().delete()
    assert _rows() != before

    baseline.restore()

    assert _rows() == before


def test_triggers_and_foreign_keys_apply_again_after_a_restore() -> None:
    baseline.restore()

    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)
