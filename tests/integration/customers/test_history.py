"""
The history that counts: which events, how far back, with which weight.

SQL and the pandas reader of the evaluation are compared on the same generated rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
import pytest
from django.db import connection

from catalog.models import Product
from customers.embeddings import CustomerVector
from customers.models import CustomerProfile, Interaction, Purchase
from customers.recommendations.context import load_customer
from customers.recommendations.evaluation.history import customer_history
from customers.recommendations.evaluation.splits import EvaluationSplit, read_events
from customers.reference.history import (
    INTERACTION_DAYS,
    INTERACTION_WEIGHTS,
    MAX_PURCHASES,
    MAX_VIEWS_AND_BASKETS,
    PURCHASE,
    PURCHASE_DAYS,
)
from customers.selectors.history import (
    HistoryEntry,
    history_sql,
    load_basket,
    load_histories,
    load_history,
    load_ratings,
)
from tests.factories.catalog import ProductFactory, create_products
from tests.factories.customers import CustomerFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TICK = timedelta(microseconds=1)
INTERACTION_KINDS = tuple(Interaction.Kind.values)
# Age of events at the edges of every window, and on both sides of the moment.
EDGE_AGES = [
    age + offset
    for age in (
        timedelta(0),
        timedelta(days=INTERACTION_DAYS),
        timedelta(days=PURCHASE_DAYS),
        timedelta(days=2 * PURCHASE_DAYS),
    )
    for offset in (-TICK, timedelta(0), TICK)
]
# At a moment, and as of two weeks before it, as the nightly statistics read the same rows.
MOMENTS = {0: NOW, 14: NOW - timedelta(days=14)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A receipt line or interaction of a customer."""

    customer: CustomerProfile
    product: Product
    kind: str
    occurred_at: datetime
    quantity: int = 1


def _create_products() -> list[Product]:
    """Create five products, one without segment, and two merged into the first and last."""
    segments = (
        ("dried_flower", "indica"),
        ("vapes", "sativa"),
        ("oils", ""),
        ("", ""),
        ("edibles", "hybrid"),
    )
    products = [
        ProductFactory.create(category=category, strain_type=strain_type)
        for category, strain_type in segments
    ]
    merged = [
        ProductFactory.create(category="pre_rolls", strain_type="sativa", merged_into=target)
        for target in (products[0], products[4])
    ]
    return products + merged


def _generate_events(
    customers: Sequence[CustomerProfile], products: Sequence[Product]
) -> Iterator[Event]:
    rng = Random(5)
    for customer in customers:
        for age in EDGE_AGES:
            for kind in (PURCHASE, *INTERACTION_KINDS):
                yield Event(
                    customer=customer,
                    product=rng.choice(products),
                    kind=kind,
                    occurred_at=NOW - age,
                )
        for _ in range(80):
            yield Event(
                customer=customer,
                product=rng.choice(products),
                kind=rng.choice((PURCHASE, *INTERACTION_KINDS)),
                occurred_at=NOW - timedelta(minutes=rng.randint(0, 500 * 1440)),
                quantity=rng.choice((1, 1, 2, -1)),
            )
        for kind in ("dislike", "like"):  # at the same time, for a product and one merged into it
            yield Event(
                customer=customer,
                product=products[0] if kind == "like" else products[5],
                kind=kind,
                occurred_at=NOW - TICK,
            )
    # More than count, by the first customer; distinct times, since the file has no order of lines.
    for number in range(MAX_PURCHASES + 3):
        yield _numbered(customers[0], products, PURCHASE, number)
    for number in range(MAX_VIEWS_AND_BASKETS + 3):
        yield _numbered(customers[0], products, ("view", "basket_add")[number % 2], number)


def _numbered(
    customer: CustomerProfile, products: Sequence[Product], kind: str, number: int
) -> Event:
    occurred_at = NOW - timedelta(days=15, seconds=7 * number)
    product = products[number % len(products)]
    return Event(customer=customer, product=product, kind=kind, occurred_at=occurred_at)


def _write_rows(events: Sequence[Event]) -> None:
    Purchase.objects.bulk_create(
        Purchase(
            event_id=uuid4(),
            line=0,
            order_id=uuid4().hex,
            customer=event.customer,
            product=event.product,
            quantity=event.quantity,
            unit_price=10,
            purchased_at=event.occurred_at,
        )
        for event in events
        if event.kind == PURCHASE
    )
    Interaction.objects.bulk_create(
        Interaction(
            id=uuid4(),
            kind=event.kind,
            customer=event.customer,
            product=event.product,
            occurred_at=event.occurred_at,
        )
        for event in events
        if event.kind != PURCHASE
    )


def _write_file(path: Path, events: Sequence[Event]) -> None:
    rows = [
        {
            "customer": str(event.customer.pk),
            "product": str(event.product.pk),
            "merged_into": event.product.merged_into_id and str(event.product.merged_into_id),
            "kind": event.kind,
            "occurred_at": event.occurred_at,
            "quantity": event.quantity if event.kind == PURCHASE else 1,
            "category": event.product.category,
            "strain_type": event.product.strain_type,
        }
        for event in events
    ]
    pd.DataFrame(rows).to_parquet(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The same events as rows and as a split of a file at NOW, with ids by code of the split."""

    customers: list[CustomerProfile]
    split: EvaluationSplit
    customer_ids: list[str]
    product_ids: list[str]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three customers with events of every kind at the edges of all windows."""
    customers = CustomerFactory.create_batch(3, consenting=True)
    events = list(_generate_events(customers, _create_products()))
    _write_rows(events)
    _write_file(tmp_path / "events.parquet", events)
    frame = read_events(tmp_path / "events.parquet")
    before = frame[frame["occurred_at"] <= NOW]
    return World(
        customers=customers,
        split=EvaluationSplit(frame, cut=pd.Timestamp(NOW), until=frame["occurred_at"].max()),
        customer_ids=sorted(before["customer"].unique()),
        product_ids=sorted(before["product"].unique()),
    )


Row = tuple[str, str, int, Any, float, str]
"""Product, kind, quantity, age in days, weight and segment of an event."""


def _sql_rows(customer: CustomerProfile, moment: datetime) -> list[Row]:
    sql = history_sql(customer="%(id)s", moment="%(now)s", until="%(now)s")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT product_id::text, kind, quantity, age_days, weight, segment"
            f" FROM {sql} AS h ORDER BY 2, 4, 1, 3",
            {"id": customer.pk, "now": moment},
        )
        rows: list[Row] = cursor.fetchall()
        return rows


def _pandas_rows(world: World, customer: CustomerProfile, days_before_cut: float) -> list[Row]:
    history = customer_history(world.split.events, days_before_cut=days_before_cut)
    history = history[history["customer"] == world.customer_ids.index(str(customer.pk))]
    rows: list[Row] = [
        (
            world.product_ids[row.product],
            row.kind,
            int(row.quantity),
            pytest.approx(row.days, abs=1e-9),
            row.weight,
            world.split.traits[row.product][1],
        )
        for row in history.sort_values("days", kind="stable").itertuples()
    ]
    return sorted(rows, key=lambda row: (row[1], row[3].expected, row[0], row[2]))


@pytest.mark.parametrize("days_before", list(MOMENTS))
def test_sql_and_pandas_count_the_same_events(world: World, days_before: int) -> None:
    for customer in world.customers:
        in_sql = _sql_rows(customer, MOMENTS[days_before])
        in_pandas = _pandas_rows(world, customer, days_before)

        assert {row[1] for row in in_sql} == set(INTERACTION_WEIGHTS)
        assert in_sql == in_pandas


def test_limits_keep_the_newest_events(world: World) -> None:
    rows = _sql_rows(world.customers[0], NOW)

    ages = {kind: [row[3] for row in rows if row[1] == kind] for kind in INTERACTION_WEIGHTS}
    assert len(ages[PURCHASE]) == MAX_PURCHASES
    assert len(ages["view"]) + len(ages["basket_add"]) == MAX_VIEWS_AND_BASKETS
    assert min(ages[PURCHASE]) == 0
    assert max(ages[PURCHASE]) < PURCHASE_DAYS - 1


def _purchase(customer: CustomerProfile, product: Product, *, age: timedelta) -> None:
    _write_rows([Event(customer=customer, product=product, kind=PURCHASE, occurred_at=NOW - age)])


def _interact(customer: CustomerProfile, kind: str, product: Product, *, age: timedelta) -> None:
    _write_rows([Event(customer=customer, product=product, kind=kind, occurred_at=NOW - age)])


@pytest.mark.parametrize(
    ("kind", "days"),
    [(PURCHASE, PURCHASE_DAYS), ("view", INTERACTION_DAYS), ("basket_add", INTERACTION_DAYS)],
)
def test_an_event_counts_until_its_window_ends(kind: str, days: int) -> None:
    customer = CustomerFactory.create(consenting=True)
    inside, at_the_edge = create_products(2)
    _interact(customer, kind, inside, age=timedelta(days=days) - TICK)
    _interact(customer, kind, at_the_edge, age=timedelta(days=days))

    history = load_history(customer.pk, now=NOW)

    assert [entry.product for entry in history] == [inside.pk]


def test_an_event_whose_time_is_ahead_counts_at_once() -> None:
    customer = CustomerFactory.create(consenting=True)
    product = ProductFactory.create()
    _purchase(customer, product, age=-timedelta(minutes=2))

    (entry,) = load_history(customer.pk, now=NOW)

    assert entry.product == product.pk
    assert entry.age_days < 0


def test_events_of_a_merged_product_count_for_the_effective_product_and_its_segment() -> None:
    customer = CustomerFactory.create(consenting=True)
    merged, target = create_products(2)
    Product.objects.filter(pk=merged.pk).update(merged_into=target)
    _purchase(customer, merged, age=timedelta(days=1))

    (entry,) = load_history(customer.pk, now=NOW)

    assert merged.strain_type != target.strain_type
    assert (entry.product, entry.kind, entry.weight) == (target.pk, PURCHASE, 1.0)
    assert entry.segment == f"{target.category} {target.strain_type}"


def test_of_the_ratings_of_a_product_and_those_merged_into_it_the_newest_counts() -> None:
    customer = CustomerFactory.create(consenting=True)
    merged, target = create_products(2)
    Product.objects.filter(pk=merged.pk).update(merged_into=target)
    _interact(customer, "like", target, age=timedelta(days=800))
    _interact(customer, "dislike", merged, age=timedelta(days=700))

    ratings = load_ratings(customer.pk, now=NOW)

    assert [(entry.product, entry.kind) for entry in ratings] == [(target.pk, "dislike")]


def test_histories_of_many_customers_are_those_of_each(world: World) -> None:
    ids = [UUID(str(customer.pk)) for customer in world.customers]

    histories = load_histories(ids, now=NOW)

    def comparable(entries: Sequence[HistoryEntry]) -> list[tuple[Any, ...]]:
        return sorted((entry.kind, entry.age_days, str(entry.product)) for entry in entries)

    assert set(histories) == set(ids)
    for pk in ids:
        assert comparable(histories[pk]) == comparable(load_history(pk, now=NOW))


@pytest.mark.parametrize(
    ("purposes", "history", "disliked"),
    [
        (("history", "profiling"), {"like", PURCHASE}, 1),
        (("history",), set(), 1),
        (("profiling",), set(), 0),
        ((), set(), 0),
    ],
)
def test_context_uses_the_part_of_the_history_that_the_consents_allow(
    purposes: tuple[str, ...], history: set[str], disliked: int
) -> None:
    customer = CustomerFactory.create(consents=purposes)
    liked, other = create_products(2)
    _interact(customer, "like", liked, age=timedelta(days=1))
    _interact(customer, "dislike", other, age=timedelta(days=1))
    _purchase(customer, liked, age=timedelta(days=1))

    context = load_customer(customer.pk, now=NOW)

    assert context is not None
    assert {entry.kind for entry in context.history} == history
    assert len(context.disliked) == disliked


def test_customer_vectors_and_recommendations_read_the_same_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    customer = CustomerFactory.create(consenting=True)
    products = create_products(4)
    _purchase(customer, products[0], age=timedelta(days=364))
    _interact(customer, "view", products[1], age=timedelta(days=89))
    _interact(customer, "view", products[2], age=timedelta(days=91))
    _interact(customer, "like", products[3], age=timedelta(days=700))
    monkeypatch.setattr("customers.embeddings.timezone.now", lambda: NOW)

    (weights,) = CustomerVector().component_weights([customer])
    context = load_customer(customer.pk, now=NOW)

    assert context is not None
    assert set(weights) == {entry.product for entry in context.history}
    assert set(weights) == {products[0].pk, products[1].pk, products[3].pk}


def test_basket_names_the_effective_product_of_a_merged_one() -> None:
    merged, target = create_products(2)
    Product.objects.filter(pk=merged.pk).update(merged_into=target)
    Interaction.objects.create(id=uuid4(), kind="basket_add", product=merged, session="visit-1")

    assert load_basket("visit-1") == (target.pk,)
