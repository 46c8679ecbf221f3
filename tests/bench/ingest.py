"""
Throughput of the staged upsert of listings against raw COPY and against bulk_create.

Raw COPY sends the same row tuples over the same connection into an empty copy of
`supplier_listings` with the same indexes, and commits. The upsert is `find_changes`,
`write_changes` and their commit, in three states: empty table (new), every price changed, and the
same rows again (unchanged). `bulk_create(update_conflicts=True)` is given prepared model instances
and the same three states. The last three lines, without a limit, measure all of `save_listings`:
hashing, rows, upsert, products, search documents.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from django.db import connection, transaction

from catalog.ingest.records import CleanListing, Potency
from catalog.models import SupplierListing
from catalog.services.listings import (
    COLUMNS,
    Row,
    find_changes,
    listing_row,
    save_listings,
    write_changes,
)
from tests.bench.comparison import Comparison, measure_alternately, measure_seconds

SIZE = 20_000
LIMITS = {"new": 0.6, "changed": 0.4, "unchanged": 1.0}
BULK_LIMITS = {"new": 5.0, "changed": 2.9, "unchanged": 2.9}
_KEY_COLUMNS = ["source", "external_id", "language"]
_UPDATED_COLUMNS = [column for column in COLUMNS if column not in _KEY_COLUMNS]


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return the ratios of the upsert, of bulk_create, and of save_listings."""
    listings = [make_listing(number) for number in range(size)]
    raised = [replace(listing, price=(listing.price or Decimal(0)) + 1) for listing in listings]
    states = {"new": listings, "changed": raised, "unchanged": raised}
    rows = {
        state: [listing_row(listing) for listing in state_listings]
        for state, state_listings in states.items()
    }
    upsert = {
        state: Comparison(name=f"upsert, {state}", limit=limit) for state, limit in LIMITS.items()
    }
    instances = {
        state: [_instance(row) for row in state_rows] for state, state_rows in rows.items()
    }
    bulk = {
        state: Comparison(name=f"bulk_create, {state}", limit=limit)
        for state, limit in BULK_LIMITS.items()
    }
    whole = {state: Comparison(name=f"save_listings, {state}") for state in LIMITS}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE raw_copy (LIKE supplier_listings INCLUDING ALL)")
    for number in range(rounds):
        _empty("supplier_listings, products")
        copy_seconds: dict[str, float] = {}
        upsert_seconds: dict[str, float] = {}
        for state in LIMITS:
            _empty("raw_copy")
            upsert_seconds[state], copy_seconds[state] = measure_alternately(
                number, partial(_upsert, rows[state]), partial(_raw_copy, rows[state])
            )
            upsert[state].ratios.append(copy_seconds[state] / upsert_seconds[state])
        _empty("supplier_listings, products")
        for state, prepared in instances.items():
            bulk_seconds = measure_seconds(partial(_bulk_create, prepared))
            bulk[state].ratios.append(bulk_seconds / upsert_seconds[state])
        _empty("supplier_listings, products")
        for state, state_listings in states.items():
            save_all = partial(save_listings, listings=state_listings, run=None)
            save_seconds = measure_seconds(save_all)
            whole[state].ratios.append(copy_seconds[state] / save_seconds)
        advance()
    return [*upsert.values(), *bulk.values(), *whole.values()]


@transaction.atomic
def _upsert(rows: list[Row]) -> None:
    with connection.cursor() as cursor:
        write_changes(cursor, find_changes(cursor, rows), None, None)


@transaction.atomic
def _raw_copy(rows: list[Row]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY raw_copy ({', '.join(COLUMNS)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


@transaction.atomic
def _bulk_create(instances: list[SupplierListing]) -> None:
    for instance in instances:
        instance.pk = None
    SupplierListing.objects.bulk_create(
        instances,
        batch_size=1_000,
        update_conflicts=True,
        update_fields=_UPDATED_COLUMNS,
        unique_fields=_KEY_COLUMNS,
    )


def _instance(row: Row) -> SupplierListing:
    return SupplierListing(**dict(zip(COLUMNS, row, strict=True)))


def _empty(tables: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")


def make_listing(number: int) -> CleanListing:
    thc = Potency(low=Decimal(15 + number % 10), high=Decimal(18 + number % 10), unit="percent")
    return CleanListing(
        source="ocs",
        external_id=f"{number:08}",
        language="en",
        merge_key=f"ocs:{number:08}",
        name=f"Cultivar {number} Flower",
        raw_name=f"Cultivar {number} Flower 3.5g",
        brand=f"Brand {number % 300}",
        producer=f"Producer {number % 90}",
        sku=f"{number:08}_3.5g",
        gtin=None,
        category="dried_flower",
        strain_type=("indica", "sativa", "hybrid")[number % 3],
        thc=thc,
        cbd=None,
        weight_grams=Decimal("3.5"),
        unit_count=None,
        price=Decimal(20 + number % 40),
        price_kind="retail",
        url=None,
        terpenes=("myrcene", "limonene"),
        terpene_source="supplier",
        strain=None,
        lineage=("Parent A", "Parent B"),
    )
