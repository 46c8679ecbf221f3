"""Factories of the catalogue: stores, products, stock and supplier listings."""

from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from catalog.models import Product, Store, StoreStock, SupplierListing

_STRAIN_TYPES = ("indica", "sativa", "hybrid")


class StoreFactory(DjangoModelFactory[Store]):
    """Stores in Ontario, named after their codes; one row per code."""

    class Meta:
        model = Store
        django_get_or_create = ("code",)

    code = factory.Sequence(lambda n: f"store-{n}")
    name = factory.LazyAttribute(lambda store: store.code.replace("-", " ").title())
    province = "ON"


class ProductFactory(DjangoModelFactory[Product]):
    """
    Products that differ in brand, strain type, THC and price by their number.

    stores: where five units are in stock. prefix: of name and SKU. The row is read again, so that
    it has what the database makes of it.
    """

    class Meta:
        model = Product

    class Params:
        prefix = "P"
        number = factory.Sequence(lambda n: n)
        merged = factory.Trait(
            merged_into=factory.SubFactory("tests.factories.catalog.ProductFactory")
        )
        edible = factory.Trait(
            category="edibles",
            thc_percentage=None,
            cbd_percentage=None,
            thc_mg=Decimal(10),
            mg_basis="mg_per_package",
            unit_count=2,
            weight_grams=None,
        )

    sku = factory.LazyAttribute(lambda p: f"{p.prefix}-{p.number}")
    name = factory.LazyAttribute(lambda p: f"{p.prefix} product {p.number}")
    brand = factory.LazyAttribute(lambda p: f"Brand {p.number % 5}")
    category = "dried_flower"
    strain_type = factory.LazyAttribute(lambda p: _STRAIN_TYPES[p.number % 3])
    thc_percentage = factory.LazyAttribute(lambda p: Decimal(12 + p.number % 15))
    price = factory.LazyAttribute(lambda p: Decimal(20 + p.number))
    merge_key = factory.LazyAttribute(lambda p: f"test:{p.sku}")
    stores = ()

    @classmethod
    def _build(cls, model_class: type[Product], *args: Any, **fields: Any) -> Product:
        fields.pop("stores")
        return model_class(**fields)

    @classmethod
    def _create(cls, model_class: type[Product], *args: Any, **fields: Any) -> Product:
        stores = fields.pop("stores")
        product = model_class.objects.create(**fields)
        product.refresh_from_db()
        for store in stores:
            StoreStockFactory.create(store=store, product=product)
        return product


def create_products(count: int, *stores: Store, **fields: Any) -> list[Product]:
    """Create products number 0, 1, … with five units in stock in each of the stores."""
    return [
        ProductFactory.create(**{"number": number, "stores": stores, **fields})
        for number in range(count)
    ]


class StoreStockFactory(DjangoModelFactory[StoreStock]):
    """Stock of a product in a store; a second row of the same pair replaces the quantity."""

    class Meta:
        model = StoreStock

    class Params:
        sold_out = factory.Trait(quantity=0)

    store = factory.SubFactory(StoreFactory)
    product = factory.SubFactory(ProductFactory)
    quantity = 5

    @classmethod
    def _create(cls, model_class: type[StoreStock], *args: Any, **fields: Any) -> StoreStock:
        key = {name: fields.pop(name) for name in ("store", "product")}
        return model_class.objects.update_or_create(**key, defaults=fields)[0]


class SupplierListingFactory(DjangoModelFactory[SupplierListing]):
    """English listings of dried flower at one source; each is of another product."""

    class Meta:
        model = SupplierListing

    class Params:
        gone = factory.Trait(gone_at=factory.LazyFunction(timezone.now))
        sold_out = factory.Trait(in_stock=False)
        french = factory.Trait(language="fr")

    source = "ocs"
    external_id = factory.Sequence(lambda n: f"listing-{n}")
    language = "en"
    merge_key = factory.LazyAttribute(lambda listing: f"{listing.source}:{listing.external_id}")
    name = factory.Sequence(lambda n: f"Listing {n}")
    raw_name = factory.LazyAttribute(lambda listing: f"{listing.name} 3.5g")
    brand = "Brand 0"
    sku = factory.LazyAttribute(lambda listing: f"SKU-{listing.external_id}")
    category = "dried_flower"
    strain_type = "indica"
    thc_low = Decimal(18)
    thc_high = Decimal(22)
    thc_unit = "percent"
    weight_grams = Decimal("3.50")
    price = Decimal("24.95")
    price_kind = "retail"
    in_stock = True
    content_hash = factory.Sequence(lambda n: f"{n:064x}")
