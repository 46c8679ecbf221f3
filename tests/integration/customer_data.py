"""API clients, customers, products and events for tests."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from rest_framework.test import APIClient

from catalog.models import Product
from config.api.keys import ApiKey
from customers.models import ConsentText, CustomerProfile
from customers.services import consents, profiles

CONSENTED_AT = datetime(2020, 1, 1, tzinfo=UTC)
"""Before every event of the tests."""
_TOPICS = {
    "stock": "inventory_updates",
    "price": "price_changes",
    "metric": "system_metrics",
    "log": "system_metrics",
}
ALL_SCOPES = (
    "customers:read",
    "customers:write",
    "chat:write",
    "events:write",
    "privacy:write",
    "catalog:read",
    "catalog:write",
    "recommendations:read",
)


def create_api_key(audience: str = "staff", scopes: tuple[str, ...] = ALL_SCOPES) -> str:
    """Create an API key and return its secret."""
    cache.clear()
    _, secret = ApiKey.objects.create_key(
        name="t", audience=audience, scopes=list(scopes), rate="100000/min"
    )
    return str(secret)


def create_api_client(audience: str = "staff", scopes: tuple[str, ...] = ALL_SCOPES) -> APIClient:
    """Return an API client with a new key."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {create_api_key(audience, scopes)}")
    return client


def create_customer(*purposes: str, external_id: str = "", **fields: Any) -> CustomerProfile:
    """Register a customer who consents to the purposes."""
    customer = profiles.register_customer(
        external_id=external_id or f"L-{uuid4().hex[:8]}", by="user:test", **fields
    )
    for purpose in purposes:
        text = ConsentText.objects.filter(purpose=purpose).latest("created_at")
        consents.give_consent(
            customer=customer,
            purpose=purpose,
            version=text.version,
            language="en",
            by="user:test",
            given_at=CONSENTED_AT,
        )
    return customer


def create_consenting_customers(count: int) -> list[CustomerProfile]:
    """Register customers with the consents `history` and `profiling`."""
    return [create_customer("history", "profiling") for _ in range(count)]


def create_product(sku: str = "SKU-1", **fields: Any) -> Product:
    """Create a product."""
    return Product.objects.create(
        **{
            "name": "Pink Kush",
            "sku": sku,
            "strain_type": "indica",
            "thc_percentage": Decimal(20),
            "price": Decimal("29.95"),
            "merge_key": f"test:{sku}",
            **fields,
        }
    )


def event_payload(type: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """Return an event as API clients send it."""
    return {
        "topic": _TOPICS.get(type, "customer_interactions"),
        "id": str(uuid4()),
        "type": type,
        "version": 1,
        "occurred_at": "2026-11-20T12:00:00Z",
        "data": data,
        **envelope,
    }
