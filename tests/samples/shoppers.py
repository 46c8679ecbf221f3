"""Synthetic shoppers of the demonstration, with generated products, as events or as rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pandas as pd
from django.db import connection

from catalog.models import Product, Store, StoreStock
from customers import demo
from customers.models import CustomerProfile, Interaction, Purchase
from tests.factories.catalog import StoreFactory
from tests.factories.customers import CustomerFactory

SEED = 20261126
_NAMESPACE = UUID("3c1c8a52-52a5-4f57-9d84-6f5a3f2f7a11")


def generate_products(*, count: int, seed: int = SEED) -> demo.ProductFeatures:
    """Return products with random traits; their ids are UUIDs."""
    rng = np.random.default_rng(seed)
    log_price = rng.normal(np.log(30), 0.5, count)
    return demo.ProductFeatures(
        ids=[str(uuid5(_NAMESPACE, str(number))) for number in range(count)],
        names=[f"Product {number}" for number in range(count)],
        prices=[f"{price:.2f}" for price in np.exp(log_price)],
        types=rng.integers(0, 4, count),
        categories=rng.integers(0, 6, count),
        thc=rng.normal(20, 5, count),
        log_price=log_price,
        brands=np.array([f"brand-{number}" for number in rng.integers(0, 40, count)]),
        type_count=4,
        category_count=6,
    )


def generate_events(
    products: demo.ProductFeatures, *, customers: int, until: datetime, days: int
) -> pd.DataFrame:
    """Return the events of synthetic customers as a training set has them, oldest first."""
    index_of = {product: index for index, product in enumerate(products.ids)}
    people = demo.generate_customers(products, count=customers)
    rows = [
        {
            "customer": event["data"]["external_id"],
            "product": product,
            "kind": kind,
            "quantity": quantity,
            "occurred_at": event["occurred_at"],
            "store": event["data"]["store_code"],
            "brand": str(products.brands[index_of[product]]),
            "category": str(products.categories[index_of[product]]),
            "strain_type": str(products.types[index_of[product]]),
            "price": float(products.prices[index_of[product]]),
        }
        for event in demo.generate_visit_events(products, people, until=until, days=days)
        for kind, product, quantity in product_events(event)
    ]
    frame = pd.DataFrame(rows)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], format="ISO8601", utc=True)
    return frame.sort_values("occurred_at", kind="stable", ignore_index=True)


def product_events(event: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield kind, product and quantity of each product of an event."""
    data = event["data"]
    if event["type"] == "purchase":
        for line in data["lines"]:
            yield "purchase", line["product_id"], line["quantity"]
    else:
        yield data["type"], data["product_id"], 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Rows of synthetic shoppers; customers by external id, products by id."""

    customers: dict[str, CustomerProfile]
    products: dict[str, Product]
    stores: dict[str, Store]


def create_shop(
    *, customers: int, products: int, until: datetime, days: int, consenting: int | None = None
) -> Shop:
    """
    Create stores, products in stock everywhere, customers with a proven age, and their history.

    consenting: number of customers who consent to profiling; all by default.
    """
    features = generate_products(count=products)
    stores = {
        code: StoreFactory.create(code=code, name=name, province=province)
        for code, name, province in demo.STORES
    }
    rows = Product.objects.bulk_create(
        Product(
            id=UUID(product),
            name=features.names[index],
            sku=f"S-{index}",
            brand=str(features.brands[index]),
            category="dried_flower",
            strain_type=("indica", "sativa", "hybrid", "blend")[features.types[index]],
            price=Decimal(features.prices[index]),
            thc_percentage=Decimal(20),
            merge_key=f"shoppers:{index}",
        )
        for index, product in enumerate(features.ids)
    )
    StoreStock.objects.bulk_create(
        StoreStock(store=store, product=product, quantity=50)
        for store in stores.values()
        for product in rows
    )
    events = generate_events(features, customers=customers, until=until, days=days)
    names = sorted(set(events["customer"]))
    count = len(names) if consenting is None else consenting
    people = {
        name: CustomerFactory.create(verified=True, consenting=number < count, external_id=name)
        for number, name in enumerate(names)
    }
    products_by_id = {str(product.pk): product for product in rows}
    _create_history(events, people, products_by_id, stores)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE products, purchases, interactions, consents, store_stock")
    return Shop(customers=people, products=products_by_id, stores=stores)


def _create_history(
    events: pd.DataFrame,
    customers: Mapping[str, CustomerProfile],
    products: Mapping[str, Product],
    stores: Mapping[str, Store],
) -> None:
    purchases, interactions = [], []
    for number, event in enumerate(events.itertuples()):
        fields: dict[str, Any] = {
            "customer": customers[event.customer],
            "product": products[event.product],
            "store": stores[event.store],
            "quantity": event.quantity,
        }
        if event.kind == "purchase":
            purchases.append(
                Purchase(
                    event_id=uuid5(_NAMESPACE, f"event {number}"),
                    line=0,
                    order_id=f"{event.customer} {event.occurred_at.isoformat()}",
                    unit_price=Decimal(30),
                    purchased_at=event.occurred_at,
                    **fields,
                )
            )
        else:
            interactions.append(
                Interaction(
                    id=uuid5(_NAMESPACE, f"event {number}"),
                    kind=event.kind,
                    occurred_at=event.occurred_at,
                    **fields,
                )
            )
    Purchase.objects.bulk_create(purchases)
    Interaction.objects.bulk_create(interactions)
