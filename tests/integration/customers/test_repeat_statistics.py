"""What customers are like, counted from purchases: by hand, twice, and as far as people agreed; and its page in the console."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from catalog.models import Product
from customers.models import ProductHabit, Purchase, ShopHabits
from customers.recommendations.statistics.repeat_jobs import KEPT_DAYS, count_habits
from customers.recommendations.statistics.repeats import ODDS_BEFORE
from customers.services import consents
from customers.tasks import count_habits as by_the_clock
from tests.integration import customer_data, store_data
from tests.integration.locks import waited_for

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/console/customers/shophabits/"
LONG_AGO, BEFORE, LATELY = 40, 20, 3
"""Days ago: well before the last 14, shortly before them, within them."""


def _habits() -> dict[UUID, tuple[float, int]]:
    return {one.product_id: (one.repeats, one.buyers) for one in ProductHabit.objects.all()}


def _shop(now: datetime | None = None) -> ShopHabits:
    """Count, and return the new row."""
    count_habits(now=now)
    return ShopHabits.objects.latest("id")


def _repeats(orders: int, buyers: int) -> tuple[Any, int]:
    """What is counted of so many orders of so many buyers."""
    return pytest.approx((orders + 20 * 1.3) / (buyers + 20)), buyers


def _bought_together(a: Product, b: Product) -> None:
    """Make the two neighbors of one another: three have bought both, long ago."""
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, b, days=LONG_AGO)


def test_repeats_of_a_small_case() -> None:
    a, b = store_data.products(2)
    one, two, three = customer_data.agreeing(3)
    where, elsewhere = store_data.store(), store_data.store("danforth")
    for who in (one, two, three):
        store_data.receipt(who, a, days=LONG_AGO)
    for days in (BEFORE, LATELY, 200, 360):
        store_data.receipt(one, a, days=days)
    store_data.receipt(one, a, days=370)  # too long ago
    store_data.receipt(two, b, b, order="7", where=where)  # once, whatever the lines
    store_data.receipt(two, b, order="7", where=elsewhere)  # another store numbers its own
    for who in (one, three):
        store_data.receipt(who, b)
    assert count_habits() == 2
    assert _habits() == {a.pk: _repeats(7, 3), b.pk: _repeats(4, 3)}


def test_products_of_fewer_than_three_buyers_are_not_kept() -> None:
    (a,) = store_data.products(1)
    for who in customer_data.agreeing(2):
        for days in range(1, 30, 7):
            store_data.receipt(who, a, days=days)
    assert count_habits() == 0
    assert not _habits()


def test_odds_of_a_small_case() -> None:
    a, b, c = store_data.products(3)
    _bought_together(a, b)
    one, two = customer_data.agreeing(2)
    store_data.receipt(one, a, days=BEFORE)
    store_data.receipt(one, a, b, c)  # a again, b foretold by it, c by nothing
    store_data.receipt(two, c)  # was not there before
    found = _shop()
    assert (found.repeats, found.foretold) == (1, 1)
    assert found.odds == ODDS_BEFORE  # a shop of forty days
    store_data.receipt(None, c, days=61)
    assert _shop().odds == pytest.approx((1 + 50 * ODDS_BEFORE) / (1 + 50))


def test_neighbors_are_those_of_before_the_last_days() -> None:
    a, b = store_data.products(2)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, days=BEFORE)
        store_data.receipt(who, b)
    assert (_shop().repeats, _shop().foretold) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "days", "foretold"),
    [
        pytest.param("like", 300, 1, id="like-of-any-age"),
        pytest.param("view", LONG_AGO, 1, id="view-of-90-days-before"),
        pytest.param("basket-add", LONG_AGO, 1, id="basket-of-90-days-before"),
        pytest.param("view", 110, 0, id="view-too-long-ago"),
        pytest.param("view", LATELY, 0, id="view-of-the-last-days"),
        pytest.param("like", LATELY, 0, id="like-of-the-last-days"),
        pytest.param("dislike", LONG_AGO, 0, id="dislike"),
        pytest.param("basket-remove", LONG_AGO, 0, id="taken-out-again"),
    ],
)
def test_what_was_done_before_tells(kind: str, days: float, foretold: int) -> None:
    a, b, c = store_data.products(3)
    _bought_together(a, b)
    (one,) = customer_data.agreeing(1)
    store_data.receipt(one, c, days=BEFORE)
    store_data.acted(one, kind, a, days=days)
    store_data.receipt(one, b)
    assert _shop().foretold == foretold


def test_the_last_word_on_a_product_holds() -> None:
    a, b, c = store_data.products(3)
    _bought_together(a, b)
    (one,) = customer_data.agreeing(1)
    store_data.receipt(one, c, days=BEFORE)
    store_data.acted(one, "like", a, days=100)
    store_data.acted(one, "dislike", a, days=BEFORE)
    store_data.receipt(one, b)
    assert _shop().foretold == 0


def test_what_is_bought_together_in_the_last_days_does_not_foretell_itself() -> None:
    a, b, c = store_data.products(3)
    _bought_together(a, b)
    (one,) = customer_data.agreeing(1)
    store_data.receipt(one, c, days=BEFORE)
    store_data.receipt(one, a, b)
    assert (_shop().repeats, _shop().foretold) == (0, 0)


def test_a_return_alone_tells_nothing() -> None:
    a, b, c = store_data.products(3)
    _bought_together(a, b)
    (one,) = customer_data.agreeing(1)
    store_data.receipt(one, c, days=BEFORE)
    store_data.receipt(one, a, days=BEFORE, quantity=-1)  # of a purchase that is too long ago
    store_data.receipt(one, b)
    assert _shop().foretold == 0


def test_shares_are_of_every_receipt_by_category_and_strain_type() -> None:
    indica, sativa, _ = store_data.products(3)
    (oil,) = store_data.products(1, prefix="O", category="oil", strain_type="")
    (unknown,) = store_data.products(1, prefix="U", category="", strain_type="")
    for _ in range(3):
        store_data.receipt(None, indica, unknown)
    store_data.receipt(None, sativa, days=179)
    store_data.receipt(None, oil)
    store_data.receipt(None, oil, days=181)  # too long ago
    assert _shop().shares == {
        "dried-flower indica": pytest.approx(0.6),
        "dried-flower sativa": pytest.approx(0.2),
        "oil": pytest.approx(0.2),
    }
    Purchase.objects.exclude(product=unknown).delete()
    assert _shop().shares == {}


@pytest.mark.parametrize(
    "purposes",
    [
        pytest.param((), id="nothing"),
        pytest.param(("history",), id="history"),
        pytest.param(("profiling",), id="profiling"),
        pytest.param(("history", "marketing", "chat"), id="all-but-profiling"),
    ],
)
def test_who_does_not_agree_counts_in_shares_alone(purposes: tuple[str, ...]) -> None:
    a, b = store_data.products(2)
    _bought_together(a, b)
    before = _shop()
    kept = _habits()
    for _ in range(3):
        who = customer_data.person(*purposes)
        store_data.receipt(who, a, days=BEFORE)
        store_data.receipt(who, a, b)
    store_data.receipt(None, a, b)
    after = _shop()
    assert _habits() == kept
    assert (after.repeats, after.foretold) == (before.repeats, before.foretold) == (0, 0)
    # 3 orders with both before; 3 with a, 4 with both besides
    assert before.shares == {"dried-flower indica": 0.5, "dried-flower sativa": 0.5}
    assert after.shares == {
        "dried-flower indica": pytest.approx(10 / 17),
        "dried-flower sativa": pytest.approx(7 / 17),
    }


def test_consent_taken_back_counts_no_more_at_the_next_count() -> None:
    (a,) = store_data.products(1)
    agreeing = customer_data.agreeing(3)
    for who in agreeing:
        store_data.receipt(who, a, days=BEFORE)
        store_data.receipt(who, a)
    assert _shop().repeats == 3
    assert set(_habits()) == {a.pk}
    consents.withdraw(customer=agreeing[0], purpose="profiling", by="user:test")
    assert _shop().repeats == 2
    assert not _habits()


def test_what_was_returned_was_not_bought() -> None:
    a, b = store_data.products(2)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, days=BEFORE)
        order = store_data.receipt(who, a, b)
        store_data.receipt(who, b, quantity=-1, order=order)
    assert _shop().repeats == 3
    assert _habits() == {a.pk: _repeats(6, 3)}
    assert ShopHabits.objects.latest("id").shares == {"dried-flower indica": 1.0}
    for line in Purchase.objects.filter(
        product=a, purchased_at__gt=timezone.now() - timedelta(days=14)
    ):
        store_data.receipt(line.customer, a, quantity=-1, order=line.order_id)
    assert _shop().repeats == 0


def test_what_was_returned_before_was_not_had_and_a_return_tells_nothing() -> None:
    a, b = store_data.products(2)
    _bought_together(a, b)
    (one,) = customer_data.agreeing(1)
    store_data.receipt(one, a, days=BEFORE)
    store_data.receipt(one, b, days=BEFORE)
    store_data.receipt(one, b, days=BEFORE - 1, quantity=-1)
    store_data.receipt(one, b)
    found = _shop()
    assert (found.repeats, found.foretold) == (0, 1)


def test_merged_products_count_as_what_they_became() -> None:
    a, old = store_data.products(2)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, old, days=BEFORE)
        store_data.receipt(who, a, old)
    Product.objects.filter(pk=old.pk).update(merged_into=a)
    found = _shop()
    assert _habits() == {a.pk: _repeats(6, 3)}
    assert found.repeats == 3
    assert found.shares == {"dried-flower indica": 1.0}


def test_twice_is_the_same_and_no_product_is_written() -> None:
    a, b = store_data.products(2)
    _bought_together(a, b)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a, days=BEFORE)
        store_data.receipt(who, a, b)
    now = timezone.now()
    first = _shop(now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(DISTINCT xmin::text) FROM product_habits")
        (before,) = cursor.fetchone()
        second = _shop(now)
        cursor.execute("SELECT array_agg(DISTINCT xmin::text) FROM product_habits")
        assert cursor.fetchone() == (before,)
    assert (first.repeats, first.foretold) == (3, 3)
    for name in ("counted_at", "repeats", "foretold", "odds", "shares"):
        assert getattr(first, name) == getattr(second, name), name
    assert ShopHabits.objects.count() == 2


def test_what_counts_no_more_is_gone() -> None:
    (a,) = store_data.products(1)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a)
    assert by_the_clock() == {"products": 1}
    Purchase.objects.update(purchased_at=timezone.now() - timedelta(days=366))
    assert by_the_clock() == {"products": 0}
    assert not _habits()


def test_where_nothing_was_bought_the_shop_has_no_row() -> None:
    (a,) = store_data.products(1)
    store_data.acted(customer_data.agreeing(1)[0], "view", a)
    assert count_habits() == 0
    assert not ShopHabits.objects.exists()


def test_rows_of_the_shop_are_kept_for_400_days() -> None:
    now = timezone.now()
    for days in (KEPT_DAYS - 1, KEPT_DAYS + 1):
        ShopHabits.objects.create(
            counted_at=now - timedelta(days=days), repeats=1, foretold=0, odds=0.07
        )
    count_habits(now=now)
    assert [(now - one.counted_at).days for one in ShopHabits.objects.all()] == [KEPT_DAYS - 1]


def test_at_most_so_many_people_are_drawn_and_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (a,) = store_data.products(1)
    for number, who in enumerate(customer_data.agreeing(6)):
        store_data.receipt(who, a, days=BEFORE)
        store_data.receipt(who, a, days=number + 1)
    monkeypatch.setattr("customers.recommendations.statistics.repeat_jobs.MOST_PEOPLE", 4)
    assert _shop().repeats == _shop().repeats == 4
    assert set(_habits()) == {a.pk}


def test_one_run_waits_for_another() -> None:
    (a,) = store_data.products(1)
    for who in customer_data.agreeing(3):
        store_data.receipt(who, a)
    assert waited_for("count habits", count_habits) == 1


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_page_tells_what_is_counted_the_largest_share_first(admin_client: Client) -> None:
    older = ShopHabits.objects.create(
        repeats=0, foretold=0, odds=0.08, counted_at=timezone.now() - timedelta(days=1)
    )
    shares = {"oil": 0.125, "dried-flower indica": 0.875}
    newest = ShopHabits.objects.create(repeats=150, foretold=46, odds=0.25, shares=shares)
    listed = _page(admin_client, PAGE)
    assert "Odds 0.250" in listed
    assert (
        "Beside every 100 purchases of what people had before there are 25.0 of what is new to them"
        in listed
    )
    for told in ("0.080", "150", "46"):
        assert told in listed
    page = _page(admin_client, f"{PAGE}{newest.pk}/change/")
    assert page.index("dried-flower indica") < page.index("87.5 %") < page.index("12.5 %")
    assert "there are 25.0 of what is new" in page
    assert 'name="_save"' not in page
    assert "Nothing was sold in 180 days" in _page(admin_client, f"{PAGE}{older.pk}/change/")


def test_page_is_empty_at_first(admin_client: Client) -> None:
    assert "Nothing is counted yet" in _page(admin_client, PAGE)


def test_page_is_in_the_navigation_and_for_those_who_may(client: Client) -> None:
    made = ShopHabits.objects.create(repeats=1, foretold=1, odds=0.1)
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    pages = (PAGE, f"{PAGE}{made.pk}/change/")
    assert {client.get(page).status_code for page in pages} == {403}
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=("view_shophabits", "change_shophabits", "delete_shophabits")
        )
    )
    assert {client.get(page).status_code for page in pages} == {200}
    assert f'href="{PAGE}"' in _page(client, "/console/")
    assert client.get(f"{PAGE}add/").status_code == 403
    assert client.post(f"{PAGE}{made.pk}/change/", {"odds": 5}).status_code == 403
    assert client.post(f"{PAGE}{made.pk}/delete/", {"post": "yes"}).status_code == 403
