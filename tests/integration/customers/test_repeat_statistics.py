"""Update of the repeat statistics: values, consent, returns, repetition; and its console page."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from catalog.models import Product
from customers import tasks
from customers.models import ProductRepeatStatistics, Purchase, StoreRepeatStatistics
from customers.recommendations.statistics.jobs import RETENTION_DAYS, update_repeat_statistics
from customers.recommendations.statistics.repeats import DEFAULT_DISCOVERY_RATIO
from customers.services import consents
from tests.factories.catalog import StoreFactory, create_products
from tests.factories.customers import (
    CustomerFactory,
    InteractionFactory,
    StoreRepeatStatisticsFactory,
    record_receipt,
)
from tests.integration.locks import assert_waits_for_lock

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/console/customers/storerepeatstatistics/"
# Days ago: well before the test window of 14 days, shortly before it, and in it.
LONG_BEFORE = 40
BEFORE = 20
IN_WINDOW = 3


def _product_statistics() -> dict[UUID, tuple[float, int]]:
    return {
        row.product_id: (row.repeats, row.buyers) for row in ProductRepeatStatistics.objects.all()
    }


def _update(now: datetime | None = None) -> StoreRepeatStatistics:
    """Update the statistics and return the new row of the stores."""
    update_repeat_statistics(now=now)
    return StoreRepeatStatistics.objects.latest("id")


def _window_counts(now: datetime | None = None) -> tuple[int, int]:
    """Update the statistics and return repeats and predicted hits."""
    statistics = _update(now)
    return statistics.repeats, statistics.predicted_hits


def _expected(orders: int, buyers: int) -> tuple[Any, int]:
    """Return the expected statistics of a product."""
    return pytest.approx((orders + 20 * 1.3) / (buyers + 20)), buyers


def _make_neighbors(a: Product, b: Product) -> None:
    """Make two products neighbors: three customers bought both long before the window."""
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, b, days_ago=LONG_BEFORE)


def _product_versions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT xmin::text FROM product_repeat_statistics ORDER BY 1")
        return [version for (version,) in cursor.fetchall()]


def test_orders_per_buyer_of_a_small_example() -> None:
    a, b = create_products(2)
    one, two, three = CustomerFactory.create_batch(3, consenting=True)
    store = StoreFactory.create(code="queen-west")
    other_store = StoreFactory.create(code="danforth")
    for customer in (one, two, three):
        record_receipt(customer, a, days_ago=LONG_BEFORE)
    for days_ago in (BEFORE, IN_WINDOW, 200, 360):
        record_receipt(one, a, days_ago=days_ago)
    record_receipt(one, a, days_ago=370)  # too old
    # Two lines of an order count once; the same order number in another store is another order.
    record_receipt(two, b, b, order_id="7", store=store)
    record_receipt(two, b, order_id="7", store=other_store)
    for customer in (one, three):
        record_receipt(customer, b)

    assert update_repeat_statistics() == 2
    assert _product_statistics() == {a.pk: _expected(7, 3), b.pk: _expected(4, 3)}


def test_products_with_fewer_than_three_buyers_are_not_stored() -> None:
    (a,) = create_products(1)
    for customer in CustomerFactory.create_batch(2, consenting=True):
        for days_ago in range(1, 30, 7):
            record_receipt(customer, a, days_ago=days_ago)

    assert update_repeat_statistics() == 0
    assert not _product_statistics()


def test_discovery_ratio_of_a_small_example() -> None:
    a, b, c = create_products(3)
    _make_neighbors(a, b)
    one, two = CustomerFactory.create_batch(2, consenting=True)
    record_receipt(one, a, days_ago=BEFORE)
    record_receipt(one, a, b, c)  # a is a repeat, b is predicted by a, c is neither
    record_receipt(two, c)  # no purchases before the window

    after_40_days = _update()
    record_receipt(None, c, days_ago=61)
    after_61_days = _update()

    assert (after_40_days.repeats, after_40_days.predicted_hits) == (1, 1)
    assert after_40_days.discovery_ratio == DEFAULT_DISCOVERY_RATIO
    expected_ratio = (1 + 50 * DEFAULT_DISCOVERY_RATIO) / (1 + 50)
    assert after_61_days.discovery_ratio == pytest.approx(expected_ratio)


def test_neighbors_are_those_before_the_test_window() -> None:
    a, b = create_products(2)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, days_ago=BEFORE)
        record_receipt(customer, b)

    assert _window_counts() == (0, 0)


@pytest.mark.parametrize(
    ("kind", "days_ago", "predicted_hits"),
    [
        pytest.param("like", 300, 1, id="like-of-any-age"),
        pytest.param("view", LONG_BEFORE, 1, id="view-within-90-days"),
        pytest.param("basket_add", LONG_BEFORE, 1, id="basket-within-90-days"),
        pytest.param("view", 110, 0, id="view-too-old"),
        pytest.param("view", IN_WINDOW, 0, id="view-in-window"),
        pytest.param("like", IN_WINDOW, 0, id="like-in-window"),
        pytest.param("dislike", LONG_BEFORE, 0, id="dislike"),
        pytest.param("basket_remove", LONG_BEFORE, 0, id="basket-removal"),
    ],
)
def test_predictions_use_interactions_before_the_test_window(
    kind: str, days_ago: float, predicted_hits: int
) -> None:
    a, b, c = create_products(3)
    _make_neighbors(a, b)
    (customer,) = CustomerFactory.create_batch(1, consenting=True)
    record_receipt(customer, c, days_ago=BEFORE)
    InteractionFactory.create(customer=customer, kind=kind, product=a, days_ago=days_ago)
    record_receipt(customer, b)

    assert _update().predicted_hits == predicted_hits


def test_a_later_dislike_cancels_a_like() -> None:
    a, b, c = create_products(3)
    _make_neighbors(a, b)
    (customer,) = CustomerFactory.create_batch(1, consenting=True)
    record_receipt(customer, c, days_ago=BEFORE)
    InteractionFactory.create(customer=customer, kind="like", product=a, days_ago=100)
    InteractionFactory.create(customer=customer, kind="dislike", product=a, days_ago=BEFORE)
    record_receipt(customer, b)

    assert _update().predicted_hits == 0


def test_purchases_in_the_test_window_predict_nothing() -> None:
    a, b, c = create_products(3)
    _make_neighbors(a, b)
    (customer,) = CustomerFactory.create_batch(1, consenting=True)
    record_receipt(customer, c, days_ago=BEFORE)
    record_receipt(customer, a, b)

    assert _window_counts() == (0, 0)


def test_a_return_without_a_known_purchase_predicts_nothing() -> None:
    a, b, c = create_products(3)
    _make_neighbors(a, b)
    (customer,) = CustomerFactory.create_batch(1, consenting=True)
    record_receipt(customer, c, days_ago=BEFORE)
    record_receipt(customer, a, days_ago=BEFORE, quantity=-1)
    record_receipt(customer, b)

    assert _update().predicted_hits == 0


def test_segment_shares_are_those_of_all_receipts() -> None:
    indica, sativa, _ = create_products(3)
    (oil,) = create_products(1, prefix="O", category="oil", strain_type="")
    (unknown,) = create_products(1, prefix="U", category="", strain_type="")
    for _ in range(3):
        record_receipt(None, indica, unknown)
    record_receipt(None, sativa, days_ago=179)
    record_receipt(None, oil)
    record_receipt(None, oil, days_ago=181)  # too old
    with_known_segments = _update()

    Purchase.objects.exclude(product=unknown).delete()
    with_unknown_segments = _update()

    assert with_known_segments.segment_shares == {
        "dried_flower indica": pytest.approx(0.6),
        "dried_flower sativa": pytest.approx(0.2),
        "oil": pytest.approx(0.2),
    }
    assert with_unknown_segments.segment_shares == {}


@pytest.mark.parametrize(
    "purposes",
    [
        pytest.param((), id="nothing"),
        pytest.param(("history",), id="history"),
        pytest.param(("profiling",), id="profiling"),
        pytest.param(("history", "marketing", "chat"), id="all-but-profiling"),
    ],
)
def test_customers_without_consent_count_in_segment_shares_alone(
    purposes: tuple[str, ...],
) -> None:
    a, b = create_products(2)
    _make_neighbors(a, b)
    before = _update()
    products_before = _product_statistics()

    for _ in range(3):
        customer = CustomerFactory.create(consents=purposes)
        record_receipt(customer, a, days_ago=BEFORE)
        record_receipt(customer, a, b)
    record_receipt(None, a, b)
    after = _update()

    assert _product_statistics() == products_before
    assert (before.repeats, before.predicted_hits) == (0, 0)
    assert (after.repeats, after.predicted_hits) == (0, 0)
    # Before: 3 orders with both products; added: 3 with a, 4 with both.
    assert before.segment_shares == {"dried_flower indica": 0.5, "dried_flower sativa": 0.5}
    assert after.segment_shares == {
        "dried_flower indica": pytest.approx(10 / 17),
        "dried_flower sativa": pytest.approx(7 / 17),
    }


def test_withdrawn_consent_applies_at_the_next_update() -> None:
    (a,) = create_products(1)
    customers = CustomerFactory.create_batch(3, consenting=True)
    for customer in customers:
        record_receipt(customer, a, days_ago=BEFORE)
        record_receipt(customer, a)
    assert _update().repeats == 3
    assert set(_product_statistics()) == {a.pk}

    consents.withdraw_consent(customer=customers[0], purpose="profiling", by="user:test")

    assert _update().repeats == 2
    assert not _product_statistics()


def test_returned_products_do_not_count() -> None:
    a, b = create_products(2)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, days_ago=BEFORE)
        order = record_receipt(customer, a, b)
        record_receipt(customer, b, quantity=-1, order_id=order)
    with_b_returned = _update()
    assert with_b_returned.repeats == 3
    assert with_b_returned.segment_shares == {"dried_flower indica": 1.0}
    assert _product_statistics() == {a.pk: _expected(6, 3)}

    window_start = timezone.now() - timedelta(days=14)
    for line in Purchase.objects.filter(product=a, purchased_at__gt=window_start):
        record_receipt(line.customer, a, quantity=-1, order_id=line.order_id)

    assert _update().repeats == 0


def test_a_product_returned_before_the_window_is_a_first_purchase_in_it() -> None:
    a, b = create_products(2)
    _make_neighbors(a, b)
    (customer,) = CustomerFactory.create_batch(1, consenting=True)
    record_receipt(customer, a, days_ago=BEFORE)
    record_receipt(customer, b, days_ago=BEFORE)
    record_receipt(customer, b, days_ago=BEFORE - 1, quantity=-1)
    record_receipt(customer, b)

    assert _window_counts() == (0, 1)


def test_purchases_of_a_merged_product_count_for_its_target() -> None:
    a, merged = create_products(2)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, merged, days_ago=BEFORE)
        record_receipt(customer, a, merged)
    Product.objects.filter(pk=merged.pk).update(merged_into=a)

    statistics = _update()

    assert _product_statistics() == {a.pk: _expected(6, 3)}
    assert statistics.repeats == 3
    assert statistics.segment_shares == {"dried_flower indica": 1.0}


def test_repeated_updates_add_an_equal_row_and_write_no_products() -> None:
    a, b = create_products(2)
    _make_neighbors(a, b)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a, days_ago=BEFORE)
        record_receipt(customer, a, b)
    now = timezone.now()
    first = _update(now)
    product_versions = _product_versions()

    second = _update(now)

    assert _product_versions() == product_versions
    assert (first.repeats, first.predicted_hits) == (3, 3)
    for name in ("counted_at", "repeats", "predicted_hits", "discovery_ratio", "segment_shares"):
        assert getattr(first, name) == getattr(second, name), name
    assert StoreRepeatStatistics.objects.count() == 2


def test_products_without_recent_orders_are_deleted() -> None:
    (a,) = create_products(1)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a)
    assert tasks.update_repeat_statistics() == {"products": 1}

    Purchase.objects.update(purchased_at=timezone.now() - timedelta(days=366))

    assert tasks.update_repeat_statistics() == {"products": 0}
    assert not _product_statistics()


def test_without_purchases_no_store_statistics_are_added() -> None:
    (a,) = create_products(1)
    (customer,) = CustomerFactory.create_batch(1, consenting=True)
    InteractionFactory.create(customer=customer, kind="view", product=a)

    assert update_repeat_statistics() == 0
    assert not StoreRepeatStatistics.objects.exists()


def test_store_statistics_are_kept_for_400_days() -> None:
    now = timezone.now()
    for days in (RETENTION_DAYS - 1, RETENTION_DAYS + 1):
        StoreRepeatStatisticsFactory.create(
            counted_at=now - timedelta(days=days), repeats=1, predicted_hits=0, discovery_ratio=0.07
        )

    update_repeat_statistics(now=now)

    ages = [(now - row.counted_at).days for row in StoreRepeatStatistics.objects.all()]
    assert ages == [RETENTION_DAYS - 1]


def test_the_sample_of_customers_is_limited_and_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    (a,) = create_products(1)
    for number, customer in enumerate(CustomerFactory.create_batch(6, consenting=True)):
        record_receipt(customer, a, days_ago=BEFORE)
        record_receipt(customer, a, days_ago=number + 1)
    monkeypatch.setattr("customers.recommendations.statistics.jobs.MAX_SAMPLED_CUSTOMERS", 4)

    first = _update()
    second = _update()

    assert first.repeats == 4
    assert second.repeats == 4
    assert set(_product_statistics()) == {a.pk}


def test_an_update_waits_for_another_one() -> None:
    (a,) = create_products(1)
    for customer in CustomerFactory.create_batch(3, consenting=True):
        record_receipt(customer, a)

    product_count = assert_waits_for_lock("update repeat statistics", update_repeat_statistics)

    assert product_count == 1


def _get_page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_page_shows_the_statistics_with_the_largest_share_first(admin_client: Client) -> None:
    older = StoreRepeatStatisticsFactory.create(
        repeats=0,
        predicted_hits=0,
        discovery_ratio=0.08,
        counted_at=timezone.now() - timedelta(days=1),
    )
    newest = StoreRepeatStatisticsFactory.create(
        repeats=150,
        predicted_hits=46,
        discovery_ratio=0.25,
        segment_shares={"oil": 0.125, "dried_flower indica": 0.875},
    )

    listed = _get_page(admin_client, PAGE)
    page = _get_page(admin_client, f"{PAGE}{newest.pk}/change/")
    page_without_shares = _get_page(admin_client, f"{PAGE}{older.pk}/change/")

    assert "Discovery ratio 0.250" in listed
    assert "For every 100 repeat purchases, customers make 25.0 first-time purchases" in listed
    for figure in ("0.080", "150", "46"):
        assert figure in listed
    assert page.index("dried_flower indica") < page.index("87.5 %")
    assert page.index("87.5 %") < page.index("12.5 %")
    assert "customers make 25.0 first-time purchases" in page
    assert 'name="_save"' not in page
    assert "No product with a known category or strain type was sold" in page_without_shares


def test_page_without_statistics_says_so(admin_client: Client) -> None:
    assert "No statistics yet" in _get_page(admin_client, PAGE)


def test_page_is_read_only_and_needs_permission(client: Client) -> None:
    statistics = StoreRepeatStatisticsFactory.create(
        repeats=1, predicted_hits=1, discovery_ratio=0.1
    )
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    pages = (PAGE, f"{PAGE}{statistics.pk}/change/")
    assert {client.get(page).status_code for page in pages} == {403}

    codenames = [f"{action}_storerepeatstatistics" for action in ("view", "change", "delete")]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))

    assert {client.get(page).status_code for page in pages} == {200}
    assert f'href="{PAGE}"' in _get_page(client, "/console/")
    assert client.get(f"{PAGE}add/").status_code == 403
    change = client.post(f"{PAGE}{statistics.pk}/change/", {"discovery_ratio": 5})
    assert change.status_code == 403
    deletion = client.post(f"{PAGE}{statistics.pk}/delete/", {"post": "yes"})
    assert deletion.status_code == 403
