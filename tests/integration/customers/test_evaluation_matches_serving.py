"""
The offline evaluation matches serving.

One synthetic shop is written to the database and to a file of events; statistics and
recommendations computed from both are equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pandas as pd
import pytest
from django.utils import timezone

from catalog.models import Product, Store
from customers.models import (
    CustomerProfile,
    Interaction,
    ProductNeighbor,
    ProductPopularity,
    ProductRepeatStatistics,
    Purchase,
    Scenario,
    StoreRepeatStatistics,
)
from customers.recommendations.evaluation import rankers
from customers.recommendations.evaluation.splits import EvaluationSplit, read_events
from customers.recommendations.evaluation.statistics import (
    compute_neighbors,
    compute_orders_per_buyer,
    compute_store_statistics,
)
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import RecommendationRequest
from customers.recommendations.statistics import popularity
from customers.recommendations.statistics.jobs import (
    update_product_neighbors,
    update_product_popularity,
    update_repeat_statistics,
)
from customers.recommendations.statistics.popularity import StorePopularity
from customers.recommendations.statistics.repeats import DEFAULT_DISCOVERY_RATIO
from customers.reference.scenarios import initial_values
from tests.factories.catalog import ProductFactory, StoreFactory, StoreStockFactory
from tests.factories.customers import CustomerFactory

pytestmark = pytest.mark.django_db

CUT = datetime(2026, 11, 2, 9, tzinfo=UTC)
NAMESPACE = UUID(int=0)
STORES = ("danforth", "queen-west")
TRAITS = (
    ("northern", "dried_flower", "indica"),
    ("southern", "dried_flower", "indica"),
    ("northern", "pre_rolls", "indica"),
    ("northern", "dried_flower", "hybrid"),
    ("southern", "vapes", "sativa"),
    ("southern", "dried_flower", "sativa"),
    ("northern", "vapes", "sativa"),
    ("southern", "", ""),
    ("northern", "edibles", ""),
    ("southern", "edibles", ""),
    ("northern", "oils", ""),
    ("southern", "oils", ""),
)
"""Brand, category and strain type; each group of four products is bought by one third of all."""
PRODUCTS = [f"product-{number:02}" for number in range(len(TRAITS))]
CUSTOMERS = [f"customer-{number:02}" for number in range(15)]
POPULARITY_TOLERANCE = 5.1e-5
"""Stored popularity has four decimals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticEvent:
    """A receipt line or interaction, with the columns of the file; names instead of ids."""

    customer: str
    product: str
    kind: str
    occurred_at: datetime
    store: str
    quantity: int = 1


class EventLog:
    """Events of all customers, each event at a distinct minute."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.events: list[SyntheticEvent] = []
        self._used_minutes: set[int] = set()

    def add(
        self,
        customer: str,
        kind: str,
        *products: str,
        days_ago: tuple[float, float],
        store: str,
        quantity: int = 1,
    ) -> None:
        """Add an event for each product, all at one random minute within bounds of days ago."""
        # Odd minutes, so that no event is on the boundary of a day and no two have equal ages.
        minutes = range(int(days_ago[0] * 1440) | 1, int(days_ago[1] * 1440), 2)
        minute = self.rng.choice([each for each in minutes if each not in self._used_minutes])
        self._used_minutes.add(minute)
        occurred_at = CUT - timedelta(minutes=minute)
        self.events += [
            SyntheticEvent(
                customer=customer,
                product=product,
                kind=kind,
                occurred_at=occurred_at,
                store=store,
                quantity=quantity,
            )
            for product in products
        ]


def _add_customer_events(log: EventLog, number: int) -> None:
    """
    Add the events of a customer: three products of their group and, recently, the fourth.

    Serving and evaluation differ by design for dislikes, which the file has no filter for,
    anonymous receipts, customers without consent, merged products and events after the cut; so
    there are none of these.
    """
    rng = log.rng
    customer = CUSTOMERS[number]
    home = STORES[number % 2]
    other_store = STORES[1 - number % 2]
    group = number % 3
    fourth_index = number // 3 % 4
    own = PRODUCTS[4 * group : 4 * group + 4]
    others = [product for product in PRODUCTS if product not in own]
    fourth = own[fourth_index]
    owned = [*own[:fourth_index], *own[fourth_index + 1 :], rng.choice(others)]

    for receipt in range(rng.randint(7, 15)):
        basket = {rng.choice(owned[: 1 + receipt % 4]), rng.choice(owned)}
        store = other_store if receipt % 4 == 3 else home
        log.add(customer, "purchase", *sorted(basket), days_ago=(15, 195), store=store)
    favorite = owned[0]
    for begin in (2, 40, 100):
        log.add(customer, "purchase", favorite, days_ago=(begin, begin + 12), store=home)
    log.add(customer, "purchase", fourth, days_ago=(1, 13), store=home)
    # Two lines of one receipt.
    log.add(customer, "purchase", owned[2], owned[2], days_ago=(20, 80), store=home)
    if number % 2:
        log.add(customer, "purchase", owned[1], days_ago=(52, 60), store=home, quantity=3)
        log.add(customer, "purchase", owned[1], days_ago=(44, 50), store=home, quantity=-1)
    # The first is too old at the cut, but was not at the start of the test window; the second was.
    old_purchases = ((others[number % 8], (366, 378)), (others[(number + 3) % 8], (380, 420)))
    for product, days_ago in old_purchases:
        log.add(customer, "purchase", product, days_ago=days_ago, store=home)
        if number % 5 == 0:
            log.add(customer, "purchase", product, days_ago=(1, 13), store=home)
    returned = others[(number + 5) % 8]
    log.add(customer, "purchase", returned, days_ago=(40, 45), store=home)
    log.add(customer, "purchase", returned, days_ago=(30, 35), store=home, quantity=-1)
    liked = rng.sample(PRODUCTS, 4)
    like_ages = ((1, 80), (95, 150), (150, 300), (400, 500))
    for product, days_ago in zip(liked, like_ages, strict=True):
        log.add(customer, "like", product, days_ago=days_ago, store=home)
    viewed = rng.sample(others, 2)
    for turn in range(8):
        kind = "view" if turn % 2 else "basket_add"
        log.add(customer, kind, rng.choice(PRODUCTS), days_ago=(1, 89), store=home)
        log.add(customer, kind, viewed[turn % 2], days_ago=(105, 195), store=home)


def _generate_events() -> list[SyntheticEvent]:
    log = EventLog(seed=2)
    for number in range(len(CUSTOMERS)):
        _add_customer_events(log, number)
    return log.events


def _write_rows(
    events: Iterable[SyntheticEvent],
    customers: dict[str, CustomerProfile],
    products: dict[str, Product],
    stores: dict[str, Store],
) -> None:
    events_by_receipt: dict[tuple[str, datetime], list[SyntheticEvent]] = {}
    for event in events:
        events_by_receipt.setdefault((event.customer, event.occurred_at), []).append(event)
    purchases = []
    interactions = []
    for (customer, occurred_at), lines in events_by_receipt.items():
        name = f"{customer} {occurred_at.isoformat()}"
        event_id = uuid5(NAMESPACE, name)
        for line, event in enumerate(lines):
            fields: dict[str, Any] = {
                "customer": customers[customer],
                "product": products[event.product],
                "store": stores[event.store],
                "quantity": event.quantity,
            }
            if event.kind == "purchase":
                purchases.append(
                    Purchase(
                        event_id=event_id,
                        line=line,
                        order_id=name,
                        unit_price=30,
                        purchased_at=occurred_at,
                        **fields,
                    )
                )
            else:
                interactions.append(
                    Interaction(id=event_id, kind=event.kind, occurred_at=occurred_at, **fields)
                )
    Purchase.objects.bulk_create(purchases)
    Interaction.objects.bulk_create(interactions)


def _write_file(path: Path, events: Iterable[SyntheticEvent]) -> None:
    """Write the events, and for every customer a purchase after the cut that is evaluated."""
    traits = dict(zip(PRODUCTS, TRAITS, strict=True))
    after = [
        SyntheticEvent(
            customer=customer,
            product=PRODUCTS[0],
            kind="purchase",
            occurred_at=CUT + timedelta(days=1),
            store=STORES[0],
        )
        for customer in CUSTOMERS
    ]
    rows = []
    for event in (*events, *after):
        row = {name: getattr(event, name) for name in SyntheticEvent.__slots__}
        row |= zip(("brand", "category", "strain_type"), traits[event.product], strict=True)
        rows.append(row)
    pd.DataFrame(rows).to_parquet(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One shop as rows and as a split; split_stores: by code of the split, the last is None."""

    customers: dict[str, CustomerProfile]
    products: dict[str, Product]
    stores: dict[str, Store]
    split: EvaluationSplit
    split_stores: Sequence[str | None]


def _by_name(values: dict[int, Any]) -> dict[str, Any]:
    """Return values of the split by name of the product instead of its code."""
    return {PRODUCTS[code]: value for code, value in values.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with all events."""
    return _create_shop(tmp_path, _generate_events())


def _create_shop(tmp_path: Path, events: Sequence[SyntheticEvent]) -> Shop:
    """Create a shop with everything in stock, no new products, and statistics at the cut."""
    stores = {code: StoreFactory.create(code=code) for code in STORES}
    products = {}
    for name, (brand, category, strain_type) in zip(PRODUCTS, TRAITS, strict=True):
        product = ProductFactory.create(
            sku=name,
            name=name,
            brand=brand,
            category=category,
            strain_type=strain_type,
            created_at=timezone.now() - timedelta(days=900),
            thc_percentage=Decimal(15),
        )
        products[name] = product
        for store in stores.values():
            StoreStockFactory.create(store=store, product=product)
    customers = {
        name: CustomerFactory.create(verified=True, consenting=True, external_id=name)
        for name in CUSTOMERS
    }
    _write_rows(events, customers, products, stores)
    _write_file(tmp_path / "events.parquet", events)
    update_product_neighbors(now=CUT)
    update_product_popularity(now=CUT)
    update_repeat_statistics(now=CUT)
    frame = read_events(tmp_path / "events.parquet")
    split_stores = dict.fromkeys(frame.loc[frame["occurred_at"] <= CUT, "store"])
    return Shop(
        customers=customers,
        products=products,
        stores=stores,
        split_stores=(*split_stores, None),
        split=EvaluationSplit(frame, cut=pd.Timestamp(CUT), until=frame["occurred_at"].max()),
    )


def test_neighbors_match(shop: Shop) -> None:
    served: dict[str, dict[str, Any]] = {}
    rows = ProductNeighbor.objects.values_list("product__name", "neighbor__name", "score")
    for product, neighbor, score in rows:
        served.setdefault(product, {})[neighbor] = pytest.approx(score)

    neighbors = compute_neighbors(shop.split)

    evaluated = {code: _by_name(scores) for code, scores in neighbors.items()}
    assert len(served) == len(PRODUCTS)
    assert _by_name(evaluated) == served


def test_orders_per_buyer_match(shop: Shop) -> None:
    served = dict(ProductRepeatStatistics.objects.values_list("product__name", "repeats"))

    evaluated = _by_name(compute_orders_per_buyer(shop.split))

    assert max(served.values()) > 1.2 * min(served.values())
    assert evaluated == pytest.approx(served)


def test_store_statistics_match(shop: Shop) -> None:
    served = StoreRepeatStatistics.objects.get()

    evaluated = compute_store_statistics(shop.split)

    assert min(served.repeats, served.predicted_hits) > 0
    assert served.discovery_ratio > 2 * DEFAULT_DISCOVERY_RATIO
    assert evaluated.discovery_ratio == pytest.approx(served.discovery_ratio)
    assert evaluated.segment_shares == pytest.approx(served.segment_shares)


def test_discovery_ratio_of_a_new_shop_matches(tmp_path: Path) -> None:
    opened_at = CUT - timedelta(days=50)
    events = [event for event in _generate_events() if event.occurred_at > opened_at]
    shop = _create_shop(tmp_path, events)

    evaluated = compute_store_statistics(shop.split)

    served = StoreRepeatStatistics.objects.get()
    assert evaluated.discovery_ratio == pytest.approx(served.discovery_ratio)


def test_popularity_matches(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    score_popularity = popularity.score_popularity
    results: list[StorePopularity] = []

    def spy(*args: Any, **kwargs: Any) -> StorePopularity:
        results.append(score_popularity(*args, **kwargs))
        return results[-1]

    monkeypatch.setattr(popularity, "score_popularity", spy)
    rankers.served(shop.split, compute_neighbors(shop.split), k=10)

    (found,) = results
    columns = zip(*(column.tolist() for column in found), strict=True)
    evaluated = {
        (shop.split_stores[store], PRODUCTS[product]): (score, orders)
        for store, product, score, orders in columns
    }
    rows = ProductPopularity.objects.values_list("store__code", "product__name", "score", "orders")
    assert evaluated == {
        (store, product): (pytest.approx(score, abs=POPULARITY_TOLERANCE), orders)
        for store, product, score, orders in rows
    }


def test_recommendations_match(shop: Shop) -> None:
    # The evaluation has neither vectors nor dates of products.
    weights = initial_values("home") | {"embedding_similarity": 0, "newness": 0}
    scenario = Scenario(name="home", **weights)
    ranker = rankers.served(shop.split, compute_neighbors(shop.split), k=10)

    evaluated = {
        name: [PRODUCTS[code] for code in ranker(number)] for number, name in enumerate(CUSTOMERS)
    }
    served = {}
    for number, (name, customer) in enumerate(shop.customers.items()):
        request = RecommendationRequest(
            scenario="home",
            customer=customer.pk,
            store=shop.stores[STORES[number % 2]],
            limit=10,
        )
        result = recommend(request, scenario=scenario, record=False, now=CUT)
        assert result.fallback_level == 0
        served[name] = [item.product.name for item in result.recommendations]

    assert {len(products) for products in served.values()} == {10}
    assert evaluated == served
