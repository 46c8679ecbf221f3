"""Factories: their rows are valid and their traits do what they are named after."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from factory.django import DjangoModelFactory

from config.models import ApiKey
from customers.models import ProductPopularity
from mlops.streams.event_types import event_topics
from tests import factories
from tests.factories.catalog import (
    ProductFactory,
    StoreFactory,
    StoreStockFactory,
    SupplierListingFactory,
    create_products,
)
from tests.factories.config import create_api_key
from tests.factories.customers import (
    BusinessRuleFactory,
    ConsentFactory,
    CustomerFactory,
    PurchaseFactory,
    rank_by_popularity,
    record_purchases,
    record_receipt,
)
from tests.factories.mlops import EventFactory

pytestmark = pytest.mark.django_db


def _factories() -> Iterator[type[DjangoModelFactory[Any]]]:
    for module in pkgutil.iter_modules(factories.__path__):
        for value in vars(importlib.import_module(f"{factories.__name__}.{module.name}")).values():
            is_factory = isinstance(value, type) and issubclass(value, DjangoModelFactory)
            if is_factory and value._meta.model and value.__module__.endswith(f".{module.name}"):
                yield value


def _cases() -> list[Any]:
    """Return every factory alone and with each of its traits."""
    return [
        pytest.param(factory, traits, id="-".join([factory.__name__, *traits]))
        for factory in _factories()
        for traits in [{}, *({name: True} for name in _traits(factory))]
    ]


def _traits(factory: type[DjangoModelFactory[Any]]) -> list[str]:
    return [
        name
        for name, parameter in factory._meta.parameters.items()
        if type(parameter).__name__ == "Trait"
    ]


def _unset_fields(row: models.Model) -> set[str]:
    """Return fields that may be empty in the database, though not in a form."""
    return {
        field.name
        for field in row._meta.concrete_fields
        if (field.null or field.has_default() or field.has_db_default())
        and getattr(row, field.attname) in field.empty_values
    }


@pytest.mark.parametrize(("factory", "traits"), _cases())
def test_factory_creates_a_row_that_passes_validation_and_constraints(
    factory: type[DjangoModelFactory[Any]], traits: dict[str, bool]
) -> None:
    row = factory.create(**traits)

    connection.check_constraints()
    stored = type(row).objects.get(pk=row.pk)
    stored.full_clean(exclude=_unset_fields(stored))


@pytest.mark.parametrize("factory", [pytest.param(f, id=f.__name__) for f in _factories()])
def test_two_rows_of_a_factory_do_not_collide(factory: type[DjangoModelFactory[Any]]) -> None:
    first, second = factory.create_batch(2)

    assert first.pk != second.pk


@pytest.mark.parametrize(
    "label",
    [
        "catalog.Product",
        "catalog.SupplierListing",
        "catalog.Store",
        "customers.CustomerProfile",
        "customers.Consent",
        "customers.Purchase",
        "mlops.InboxEvent",
    ],
)
def test_main_models_have_a_factory(label: str) -> None:
    assert apps.get_model(label) in {factory._meta.model for factory in _factories()}


def test_products_have_stock_in_the_given_stores_only() -> None:
    store = StoreFactory.create()
    StoreFactory.create()

    first, second = create_products(2, store)

    assert [(s.store, s.quantity) for s in first.stock.all()] == [(store, 5)]
    assert second.stock.get().store == store


def test_products_of_a_number_are_the_same_every_time() -> None:
    first = ProductFactory.create(number=4)
    second = ProductFactory.create(number=4, prefix="Q")

    assert (first.sku, second.sku) == ("P-4", "Q-4")
    assert (first.brand, first.strain_type, first.price) == (
        second.brand,
        second.strain_type,
        second.price,
    )


def test_merged_product_points_at_a_current_one() -> None:
    product = ProductFactory.create(merged=True)

    assert product.merged_into is not None
    assert product.merged_into.merged_into is None


def test_sold_out_stock_replaces_the_quantity_of_the_same_product_and_store() -> None:
    stock = StoreStockFactory.create()

    StoreStockFactory.create(store=stock.store, product=stock.product, sold_out=True)

    stock.refresh_from_db()
    assert stock.quantity == 0


def test_gone_listing_has_the_time_since_when() -> None:
    assert SupplierListingFactory.create(gone=True).gone_at is not None


def test_customer_has_the_given_consents_only() -> None:
    customer = CustomerFactory.create(consenting=True)

    assert {consent.purpose for consent in customer.consents.all()} == {"history", "profiling"}


def test_verified_customer_has_the_legal_age_of_the_province() -> None:
    customer = CustomerFactory.create(verified=True)

    assert (customer.province, customer.verified_age) == ("ON", 19)


def test_customer_of_an_unknown_province_can_be_verified() -> None:
    customer = CustomerFactory.create(is_age_verified=True)

    assert (customer.province, customer.verified_age) == ("", 19)


def test_withdrawn_consent_unlinks_the_history() -> None:
    purchase = PurchaseFactory.create()

    ConsentFactory.create(customer=purchase.customer, purpose="history", withdrawn=True)

    purchase.refresh_from_db()
    assert purchase.customer is None


def test_boosting_rule_says_that_it_is_not_paid_for() -> None:
    assert BusinessRuleFactory.create(boosting=True).unpaid_note


def test_repeated_purchases_are_a_week_apart() -> None:
    customer = CustomerFactory.create(consenting=True)

    record_purchases(customer, ProductFactory.create(), store=StoreFactory.create(), times=3)

    times = customer.purchases.values_list("purchased_at", flat=True)
    gaps = [later - earlier for later, earlier in pairwise(times)]
    assert [round(gap / timedelta(days=1)) for gap in gaps] == [7, 7]


def test_receipt_has_one_line_for_each_product() -> None:
    customer = CustomerFactory.create(consenting=True)
    products = create_products(3)

    order_id = record_receipt(customer, *products)

    lines = customer.purchases.order_by("line")
    assert [(line.line, line.product, line.order_id) for line in lines] == [
        (number, product, order_id) for number, product in enumerate(products)
    ]
    assert len({line.event_id for line in lines}) == 1


def test_the_last_product_is_the_most_popular() -> None:
    products = create_products(3)

    rank_by_popularity(products, store=None)

    assert ProductPopularity.objects.order_by("-score")[0].product == products[-1]


def test_api_key_is_valid_and_has_the_audience() -> None:
    secret = create_api_key("public", ("catalog:read",))

    key = ApiKey.objects.get(pk=ApiKey.objects.get_from_key(secret).pk)

    assert (key.audience, key.scopes) == ("public", ["catalog:read"])


@pytest.mark.parametrize("type", ["interaction", "purchase", "stock", "price", "metric"])
def test_event_names_a_registered_topic(type: str) -> None:
    assert EventFactory.build(type=type)["topic"] in event_topics()
