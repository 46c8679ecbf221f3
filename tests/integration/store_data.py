"""Factories of stores, stock, purchases and interactions for tests of recommendations."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.utils import timezone

from catalog.models import Product, Store, StoreStock
from customers.models import CustomerProfile, Interaction, Purchase
from customers.services import profiles
from tests.integration import customer_data


def create_store(code: str = "queen-west", province: str = "ON") -> Store:
    """Return a store, created unless it exists."""
    return Store.objects.get_or_create(
        code=code, defaults={"name": code.title(), "province": province}
    )[0]


def set_stock(store: Store, product: Product, quantity: int = 5) -> StoreStock:
    """Set the quantity of a product in a store."""
    return StoreStock.objects.update_or_create(
        store=store, product=product, defaults={"quantity": quantity}
    )[0]


def create_products(count: int, *stores: Store, prefix: str = "P", **fields: Any) -> list[Product]:
    """Create products that differ in brand, strain type, THC and price, in stock in the stores."""
    strain_types = ("indica", "sativa", "hybrid")
    products = [
        customer_data.create_product(
            f"{prefix}-{number}",
            **{
                "name": f"{prefix} product {number}",
                "brand": f"Brand {number % 5}",
                "category": "dried_flower",
                "strain_type": strain_types[number % 3],
                "thc_percentage": Decimal(12 + number % 15),
                "price": Decimal(20 + number),
                **fields,
            },
        )
        for number in range(count)
    ]
    for product in products:
        product.refresh_from_db()
        for store in stores:
            set_stock(store, product)
    return products


def record_purchases(
    customer: CustomerProfile | None,
    product: Product,
    *,
    store: Store,
    days_ago: float = 3,
    times: int = 1,
) -> None:
    """Record purchases of a product, a week apart, the last of them `days_ago` days ago."""
    for number in range(times):
        Purchase.objects.create(
            event_id=uuid4(),
            line=0,
            order_id=uuid4().hex,
            customer=customer,
            store=store,
            product=product,
            quantity=1,
            unit_price=product.price or 1,
            purchased_at=timezone.now() - timedelta(days=days_ago + 7 * number),
        )


def record_receipt(
    customer: CustomerProfile | None,
    *products: Product,
    store: Store | None = None,
    days_ago: float = 3,
    quantity: int = 1,
    order_id: str = "",
) -> str:
    """Record one receipt with a line for each product; return its order id."""
    event_id = uuid4()
    order_id = order_id or uuid4().hex
    for line, product in enumerate(products):
        Purchase.objects.create(
            event_id=event_id,
            line=line,
            order_id=order_id,
            customer=customer,
            store=store,
            product=product,
            quantity=quantity,
            unit_price=10,
            purchased_at=timezone.now() - timedelta(days=days_ago),
        )
    return order_id


def record_interaction(
    customer: CustomerProfile, interaction_type: str, product: Product, *, days_ago: float = 1
) -> None:
    """Record a view, like or dislike of a product."""
    Interaction.objects.create(
        kind=interaction_type,
        customer=customer,
        product=product,
        occurred_at=timezone.now() - timedelta(days=days_ago),
    )


def create_verified_customer(
    *purposes: str, is_age_verified: bool = True, **fields: Any
) -> CustomerProfile:
    """Create a customer with consents for the purposes, in Ontario, with a verified age."""
    customer = customer_data.create_customer(*purposes, **{"province": "ON", **fields})
    if not is_age_verified:
        return customer
    return profiles.verify_age(customer=customer, verification_method="in_person", by="user:test")
