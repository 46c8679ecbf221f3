"""Lists of the console at millions of rows: counts and filters without reading all of them."""

from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import LicenceHolder
from config import selectors
from config.selectors import count_rows

pytestmark = pytest.mark.django_db
LIST = "admin:catalog_licenceholder_changelist"


@pytest.fixture(autouse=True)
def _values_of_no_other_test() -> None:
    cache.clear()


def _create_holders(count: int, **values: Any) -> None:
    LicenceHolder.objects.bulk_create(
        LicenceHolder(source="federal", external_id=str(number), name=f"Holder {number}", **values)
        for number in range(count)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE licence_holders")


def test_small_list_is_counted_exactly() -> None:
    _create_holders(7)

    assert count_rows(LicenceHolder.objects.filter(name__lt="Holder 3")) == 3


def test_large_list_is_not_read_to_count_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _create_holders(50)
    monkeypatch.setattr(selectors, "_MAX_EXACT_COUNT", 10)

    with CaptureQueriesContext(connection) as queries:
        count = count_rows(LicenceHolder.objects.all())

    assert count == 50
    assert [query["sql"][:7] for query in queries] == ["EXPLAIN"]


def test_values_of_a_filter_are_read_once_for_many_pages(admin_client: Client) -> None:
    _create_holders(3, status="Issued")
    admin_client.get(reverse(LIST))

    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get(reverse(LIST))

    assert "Issued" in page.content.decode()
    assert not [query for query in queries if "DISTINCT" in query["sql"]]


def test_filter_applies_to_a_value_that_is_not_among_those_read(admin_client: Client) -> None:
    _create_holders(1, status="Issued")
    admin_client.get(reverse(LIST))
    LicenceHolder.objects.create(
        source="federal", external_id="new", name="New holder", status="Revoked"
    )

    page = admin_client.get(reverse(LIST), {"status": "Revoked"})

    assert [row.name for row in page.context["cl"].result_list] == ["New holder"]
