"""Stores, shelves and purchases for tests of recommendations."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.utils import timezone

from catalog.models import Product, Store, StoreStock
from customers.models import CustomerProfile, Interaction, Purchase
from customers.services import profiles
from tests.integration import customer_data


def store(code: str = "queen-west", province: str = "ON") -> Store:
    """A store of ours."""
    return Store.objects.get_or_create(
        code=code, defaults={"name": code.title(), "province": province}
    )[0]


def on_shelf(where: Store, product: Product, quantity: int = 5) -> StoreStock:
    """So many of a product in a store."""
    return StoreStock.objects.update_or_create(
        store=where, product=product, defaults={"quantity": quantity}
    )[0]


def products(count: int, *stores: Store, prefix: str = "P", **facts: Any) -> list[Product]:
    """Products that differ in brand, type, THC and price, on the shelves of stores."""
    types = ("indica", "sativa", "hybrid")
    made = [
        customer_data.product(
            f"{prefix}-{number}",
            **{
                "name": f"{prefix} product {number}",
                "brand": f"Brand {number % 5}",
                "category": "dried-flower",
                "strain_type": types[number % 3],
                "thc_percentage": Decimal(12 + number % 15),
                "price": Decimal(20 + number),
                **facts,
            },
        )
        for number in range(count)
    ]
    for one in made:
        one.refresh_from_db()
        for where in stores:
            on_shelf(where, one)
    return made


def bought(
    customer: CustomerProfile | None,
    product: Product,
    *,
    where: Store,
    days: float = 3,
    times: int = 1,
) -> None:
    """Somebody has bought a product, some days ago, so many times a week apart."""
    for number in range(times):
        Purchase.objects.create(
            event_id=uuid4(),
            line=0,
            order_id=uuid4().hex,
            customer=customer,
            store=where,
            product=product,
            quantity=1,
            unit_price=product.price or 1,
            purchased_at=timezone.now() - timedelta(days=days + 7 * number),
        )


def receipt(
    who: CustomerProfile | None,
    *bought: Product,
    where: Store | None = None,
    days: float = 3,
    quantity: int = 1,
    order: str = "",
) -> str:
    """One receipt with a line for each product; returns its number."""
    event, number = uuid4(), order or uuid4().hex
    for line, product in enumerate(bought):
        Purchase.objects.create(
            event_id=event,
            line=line,
            order_id=number,
            customer=who,
            store=where,
            product=product,
            quantity=quantity,
            unit_price=10,
            purchased_at=timezone.now() - timedelta(days=days),
        )
    return number


def acted(customer: CustomerProfile, kind: str, product: Product, *, days: float = 1) -> None:
    """Somebody has looked at, liked or disliked a product."""
    Interaction.objects.create(
        kind=kind,
        customer=customer,
        product=product,
        occurred_at=timezone.now() - timedelta(days=days),
    )


def shopper(*purposes: str, is_of_age: bool = True, **facts: Any) -> CustomerProfile:
    """A customer whose age is proven."""
    made = customer_data.person(*purposes, **{"province": "ON", **facts})
    return (
        profiles.verify_age(customer=made, proof="in-person", by="user:test") if is_of_age else made
    )
