"""The preference model of the demonstration's customers."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from customers import demo
from tests.samples.shoppers import generate_products

_UNTIL = datetime(2026, 11, 20, tzinfo=UTC)


def _purchases(customers: int, days: int = 180) -> dict[str, dict[str, list[datetime]]]:
    """Return the times of purchase, oldest first, by customer and product."""
    products = generate_products(count=60)
    people = demo.generate_customers(products, count=customers)
    times: dict[str, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
    for event in demo.generate_visit_events(products, people, until=_UNTIL, days=days):
        if event["type"] == "purchase":
            for line in event["data"]["lines"]:
                own = times[event["data"]["external_id"]]
                own[line["product_id"]].append(datetime.fromisoformat(event["occurred_at"]))
    return times


def _events(seed: int) -> list[dict[str, Any]]:
    products = generate_products(count=60)
    people = demo.generate_customers(products, count=5, seed=seed)
    return list(demo.generate_visit_events(products, people, until=_UNTIL, days=60, seed=seed))


def test_seed_gives_the_same_events() -> None:
    assert _events(seed=1) == _events(seed=1)
    assert _events(seed=1) != _events(seed=2)


def test_events_have_different_ids_and_lie_in_the_past() -> None:
    events = _events(seed=1)

    times = [datetime.fromisoformat(event["occurred_at"]) for event in events]

    assert len({event["id"] for event in events}) == len(events)
    assert _UNTIL - timedelta(days=60) <= min(times)
    assert max(times) <= _UNTIL + timedelta(minutes=6)


def test_favorites_are_bought_in_a_rhythm() -> None:
    variations = []
    for products in _purchases(30).values():
        for times in products.values():
            gaps = np.diff([time.timestamp() for time in times])
            if len(gaps) >= 4:
                variations.append(gaps.std() / gaps.mean())

    # Of random times the deviation is as large as the mean.
    assert len(variations) > 30
    assert np.median(variations) < 0.4


def test_customers_buy_other_products_than_their_favorites() -> None:
    once = [
        sum(len(times) == 1 for times in products.values()) for products in _purchases(30).values()
    ]

    assert np.mean(once) > 1


def test_dislikes_are_outside_of_the_taste() -> None:
    products = generate_products(count=60)
    people = demo.generate_customers(products, count=60)
    index_of = {product: index for index, product in enumerate(products.ids)}
    taste = {person.external_id: person.choice_probabilities for person in people}

    disliked = [
        taste[event["data"]["external_id"]][index_of[event["data"]["product_id"]]]
        for event in demo.generate_visit_events(products, people, until=_UNTIL, days=180)
        if event["data"].get("type") == "dislike"
    ]

    assert len(disliked) > 20
    assert max(disliked) < 1 / 60
