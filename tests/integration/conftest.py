"""What integration tests may ask for."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.core.cache import cache

from catalog.models import CatalogSource, Product
from config.cache import invalidation
from tests.canaries import Person, make_index, plant, remove_collections
from vectors.models import VectorIndex


@pytest.fixture(scope="session", autouse=True)
def _unheard_at_the_end(django_db_setup: None) -> Iterator[None]:
    """Let go of the database before it is dropped: what is set up after it is taken down before it."""
    yield
    invalidation.stop()


@pytest.fixture(autouse=True)
def _unpaced(request: pytest.FixtureRequest) -> None:
    """Ask the sample supplier as fast as it answers."""
    if "supplier" in request.fixturenames and request.node.get_closest_marker("django_db"):
        request.getfixturevalue("transactional_db")
        CatalogSource.objects.update(requests_per_second=1000)


@pytest.fixture
def customers_index() -> Iterator[VectorIndex]:
    """An index of customers; Redis and Milvus are without them before and after."""
    cache.clear()
    yield make_index()
    cache.clear()
    remove_collections()


@pytest.fixture
def planted_product() -> Product:
    """Something to buy."""
    made = Product.objects.create(name="Pink Kush", merge_key=f"test:{uuid4()}", price=30)
    made.refresh_from_db()
    return made


@pytest.fixture
def person(planted_product: Product, customers_index: VectorIndex) -> Person:
    """A customer with something in every place."""
    return plant(planted_product, customers_index)


@pytest.fixture
def neighbor(planted_product: Product, customers_index: VectorIndex) -> Person:
    """Another one, who stays."""
    return plant(planted_product, customers_index)
