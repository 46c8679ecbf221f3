"""Fixtures of the integration tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.core.cache import cache

from catalog.models import CatalogSource, Product
from tests.canaries import (
    CanaryCustomer,
    create_canary_customer,
    create_customer_index,
    remove_collections,
)
from vectors.models import VectorIndex


@pytest.fixture(autouse=True)
def _unthrottled_supplier(request: pytest.FixtureRequest) -> None:
    """Raise the request rate of the sources, so that the sample supplier answers at full speed."""
    if "supplier" in request.fixturenames and request.node.get_closest_marker("django_db"):
        request.getfixturevalue("transactional_db")
        CatalogSource.objects.update(requests_per_second=1000)


@pytest.fixture
def customers_index() -> Iterator[VectorIndex]:
    """A vector index of customers; Redis and Milvus are emptied before and after the test."""
    cache.clear()
    yield create_customer_index()
    cache.clear()
    remove_collections()


@pytest.fixture
def planted_product() -> Product:
    """A product that the canary customers bought and viewed."""
    product = Product.objects.create(name="Pink Kush", merge_key=f"test:{uuid4()}", price=30)
    product.refresh_from_db()
    return product


@pytest.fixture
def canary_customer(planted_product: Product, customers_index: VectorIndex) -> CanaryCustomer:
    """A customer with data in every store of personal data."""
    return create_canary_customer(planted_product, customers_index)


@pytest.fixture
def other_canary_customer(planted_product: Product, customers_index: VectorIndex) -> CanaryCustomer:
    """A second customer, whose data must stay."""
    return create_canary_customer(planted_product, customers_index)
