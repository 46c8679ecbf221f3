"""Tables that recommendations are looked up in, counted from purchases: by hand, twice, and as far as people agreed."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Product, Store
from customers.models import ProductNeighbor, ProductPopularity, Purchase
from customers.recommendations.statistics.co_purchase import PERIOD_DAYS, POPULAR_HALF_LIFE, SHRINK
from customers.recommendations.statistics.jobs import count_neighbors, count_popularity
from customers.services import consents
from customers.tasks import count_recommendations
from tests.integration import customer_data, store_data
from tests.integration.locks import waited_for

pytestmark = pytest.mark.django_db(transaction=True)


def _pairs() -> dict[tuple[UUID, UUID], tuple[float, int]]:
    return {
        (n.product_id, n.neighbor_id): (n.score, n.buyers) for n in ProductNeighbor.objects.all()
    }


def _popular(store: Store | None) -> dict[UUID, tuple[float, int]]:
    return {
        p.product_id: (p.score, p.orders) for p in ProductPopularity.objects.filter(store=store)
    }


def test_neighbors_of_a_small_case() -> None:
    a, b, c = store_data.products(3)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, b)
        store_data.receipt(who, c, days=PERIOD_DAYS * 2)  # the same people, too long before
    store_data.receipt(customer_data.agreeing(1)[0], a)
    assert count_neighbors() == 2
    score = 3 / (4 * 3) ** 0.5 * 3 / (3 + SHRINK)
    found = _pairs()
    assert set(found) == {(a.pk, b.pk), (b.pk, a.pk)}
    assert all(told == pytest.approx(score) and buyers == 3 for told, buyers in found.values())


def test_purchases_of_one_person_on_several_receipts_go_together() -> None:
    a, b = store_data.products(2)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, days=3)
        store_data.receipt(who, b, days=9)
    assert count_neighbors() == 2


def test_twice_is_the_same_and_nothing_is_written() -> None:
    a, b = store_data.products(2)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, b)
    now = timezone.now()
    assert count_neighbors(now=now) == count_neighbors(now=now) == 2
    assert count_popularity(now=now) == count_popularity(now=now) == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(DISTINCT xmin::text) FROM product_neighbors")
        (before,) = cursor.fetchone()
        count_neighbors(now=now)
        cursor.execute("SELECT array_agg(DISTINCT xmin::text) FROM product_neighbors")
        assert cursor.fetchone() == (before,)


def test_what_counts_no_more_is_gone() -> None:
    a, b = store_data.products(2)
    where = store_data.store()
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, b, where=where)
    count_recommendations()
    assert len(_pairs()) == 2
    assert len(_popular(where)) == len(_popular(None)) == 2
    Purchase.objects.update(purchased_at=timezone.now() - timedelta(days=200))
    assert count_recommendations() == {"neighbors": 0, "popularity": 0}
    assert not ProductNeighbor.objects.exists()
    assert not ProductPopularity.objects.exists()


def test_pair_of_fewer_than_three_buyers_is_not_kept() -> None:
    a, b = store_data.products(2)
    for who in customer_data.agreeing(2):
        for month in range(4):
            store_data.receipt(who, a, b, days=3 + PERIOD_DAYS * month)
    assert count_neighbors() == 0


def test_people_who_are_known_and_do_not_agree_count_for_no_pairs() -> None:
    a, b = store_data.products(2)
    others = [customer_data.person("history") for _ in range(3)]
    for who in others:
        store_data.receipt(who, a, days=3)
        store_data.receipt(who, b, days=4)
    assert count_neighbors() == 0  # what links their receipts is themselves
    for who in others:
        store_data.receipt(who, a, b, days=5)
    assert count_neighbors() == 0
    for number in range(3):
        store_data.receipt(None, a, b, order=f"nobody-{number}")
    assert count_neighbors() == 2
    assert {buyers for _, buyers in _pairs().values()} == {3}


def test_consent_taken_back_unlinks_the_receipts_at_the_next_count() -> None:
    a, b = store_data.products(2)
    agreeing = customer_data.agreeing(3)
    for who in agreeing:
        store_data.receipt(who, a, days=3)
        store_data.receipt(who, b, days=4)
    assert count_neighbors() == 2
    consents.withdraw(customer=agreeing[0], purpose="profiling", by="user:test")
    assert count_neighbors() == 0


def test_receipts_of_nobody_known_count_once_each_whatever_they_repeat() -> None:
    a, b = store_data.products(2)
    where, elsewhere = store_data.store(), store_data.store("danforth")
    for _ in range(3):
        store_data.receipt(None, a, b, where=where, order="0001")
    assert count_neighbors() == 0
    store_data.receipt(None, a, b, where=elsewhere, order="0001")  # another store numbers its own
    store_data.receipt(None, a, b, where=where, order="0002")
    assert count_neighbors() == 2


def test_what_was_returned_was_not_bought() -> None:
    a, b = store_data.products(2)
    where = store_data.store()
    for who in customer_data.agreeing(3):
        order = store_data.receipt(who, a, b, where=where)
        store_data.receipt(who, b, where=where, quantity=-1, order=order)
    assert count_neighbors() == 0
    assert count_popularity() == 2
    assert set(_popular(where)) == {a.pk}


def test_merged_product_counts_as_what_it_became() -> None:
    a, b, old = store_data.products(3)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, old)
    Product.objects.filter(pk=old.pk).update(merged_into=b)
    assert count_neighbors() == 2
    assert set(_pairs()) == {(a.pk, b.pk), (b.pk, a.pk)}


def test_popularity_by_store_and_in_all() -> None:
    a, b = store_data.products(2)
    here, there = store_data.store(), store_data.store("danforth")
    store_data.receipt(None, a, where=here, days=14)
    store_data.receipt(None, a, b, where=here, days=14)
    store_data.receipt(None, b, where=there, days=28)
    store_data.receipt(None, b, where=None, days=200)  # too long ago
    assert count_popularity() == 5
    assert _popular(None) == {
        a.pk: (1.0, 2),
        b.pk: (pytest.approx((1 + 2 ** (-14 / POPULAR_HALF_LIFE)) / 2, abs=1e-4), 2),
    }
    assert _popular(here)[a.pk] == (1.0, 2)
    assert _popular(here)[b.pk][0] < 1
    assert _popular(there) == {b.pk: (1.0, 1)}


def test_one_run_waits_for_another() -> None:
    a, b = store_data.products(2)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, b)
    assert waited_for("count neighbors", count_neighbors) == 2
