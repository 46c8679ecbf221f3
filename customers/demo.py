"""
Customers who never were, for a demonstration: each has a taste, and everything they do follows from it.

The preference model, all of it drawn from one seed. A taste is: a weight for each strain type and category (Dirichlet .6:
most people like one or two), a THC percentage (normal, mean 20, deviation 5), a price (log-normal, median 30 dollars), a
brand that is favored, and visits a month (gamma, mean 2). What a product is worth to a taste is

    log weight of its type + log weight of its category - ((THC - theirs) / 5)² / 2 - (log price ratio / .5)² / 2
    + 1 for the favored brand,

and products are chosen with probability proportional to exp(worth): a multinomial logit. One who visits looks at two to
five products, puts one to three of them into the basket and buys those.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from catalog.models import Product

SEED = 20261126
_NAMESPACE = UUID("6f1c8a52-52a5-4f57-9d84-6f5a3f2f7a10")
_MOST_PRODUCTS = 2_000
_SHARPNESS, _THC_MEAN, _THC_SPREAD, _PRICE_MEDIAN, _PRICE_SPREAD, _VISITS = (
    0.6,
    20.0,
    5.0,
    30.0,
    0.5,
    2.0,
)
STORES = (
    ("queen-west", "Queen West", "ON"),
    ("danforth", "Danforth", "ON"),
    ("whyte-ave", "Whyte Avenue", "AB"),
    ("sainte-catherine", "Sainte-Catherine", "QC"),
)
# What is said: by the customer, and by who answers; of the first product and of a cheaper one.
_TALK = {
    "en": (
        ("customer", "Hi, do you have {first} in the store today?"),
        ("assistant", "Yes: {first}, {first_price} dollars."),
        (
            "customer",
            "Anything like it that costs less? My number is 416-555-0134 if it comes in later.",
        ),
        ("assistant", "{second}, {second_price} dollars."),
    ),
    "fr": (
        ("customer", "Bonjour, avez-vous {first} en magasin aujourd'hui?"),
        ("assistant", "Oui : {first}, {first_price} dollars."),
        (
            "customer",
            "Quelque chose du genre qui coûte moins cher? Mon numéro est le 514-555-0134, si ça rentre plus tard.",
        ),
        ("assistant", "{second}, {second_price} dollars."),
    ),
}
_PROVINCES = tuple(province for _, _, province in STORES)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Products as tastes see them, n of them: index of type and category, THC, log price, brand."""

    ids: list[str]
    names: list[str]
    prices: list[str]
    types: NDArray[np.int64]
    categories: NDArray[np.int64]
    thc: NDArray[np.float64]
    log_price: NDArray[np.float64]
    brands: NDArray[Any]
    type_count: int
    category_count: int


@dataclass(frozen=True, slots=True)
class Person:
    """One customer: number, home store, province, language, and the chance of each product (n,)."""

    number: str
    store: str
    province: str
    language: str
    chances: NDArray[np.float64]
    visits_a_month: float
    agrees: tuple[str, ...]


def shelf() -> Shelf | None:
    """Read the products that have a price; None when there are none."""
    rows = list(
        Product.objects.current()
        .exclude(price=None)
        .order_by("merge_key", "pk")
        .values_list("pk", "price", "strain_type", "category", "thc_percentage", "brand", "name")[
            :_MOST_PRODUCTS
        ]
    )
    if not rows:
        return None
    types, type_of = np.unique([row[2] or "" for row in rows], return_inverse=True)
    categories, category_of = np.unique([row[3] or "" for row in rows], return_inverse=True)
    return Shelf(
        ids=[str(row[0]) for row in rows],
        names=[row[6] for row in rows],
        prices=[f"{row[1]:.2f}" for row in rows],
        types=type_of,
        categories=category_of,
        thc=np.array([float(row[4]) if row[4] is not None else _THC_MEAN for row in rows]),
        log_price=np.log([max(float(row[1] or 0), 1.0) for row in rows]),
        brands=np.array([row[5] or "" for row in rows]),
        type_count=len(types),
        category_count=len(categories),
    )


def people(on: Shelf, *, count: int, seed: int = SEED) -> list[Person]:
    """Draw customers; the same seed, count and shelf draw the same ones."""
    chance = np.random.default_rng(seed)
    return [_person(on, chance, number) for number in range(count)]


def stock(on: Shelf, *, at: datetime, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Yield a count of each product in each store, a sixth of them sold out."""
    chance = np.random.default_rng(seed + 1)
    for code, _, _ in STORES:
        for product in on.ids:
            quantity = 0 if chance.random() < 1 / 6 else int(chance.integers(1, 40))
            yield _event(
                seed,
                f"stock:{code}:{product}",
                "inventory_updates",
                "stock",
                at,
                {
                    "store": code,
                    "product": product,
                    "quantity": quantity,
                },
            )


def doings(
    on: Shelf, of: Sequence[Person], *, until: datetime, days: int, seed: int = SEED
) -> Iterator[dict[str, Any]]:
    """Yield what the customers did in the days before a moment: views, baskets, purchases, one visit after the other."""
    chance = np.random.default_rng(seed + 2)
    for person in of:
        for number in range(chance.poisson(person.visits_a_month * days / 30)):
            at = until - timedelta(days=float(chance.uniform(0, days)))
            yield from visit(on, person, chance, at=at, name=f"{person.number}:{number}", seed=seed)


def visit(
    on: Shelf,
    person: Person,
    chance: np.random.Generator,
    *,
    at: datetime,
    name: str,
    seed: int = SEED,
) -> Iterator[dict[str, Any]]:
    """Yield the events of one visit; name: what tells it from others, so that its events have the same ids again."""
    seen = chance.choice(
        len(on.ids), size=int(chance.integers(2, 6)), replace=False, p=person.chances
    )
    bought = seen[: int(chance.integers(1, 4))]
    who = {"customer": person.number, "session": f"visit-{name}", "store": person.store}
    for place, product in enumerate(seen):
        acts = ["view", "basket-add"] if product in bought else ["view"]
        for act in acts:
            moment = at + timedelta(seconds=40 * place)
            yield _event(
                seed,
                f"{act}:{name}:{place}",
                "customer_interactions",
                "interaction",
                moment,
                {
                    "kind": act,
                    "product": on.ids[product],
                    **who,
                },
            )
    lines = [
        {
            "product": on.ids[p],
            "quantity": int(1 + (chance.random() < 0.2)),
            "unit_price": on.prices[p],
        }
        for p in bought
    ]
    yield _event(
        seed,
        f"purchase:{name}",
        "customer_interactions",
        "purchase",
        at + timedelta(minutes=5),
        {
            "order_id": f"demo-{uuid5(_NAMESPACE, f'{seed}:{name}').hex[:12]}",
            "customer": person.number,
            "store": person.store,
            "lines": lines,
        },
    )


def talk(on: Shelf, person: Person, *, seed: int = SEED) -> list[tuple[str, str]]:
    """Return a conversation of a customer as (who speaks, words), two or four of them."""
    chance = np.random.default_rng([seed, int(uuid5(_NAMESPACE, person.number).hex[:8], 16)])
    first, second = sorted(
        chance.choice(len(on.ids), size=2, replace=False, p=person.chances),
        key=lambda p: -on.log_price[p],
    )
    told = {
        "first": on.names[first],
        "first_price": on.prices[first],
        "second": on.names[second],
        "second_price": on.prices[second],
    }
    return [(role, words.format(**told)) for role, words in _TALK[person.language]][
        : int(chance.choice([2, 4]))
    ]


def _person(on: Shelf, chance: np.random.Generator, number: int) -> Person:
    types = chance.dirichlet(np.full(on.type_count, _SHARPNESS))
    categories = chance.dirichlet(np.full(on.category_count, _SHARPNESS))
    thc, log_price = (
        chance.normal(_THC_MEAN, _THC_SPREAD),
        chance.normal(np.log(_PRICE_MEDIAN), _PRICE_SPREAD),
    )
    brand = on.brands[chance.integers(len(on.brands))]
    worth = (
        np.log(types[on.types] + 1e-3)
        + np.log(categories[on.categories] + 1e-3)
        - ((on.thc - thc) / _THC_SPREAD) ** 2 / 2
        - ((on.log_price - log_price) / _PRICE_SPREAD) ** 2 / 2
        + (on.brands == brand)
    )
    chances = np.exp(worth - worth.max()) + 1e-9
    home = int(chance.integers(len(STORES)))
    province = _PROVINCES[home]
    is_french = chance.random() < (0.8 if province == "QC" else 0.05)
    # In Quebec fewer agree to be profiled: there it is off until asked for.
    likely = {
        "history": 0.85,
        "profiling": 0.35 if province == "QC" else 0.7,
        "chat": 0.6,
        "marketing": 0.3,
    }
    return Person(
        number=f"demo-{number:04d}",
        store=STORES[home][0],
        province=province,
        language="fr" if is_french else "en",
        chances=chances / chances.sum(),
        visits_a_month=float(chance.gamma(2.0, _VISITS / 2.0)),
        agrees=tuple(purpose for purpose, share in likely.items() if chance.random() < share),
    )


def _event(
    seed: int, name: str, topic: str, kind: str, at: datetime, data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "topic": topic,
        "id": str(uuid5(_NAMESPACE, f"{seed}:{name}")),
        "type": kind,
        "version": 1,
        "occurred_at": at.isoformat(),
        "data": data,
    }
