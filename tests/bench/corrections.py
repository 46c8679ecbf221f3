"""
Benchmark of corrections: a bulk edit of 5,000 products against a plain UPDATE; at most 4 x.

The plain UPDATE sets the same price and `updated_at` in a table with the same indexes and no
triggers. The bulk edit locks, reads and validates the products, writes them, locks the field with
the values of all sources, and records both in the history. Each round undoes its edit.

Further lines: the undo against the same UPDATE; at a million generated products, the first page of
the product list and of a search in milliseconds with their number of queries; and the integrity
check in rows per second against `md5(row::text)` in SQL (at least 0.5 x).
"""

import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import Product
from catalog.services.corrections import correct_products
from catalog.services.listings import save_listings
from catalog.services.undo import undo_operation
from mlops.models import Operation
from mlops.quality.integrity_check import check_integrity
from tests.bench.comparison import Comparison, measure_alternately, measure_seconds
from tests.bench.ingest import make_listing

SIZE = 1_000_000
EDITED_PRODUCTS = 5_000
MAX_EDIT_RATIO = 4.0
MAX_PAGE_MILLISECONDS = 300.0
MIN_INTEGRITY_RATIO = 0.5
_INTEGRITY_BLOCKS = 256
# Creates %s products with search documents.
_GENERATE_PRODUCTS_SQL = """
INSERT INTO products (
  merge_key, name, name_fr, brand, sku, category, strain_type, thc_percentage, price, source,
  search_document
)
SELECT
  'bench:' || n,
  'Kush ' || n,
  'Kush ' || n || ' fr',
  'Brand ' || n %% 500,
  'B' || n,
  (ARRAY['dried_flower','vapes','edibles','pre_rolls'])[1 + n %% 4],
  (ARRAY['indica','sativa','hybrid'])[1 + n %% 3],
  n %% 30,
  10 + n %% 90,
  'bench',
  to_tsvector('simple', 'kush ' || n || ' brand ' || n %% 500)
FROM generate_series(1, %s) n
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratios of the edit, its undo and the integrity check, and the times of pages."""
    by = User.objects.create_superuser("bench", password="bench")
    listings = [make_listing(number) for number in range(EDITED_PRODUCTS)]
    save_listings(listings=listings, run=None)
    edit = Comparison(
        name=f"bulk edit of {EDITED_PRODUCTS:,}, against UPDATE",
        limit=MAX_EDIT_RATIO,
        is_ceiling=True,
    )
    undo = Comparison(name="its undo, against UPDATE")
    ids = list(Product.objects.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE plain_products (LIKE products INCLUDING ALL)")
        cursor.execute("INSERT INTO plain_products SELECT * FROM products")
        cursor.execute("ANALYZE")
    for number in range(rounds):
        price = Decimal(100 + number)
        plain_seconds = measure_seconds(partial(_plain_update, ids, price))
        edit_seconds = measure_seconds(partial(_bulk_edit, ids, price, by))
        operation = Operation.objects.order_by("-started_at")[0]
        undo_seconds = measure_seconds(partial(undo_operation, original=operation, by=by))
        edit.ratios.append(edit_seconds / plain_seconds)
        undo.ratios.append(undo_seconds / plain_seconds)
        advance()
    return [edit, undo, *_page_times(by, rounds, size), _integrity_ratio(rounds, size)]


@transaction.atomic
def _plain_update(ids: list[Any], price: Decimal) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE plain_products SET price = %s, updated_at = now() WHERE id = ANY(%s)",
            [price, ids],
        )


def _bulk_edit(ids: list[Any], price: Decimal, by: User) -> None:
    changed = correct_products(
        changes={pk: {"price": price} for pk in ids},
        by=by,
        reason="bench",
        kind=Operation.Kind.BULK_EDIT,
        override_locks=True,
    ).changed
    if len(changed) != len(ids):
        raise AssertionError(f"{len(changed)} of {len(ids)} products were changed")


def _page_times(by: User, rounds: int, size: int) -> list[Comparison]:
    _generate_products(size)
    client = Client(HTTP_HOST="localhost")
    client.force_login(by)
    page = reverse("admin:catalog_product_changelist")
    addresses = {
        "list": page,
        "list, a category": f"{page}?category=vapes",
        "search": f"{page}?q=kush 77",
    }
    return [
        _page_time(client, name, address, rounds=rounds, size=size)
        for name, address in addresses.items()
    ]


def _page_time(client: Client, name: str, address: str, *, rounds: int, size: int) -> Comparison:
    client.get(address)  # warms up
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    if response.status_code != 200:
        raise AssertionError(f"{address} returned status {response.status_code}")
    line = Comparison(
        name=f"{name} page at {size:,} products, {len(queries)} queries",
        limit=MAX_PAGE_MILLISECONDS,
        unit="ms",
        is_ceiling=True,
    )
    for _ in range(rounds):
        started_at = time.perf_counter()
        client.get(address)
        line.ratios.append((time.perf_counter() - started_at) * 1000)
    return line


def _integrity_ratio(rounds: int, size: int) -> Comparison:
    line = Comparison(
        name=f"integrity check of {size:,} products, against md5(row::text)",
        limit=MIN_INTEGRITY_RATIO,
    )
    check_integrity(
        tables=["products"], accept=[("products", block) for block in range(_INTEGRITY_BLOCKS)]
    )
    for number in range(rounds):
        check_seconds, md5_seconds = measure_alternately(number, _check_integrity, _hash_rows)
        line.ratios.append(md5_seconds / check_seconds)
    return line


def _check_integrity() -> None:
    if check_integrity(tables=["products"]):
        raise AssertionError("the integrity check found differences in an unchanged table")


def _hash_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(md5(p::text)) FROM products p")


def _generate_products(size: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GENERATE_PRODUCTS_SQL, [size])
        cursor.execute("VACUUM ANALYZE products")
