"""Keys, people and products for tests of people."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from rest_framework.test import APIClient

from catalog.models import Product
from config.api.keys import ApiKey
from customers.models import ConsentText, CustomerProfile
from customers.services import consents, profiles

EVERYTHING = (
    "customers:read",
    "customers:write",
    "chat:write",
    "events:write",
    "privacy:write",
    "catalog:read",
    "catalog:write",
    "recommendations:read",
)


def key_with(audience: str = "staff", scopes: tuple[str, ...] = EVERYTHING) -> str:
    """A key of the API."""
    cache.clear()
    _, secret = ApiKey.objects.create_key(
        name="t", audience=audience, scopes=list(scopes), rate="100000/min"
    )
    return str(secret)


def client_with(audience: str = "staff", scopes: tuple[str, ...] = EVERYTHING) -> APIClient:
    """A client of the API with a key of its own."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key_with(audience, scopes)}")
    return client


def person(*purposes: str, number: str = "", **facts: Any) -> CustomerProfile:
    """Somebody who has agreed to these purposes."""
    made = profiles.register(
        external_customer_id=number or f"L-{uuid4().hex[:8]}", by="user:test", **facts
    )
    for purpose in purposes:
        text = ConsentText.objects.filter(purpose=purpose).latest("created_at")
        consents.give(
            customer=made, purpose=purpose, version=text.version, language="en", by="user:test"
        )
    return made


def agreeing(count: int) -> list[CustomerProfile]:
    """So many who agree to be profiled by what they buy."""
    return [person("history", "profiling") for _ in range(count)]


def product(sku: str = "SKU-1", **facts: Any) -> Product:
    """A product of the catalogue."""
    return Product.objects.create(
        **{
            "name": "Pink Kush",
            "sku": sku,
            "strain_type": "indica",
            "thc_percentage": Decimal(20),
            "price": Decimal("29.95"),
            "merge_key": f"test:{sku}",
            **facts,
        }
    )


def event(type: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """An event as clients send it."""
    topic = {"stock": "inventory_updates", "price": "price_changes"}.get(
        type, "customer_interactions"
    )
    if type in ("metric", "log"):
        topic = "system_metrics"
    return {
        "topic": topic,
        "id": str(uuid4()),
        "type": type,
        "version": 1,
        "occurred_at": "2026-11-20T12:00:00Z",
        "data": data,
        **envelope,
    }
