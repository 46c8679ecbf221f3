"""A deployed price model and products with cost and competitors, for tests of suggestions."""

from decimal import Decimal
from typing import Any

from catalog.models import Product
from competitors.models import PriceSuggestion
from competitors.pricing.served import PRICING
from competitors.services.price_suggestions import suggest_prices
from mlops.models import ModelVersion
from mlops.registry import approve, deploy
from tests.factories.catalog import ProductFactory, StoreFactory, SupplierListingFactory
from tests.factories.competitors import CompetitorOfferFactory
from tests.factories.registry import ModelVersionFactory
from tests.samples.price_model import price_model_body


def deploy_price_model() -> ModelVersion:
    """Deploy a small model; return its version."""
    version = ModelVersionFactory.create(
        model="pricing", artifact_format="json", body=price_model_body()
    )
    approve(version=version, approved_by="kim", reason="reviewed")
    deploy(version=version, approved_by="kim", reason="first")
    PRICING.outdate()
    return version


def create_product(
    *,
    price: str = "32.00",
    cost: str = "20.00",
    offers: tuple[str, ...] = ("28", "30"),
    **fields: Any,
) -> Product:
    """Return a product of ours in Ontario that competitors sell at these prices without tax."""
    StoreFactory.create(code="queen-west", province="ON")
    values: dict[str, Any] = {
        "price": Decimal(price),
        "category": "dried_flower",
        "brand": "Acorn",
        "weight_grams": Decimal("3.5"),
        "terpenes": ["myrcene"],
        **fields,
    }
    product = ProductFactory.create(**values)
    SupplierListingFactory.create(
        merge_key=product.merge_key, price=Decimal(cost), price_kind="wholesale"
    )
    for offer in offers:
        CompetitorOfferFactory.create(
            product=product,
            match_status="confirmed",
            is_tax_included=False,
            regular_price=Decimal(offer),
        )
    return product


def create_suggestion(**fields: Any) -> PriceSuggestion:
    """Return the pending suggestion of a new product, computed by a deployed model."""
    deploy_price_model()
    product = create_product(**fields)
    suggest_prices()
    return PriceSuggestion.objects.get(product=product, status="pending")
