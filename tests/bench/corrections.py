"""Staff's work at size: a bulk edit of 5,000 products with history and locks against the same UPDATE by hand; at most 4 x.

By hand is one UPDATE of the same rows to the same price, with `updated_at`, in a table with the same indexes and no
triggers. Ours reads, holds and checks the products, writes them, locks the field with what each source says, and notes
both in the history. Each round undoes what the one before did. Further lines: the undo against the same UPDATE; and,
at a million generated products, the first page of the product list and of a search in milliseconds, with their queries,
and the integrity check of them in rows a second against `md5(row::text)` in SQL (at least 0.5 x).
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
from mlops.quality.integrity import check_integrity
from tests.bench.comparison import Comparison, measure_alternately, measure_seconds
from tests.bench.ingest import make_listing

SIZE = 1_000_000
EDITED = 5_000
MOST_TIMES, MOST_MILLISECONDS, LEAST_INTEGRITY = 4.0, 300.0, 0.5


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratios of the edit and its undo, then the milliseconds of pages."""
    by = User.objects.create_superuser("bench", password="bench")
    save_listings(listings=[make_listing(number) for number in range(EDITED)], run=None)
    edit = Comparison(
        name=f"bulk edit of {EDITED:,}, against UPDATE", limit=MOST_TIMES, is_ceiling=True
    )
    undone = Comparison(name="its undo, against UPDATE")
    ids = list(Product.objects.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE by_hand (LIKE products INCLUDING ALL)")
        cursor.execute("INSERT INTO by_hand SELECT * FROM products")
        cursor.execute("ANALYZE")
    for number in range(rounds):
        price = Decimal(100 + number)
        theirs = measure_seconds(partial(_by_hand, ids, price))
        ours = measure_seconds(partial(_bulk_edit, ids, price, by))
        edit.ratios.append(ours / theirs)
        done = Operation.objects.order_by("-started_at")[0]
        undone.ratios.append(measure_seconds(partial(undo_operation, original=done, by=by)) / theirs)
        advance()
    return [edit, undone, *_pages(by, rounds, size), _integrity(rounds, size)]


@transaction.atomic
def _by_hand(ids: list[Any], price: Decimal) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE by_hand SET price = %s, updated_at = now() WHERE id = ANY(%s)", [price, ids]
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
        raise AssertionError(f"{len(changed)} of {len(ids)} were changed")


def _pages(by: User, rounds: int, size: int) -> list[Comparison]:
    _generate(size)
    staff = Client(HTTP_HOST="localhost")
    staff.force_login(by)
    page = reverse("admin:catalog_product_changelist")
    lines = []
    for name, address in (
        ("list", page),
        ("list, a category", f"{page}?category=vapes"),
        ("search", f"{page}?q=kush 77"),
    ):
        line = Comparison(name="", limit=MOST_MILLISECONDS, unit="ms", is_ceiling=True)
        staff.get(address)
        with CaptureQueriesContext(connection) as queries:
            answer = staff.get(address)
        if answer.status_code != 200:
            raise AssertionError(f"{address} answered {answer.status_code}")
        line.name = f"{name} page at {size:,} products, {len(queries)} queries"
        for _ in range(rounds):
            started = time.perf_counter()
            staff.get(address)
            line.ratios.append((time.perf_counter() - started) * 1000)
        lines.append(line)
    return lines


def _integrity(rounds: int, size: int) -> Comparison:
    line = Comparison(
        name=f"integrity check of {size:,} products, against md5(row::text)", limit=LEAST_INTEGRITY
    )
    check_integrity(tables=["products"], accept=[("products", block) for block in range(256)])
    for number in range(rounds):
        ours, theirs = measure_alternately(number, partial(_check, by_us=True), partial(_check, by_us=False))
        line.ratios.append(theirs / ours)
    return line


def _check(*, by_us: bool) -> None:
    if by_us:
        if check_integrity(tables=["products"]):
            raise AssertionError("a clean table is not quiet")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(md5(p::text)) FROM products p")


def _generate(size: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO products (merge_key, name, name_fr, brand, sku, category, strain_type, thc_percentage, price, source,
              search_document)
            SELECT 'bench:' || n, 'Kush ' || n, 'Kush ' || n || ' fr', 'Brand ' || n %% 500, 'B' || n,
              (ARRAY['dried-flower','vapes','edibles','pre-rolls'])[1 + n %% 4], (ARRAY['indica','sativa','hybrid'])[1 + n %% 3],
              n %% 30, 10 + n %% 90, 'bench', to_tsvector('simple', 'kush ' || n || ' brand ' || n %% 500)
            FROM generate_series(1, %s) n
            """,
            [size],
        )
        cursor.execute("VACUUM ANALYZE products")
