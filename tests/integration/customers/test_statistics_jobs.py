"""Updates of co-purchase neighbors and popularity: values, consent, returns and repetition."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Product, Store
from customers.models import ProductNeighbor, ProductPopularity, Purchase
from customers.recommendations.statistics.co_purchase import PERIOD_DAYS, SHRINKAGE
from customers.recommendations.statistics.jobs import (
    update_product_neighbors,
    update_product_popularity,
)
from customers.reference.history import POPULARITY_HALF_LIFE_DAYS
from customers.services import consents
from customers.tasks import update_recommendation_statistics
from tests.factories.catalog import StoreFactory, create_products
from tests.factories.customers import CustomerFactory, record_receipt
from tests.integration.locks import assert_waits_for_lock

pytestmark = pytest.mark.django_db(transaction=True)


def _pairs() -> dict[tuple[UUID, UUID], tuple[Any, int]]:
    return {
        (pair.product_id, pair.neighbor_id): (pair.score, pair.buyers)
        for pair in ProductNeighbor.objects.all()
    }


def _popularity(store: Store | None) -> dict[UUID, tuple[float, int]]:
    return {
        row.product_id: (row.score, row.orders)
        for row in ProductPopularity.objects.filter(store=store)
    }


def _row_versions(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT xmin::text FROM {table} ORDER BY 1")
        return [version for (version,) in cursor.fetchall()]


def test_neighbors_of_a_small_example() -> None:
    a, b, c = create_products(3)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, b)
        # The same customers, but in another period.
        record_receipt(customer, c, days_ago=PERIOD_DAYS * 2)
    record_receipt(CustomerFactory.create_batch(1, consenting=True)[0], a)

    pair_count = update_product_neighbors()

    score = pytest.approx(3 / (4 * 3) ** 0.5 * 3 / (3 + SHRINKAGE))
    assert pair_count == 2
    assert _pairs() == {(a.pk, b.pk): (score, 3), (b.pk, a.pk): (score, 3)}


def test_purchases_of_a_customer_on_several_receipts_are_joint() -> None:
    a, b = create_products(2)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, days_ago=3)
        record_receipt(customer, b, days_ago=9)

    assert update_product_neighbors() == 2


def test_repeated_updates_return_the_same_counts_and_write_no_rows() -> None:
    a, b = create_products(2)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, b)
    now = timezone.now()
    assert update_product_neighbors(now=now) == 2
    assert update_product_popularity(now=now) == 2
    before = _row_versions("product_neighbors")

    assert update_product_neighbors(now=now) == 2
    assert update_product_popularity(now=now) == 2

    assert _row_versions("product_neighbors") == before


def test_rows_without_recent_purchases_are_deleted() -> None:
    a, b = create_products(2)
    store = StoreFactory.create(code="queen-west")
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, b, store=store)
    update_recommendation_statistics()
    assert len(_pairs()) == 2
    assert len(_popularity(store)) == 2
    assert len(_popularity(None)) == 2

    Purchase.objects.update(purchased_at=timezone.now() - timedelta(days=200))
    counts = update_recommendation_statistics()

    assert counts == {"neighbors": 0, "popularity": 0}
    assert not ProductNeighbor.objects.exists()
    assert not ProductPopularity.objects.exists()


def test_pair_of_fewer_than_three_buyers_is_not_stored() -> None:
    a, b = create_products(2)
    for customer in CustomerFactory.create_batch(2, consenting=True):
        for period in range(4):
            record_receipt(customer, a, b, days_ago=3 + PERIOD_DAYS * period)

    assert update_product_neighbors() == 0


def test_customers_without_consent_do_not_count_but_anonymous_receipts_do() -> None:
    a, b = create_products(2)
    customers = [CustomerFactory.create(consents=("history",)) for _ in range(3)]
    for customer in customers:
        record_receipt(customer, a, days_ago=3)
        record_receipt(customer, b, days_ago=4)
    assert update_product_neighbors() == 0  # only the customer links the two receipts
    for customer in customers:
        record_receipt(customer, a, b, days_ago=5)
    assert update_product_neighbors() == 0

    for number in range(3):
        record_receipt(None, a, b, order_id=f"anonymous-{number}")

    assert update_product_neighbors() == 2
    assert {buyers for _, buyers in _pairs().values()} == {3}


def test_withdrawn_consent_applies_at_the_next_update() -> None:
    a, b = create_products(2)
    customers = CustomerFactory.create_batch(3, consenting=True)
    for customer in customers:
        record_receipt(customer, a, days_ago=3)
        record_receipt(customer, b, days_ago=4)
    assert update_product_neighbors() == 2

    consents.withdraw_consent(customer=customers[0], purpose="profiling", by="user:test")

    assert update_product_neighbors() == 0


def test_anonymous_receipt_counts_once_and_is_identified_by_store_and_order() -> None:
    a, b = create_products(2)
    store = StoreFactory.create(code="queen-west")
    other_store = StoreFactory.create(code="danforth")
    for _ in range(3):
        record_receipt(None, a, b, store=store, order_id="0001")
    assert update_product_neighbors() == 0

    record_receipt(None, a, b, store=other_store, order_id="0001")
    record_receipt(None, a, b, store=store, order_id="0002")

    assert update_product_neighbors() == 2


def test_returned_products_do_not_count() -> None:
    a, b = create_products(2)
    store = StoreFactory.create(code="queen-west")
    for customer in CustomerFactory.create_batch(3, consenting=True):
        order = record_receipt(customer, a, b, store=store)
        record_receipt(customer, b, store=store, quantity=-1, order_id=order)

    assert update_product_neighbors() == 0
    assert update_product_popularity() == 2
    assert set(_popularity(store)) == {a.pk}


def test_purchases_of_a_merged_product_count_for_its_target() -> None:
    a, b, merged = create_products(3)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, merged)
    Product.objects.filter(pk=merged.pk).update(merged_into=b)

    assert update_product_neighbors() == 2
    assert set(_pairs()) == {(a.pk, b.pk), (b.pk, a.pk)}


def test_popularity_in_each_store_and_overall() -> None:
    a, b = create_products(2)
    store = StoreFactory.create(code="queen-west")
    other_store = StoreFactory.create(code="danforth")
    record_receipt(None, a, store=store, days_ago=14)
    record_receipt(None, a, b, store=store, days_ago=14)
    record_receipt(None, b, store=other_store, days_ago=28)
    record_receipt(None, b, store=None, days_ago=200)  # outside the window

    row_count = update_product_popularity()

    relative_sales = (1 + 2 ** (-14 / POPULARITY_HALF_LIFE_DAYS)) / 2
    assert row_count == 5
    assert _popularity(None) == {
        a.pk: (1.0, 2),
        b.pk: (pytest.approx(relative_sales, abs=1e-4), 2),
    }
    assert _popularity(store)[a.pk] == (1.0, 2)
    assert _popularity(store)[b.pk][0] < 1
    assert _popularity(other_store) == {b.pk: (1.0, 1)}


def test_an_update_waits_for_another_one() -> None:
    a, b = create_products(2)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, b)

    pair_count = assert_waits_for_lock("update product neighbors", update_product_neighbors)

    assert pair_count == 2
