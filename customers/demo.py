"""
Generator of synthetic customers for demonstrations: their events follow from their preferences.

The preference model, all of it drawn from one seed. The preferences of a customer are: a weight for
each strain type and category (Dirichlet .6: most people like one or two), a THC percentage (normal,
mean 20, deviation 5), a price (log-normal, median 30 dollars), a favorite brand, and a number of
visits per month (gamma, mean 2). The utility of a product for a customer is

    log weight of its type + log weight of its category - ((THC - preferred THC) / 5)² / 2
    - (log price ratio / .5)² / 2 + 1 for the favorite brand,

and products are chosen with probability proportional to exp(utility): a multinomial logit.

Most people come back for the same products. A customer has two to six favorites, drawn from those
probabilities, and comes when one of them has run out: each lasts for its own time (gamma, mean 30
days), which varies by a fifth from package to package. They also buy other favorites that run out
within four days, and with a probability of their own (beta, mean .25) another product of their
taste. Every 90 days another product takes the place of one favorite.

During a visit a customer views what they buy, adds it to the basket, and views up to three more
products of their taste. One visit in twenty ends with a dislike of a product outside of it.
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
_MAX_PRODUCTS = 2_000
_DIRICHLET_CONCENTRATION = 0.6
_THC_MEAN = 20.0
_THC_DEVIATION = 5.0
_PRICE_MEDIAN = 30.0
_LOG_PRICE_DEVIATION = 0.5
_FAVORITE_DAYS = 90
_MAX_FAVORITES = 6
_MAX_LINES = 3
_GAP_DAYS = (5.0, 30.0)  # shape, mean
_MIN_GAP_DAYS = 7.0
_GAP_JITTER_SHAPE = 25.0
_EARLY_DAYS = 4.0
_CURIOSITY = (2.0, 6.0)
_DISLIKE_RATE = 0.05
STORES = (
    ("queen-west", "Queen West", "ON"),
    ("danforth", "Danforth", "ON"),
    ("whyte-ave", "Whyte Avenue", "AB"),
    ("sainte-catherine", "Sainte-Catherine", "QC"),
)
"""Code, name and province of each demonstration store."""
# Chat messages by language as (role, text); they mention a product and a cheaper one.
_CHAT_TEMPLATES = {
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
            "Quelque chose du genre qui coûte moins cher? Mon numéro est le 514-555-0134, "
            "si ça rentre plus tard.",
        ),
        ("assistant", "{second}, {second_price} dollars."),
    ),
}
_PROVINCES = tuple(province for _, _, province in STORES)


@dataclass(frozen=True, slots=True)
class ProductFeatures:
    """
    Features of n products as the preference model reads them; arrays have the shape (n,).

    types and categories are indexes into the sorted distinct values.
    """

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
class SyntheticCustomer:
    """
    A synthetic customer.

    choice_probabilities: of each product, shape (n,), sum 1. favorites: products in the order in
    which they replace each other, `favorite_count` of them at a time. gap_days: time that a package
    of each favorite lasts. curiosity: probability of another product on a visit.
    """

    external_id: str
    store_code: str
    province: str
    language: str
    choice_probabilities: NDArray[np.float64]
    consents: tuple[str, ...]
    favorites: NDArray[np.int64]
    favorite_count: int
    gap_days: NDArray[np.float64]
    curiosity: float

    @property
    def visits_per_month(self) -> float:
        """Expected number of visits in 30 days, if no two favorites ran out together."""
        return float((30.0 / self.gap_days[: self.favorite_count]).sum())


def load_product_features() -> ProductFeatures | None:
    """Return the features of the products that have a price; None when there are none."""
    rows = list(
        Product.objects.current()
        .exclude(price=None)
        .order_by("merge_key", "pk")
        .values_list("pk", "price", "strain_type", "category", "thc_percentage", "brand", "name")[
            :_MAX_PRODUCTS
        ]
    )
    if not rows:
        return None
    types, type_indexes = np.unique([row[2] or "" for row in rows], return_inverse=True)
    categories, category_indexes = np.unique([row[3] or "" for row in rows], return_inverse=True)
    return ProductFeatures(
        ids=[str(row[0]) for row in rows],
        names=[row[6] for row in rows],
        prices=[f"{row[1]:.2f}" for row in rows],
        types=type_indexes,
        categories=category_indexes,
        thc=np.array([float(row[4]) if row[4] is not None else _THC_MEAN for row in rows]),
        log_price=np.log([max(float(row[1] or 0), 1.0) for row in rows]),
        brands=np.array([row[5] or "" for row in rows]),
        type_count=len(types),
        category_count=len(categories),
    )


def generate_customers(
    products: ProductFeatures, *, count: int, seed: int = SEED
) -> list[SyntheticCustomer]:
    """Return customers; the same seed, count and products give the same customers."""
    rng = np.random.default_rng(seed)
    return [_generate_customer(products, rng, number) for number in range(count)]


def generate_stock_events(
    products: ProductFeatures, *, at: datetime, seed: int = SEED
) -> Iterator[dict[str, Any]]:
    """Yield a stock event for each product in each store; a sixth of them are sold out."""
    rng = np.random.default_rng(seed + 1)
    for store_code, _, _ in STORES:
        for product_id in products.ids:
            quantity = 0 if rng.random() < 1 / 6 else int(rng.integers(1, 40))
            yield _event(
                event_id=_event_id(seed, f"stock:{store_code}:{product_id}"),
                topic="inventory_updates",
                event_type="stock",
                occurred_at=at,
                data={"store_code": store_code, "product_id": product_id, "quantity": quantity},
            )


def generate_visit_events(
    products: ProductFeatures,
    customers: Sequence[SyntheticCustomer],
    *,
    until: datetime,
    days: int,
    seed: int = SEED,
) -> Iterator[dict[str, Any]]:
    """Yield the events of all visits in the days before `until`, one visit after the other."""
    rng = np.random.default_rng(seed + 2)
    for customer in customers:
        schedule = _visit_schedule(customer, rng, until=until, days=days)
        for number, (at, purchased) in enumerate(schedule):
            yield from generate_visit(
                products,
                customer,
                rng,
                at=at,
                name=f"{customer.external_id}:{number}",
                purchased=purchased,
                seed=seed,
            )


def _visit_schedule(
    customer: SyntheticCustomer, rng: np.random.Generator, *, until: datetime, days: int
) -> Iterator[tuple[datetime, list[int]]]:
    """Yield the times of all visits, oldest first, with the favorites that are bought."""
    gaps = customer.gap_days
    due = gaps * rng.random(len(gaps))  # days after the start
    active = list(range(customer.favorite_count))
    replaced = 0
    while (day := min(due[position] for position in active)) < days:
        bought = [position for position in active if due[position] < day + _EARLY_DAYS]
        bought = sorted(bought, key=lambda position: due[position])[:_MAX_LINES]
        yield until - timedelta(days=days - day), customer.favorites[bought].tolist()
        jitter = rng.gamma(_GAP_JITTER_SHAPE, 1 / _GAP_JITTER_SHAPE, len(bought))
        due[bought] = day + gaps[bought] * jitter
        if day // _FAVORITE_DAYS > replaced:
            replaced += 1
            successor = (customer.favorite_count + replaced - 1) % len(gaps)
            if successor not in active:
                active[replaced % len(active)] = successor
                due[successor] = day + gaps[successor] * rng.random()


def generate_visit(  # noqa: PLR0913  # products, customer and generator, then keywords
    products: ProductFeatures,
    customer: SyntheticCustomer,
    rng: np.random.Generator,
    *,
    at: datetime,
    name: str,
    purchased: Sequence[int] = (),
    seed: int = SEED,
) -> Iterator[dict[str, Any]]:
    """
    Yield the events of one visit: views, additions to the basket, the purchase, rarely a dislike.

    name: identifies the visit; the same name and seed give the same event ids. purchased: favorites
    that have run out; without any, one of the customer's favorites is bought.
    """
    bought = list(purchased)
    if not bought:
        bought.append(int(customer.favorites[rng.integers(customer.favorite_count)]))
    if rng.random() < customer.curiosity:
        other = int(rng.choice(len(products.ids), p=customer.choice_probabilities))
        bought = list(dict.fromkeys([*bought, other]))
    looked_at = rng.choice(
        len(products.ids), size=int(rng.integers(0, 4)), p=customer.choice_probabilities
    )
    viewed = list(dict.fromkeys([*bought, *looked_at.tolist()]))
    disliked = int(rng.integers(len(products.ids))) if rng.random() < _DISLIKE_RATE else -1
    for rank, product in enumerate(viewed):
        interaction_types = ["view", "basket_add"] if product in bought else ["view"]
        for interaction_type in interaction_types:
            yield _event(
                event_id=_event_id(seed, f"{interaction_type}:{name}:{rank}"),
                topic="customer_interactions",
                event_type="interaction",
                occurred_at=at + timedelta(seconds=40 * rank),
                data={
                    "type": interaction_type,
                    "product_id": products.ids[product],
                    "external_id": customer.external_id,
                    "session_id": f"visit-{name}",
                    "store_code": customer.store_code,
                },
            )
    if disliked >= 0 and customer.choice_probabilities[disliked] < 1 / len(products.ids):
        yield _event(
            event_id=_event_id(seed, f"dislike:{name}"),
            topic="customer_interactions",
            event_type="interaction",
            occurred_at=at + timedelta(minutes=4),
            data={
                "type": "dislike",
                "product_id": products.ids[disliked],
                "external_id": customer.external_id,
                "session_id": f"visit-{name}",
                "store_code": customer.store_code,
            },
        )
    lines = [
        {
            "product_id": products.ids[product],
            "quantity": int(1 + (rng.random() < 0.2)),
            "unit_price": products.prices[product],
        }
        for product in bought
    ]
    yield _event(
        event_id=_event_id(seed, f"purchase:{name}"),
        topic="customer_interactions",
        event_type="purchase",
        occurred_at=at + timedelta(minutes=5),
        data={
            "order_id": f"demo-{uuid5(_NAMESPACE, f'{seed}:{name}').hex[:12]}",
            "external_id": customer.external_id,
            "store_code": customer.store_code,
            "lines": lines,
        },
    )


def generate_chat(
    products: ProductFeatures, customer: SyntheticCustomer, *, seed: int = SEED
) -> list[tuple[str, str]]:
    """Return the two or four messages of a chat session of a customer as (role, text)."""
    rng = np.random.default_rng([seed, int(uuid5(_NAMESPACE, customer.external_id).hex[:8], 16)])
    first, second = sorted(
        rng.choice(len(products.ids), size=2, replace=False, p=customer.choice_probabilities),
        key=lambda product: -products.log_price[product],
    )
    params = {
        "first": products.names[first],
        "first_price": products.prices[first],
        "second": products.names[second],
        "second_price": products.prices[second],
    }
    messages = [
        (role, template.format(**params)) for role, template in _CHAT_TEMPLATES[customer.language]
    ]
    return messages[: int(rng.choice([2, 4]))]


def _generate_customer(
    products: ProductFeatures, rng: np.random.Generator, number: int
) -> SyntheticCustomer:
    # The order of the draws is part of the model: changing it changes every customer.
    type_weights = rng.dirichlet(np.full(products.type_count, _DIRICHLET_CONCENTRATION))
    category_weights = rng.dirichlet(np.full(products.category_count, _DIRICHLET_CONCENTRATION))
    preferred_thc = rng.normal(_THC_MEAN, _THC_DEVIATION)
    preferred_log_price = rng.normal(np.log(_PRICE_MEDIAN), _LOG_PRICE_DEVIATION)
    favorite_brand = products.brands[rng.integers(len(products.brands))]
    utility = (
        np.log(type_weights[products.types] + 1e-3)
        + np.log(category_weights[products.categories] + 1e-3)
        - ((products.thc - preferred_thc) / _THC_DEVIATION) ** 2 / 2
        - ((products.log_price - preferred_log_price) / _LOG_PRICE_DEVIATION) ** 2 / 2
        + (products.brands == favorite_brand)
    )
    probabilities = np.exp(utility - utility.max()) + 1e-9
    probabilities /= probabilities.sum()
    favorite_count = int(rng.integers(2, _MAX_FAVORITES + 1))
    favorites = rng.choice(
        len(products.ids),
        size=min(len(products.ids), favorite_count + _MAX_FAVORITES),
        replace=False,
        p=probabilities,
    )
    shape, mean = _GAP_DAYS
    gap_days = np.maximum(rng.gamma(shape, mean / shape, len(favorites)), _MIN_GAP_DAYS)
    store_code, _, province = STORES[int(rng.integers(len(STORES)))]
    is_french = rng.random() < (0.8 if province == "QC" else 0.05)
    # Quebec requires opt-in for profiling, so fewer customers consent to it there.
    consent_rates = {
        "history": 0.85,
        "profiling": 0.35 if province == "QC" else 0.7,
        "chat": 0.6,
        "marketing": 0.3,
    }
    return SyntheticCustomer(
        external_id=f"demo-{number:04d}",
        store_code=store_code,
        province=province,
        language="fr" if is_french else "en",
        choice_probabilities=probabilities,
        favorites=favorites,
        favorite_count=min(favorite_count, len(favorites)),
        gap_days=gap_days,
        curiosity=float(rng.beta(*_CURIOSITY)),
        consents=tuple(purpose for purpose, rate in consent_rates.items() if rng.random() < rate),
    )


def _event_id(seed: int, name: str) -> str:
    return str(uuid5(_NAMESPACE, f"{seed}:{name}"))


def _event(
    *, event_id: str, topic: str, event_type: str, occurred_at: datetime, data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "topic": topic,
        "id": event_id,
        "type": event_type,
        "version": 1,
        "occurred_at": occurred_at.isoformat(),
        "data": data,
    }
