"""Vectors of bought products, whose distribution is monitored."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from django.core.cache import cache
from django.utils import timezone

from catalog.embeddings import ProductEmbedding
from customers.selectors.vectors import bought_product_vectors
from tests.canaries import remove_collections
from tests.factories.catalog import ProductFactory
from tests.factories.customers import PurchaseFactory
from vectors import exact, search
from vectors.index.write import index_due_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _without_vectors_of_other_tests() -> Iterator[None]:
    exact.clear_cache()
    cache.clear()
    yield
    exact.clear_cache()
    remove_collections()


def test_each_purchase_of_the_period_has_the_vector_of_its_product() -> None:
    flower = ProductFactory.create(name="Kush A", category="dried_flower", strain_type="indica")
    gummies = ProductFactory.create(name="Mango Gummies", category="edibles", strain_type="sativa")
    index_due_rows(collection=ProductEmbedding.collection)
    for product in (flower, flower, gummies):
        PurchaseFactory.create(product=product, days_ago=2)
    PurchaseFactory.create(product=gummies, days_ago=20)
    PurchaseFactory.create(product=gummies, days_ago=2, returned=True)
    now = timezone.now()

    vectors = bought_product_vectors(now - timedelta(days=7), now, 100)

    expected = search.stored_vectors(
        collection=ProductEmbedding.collection, ids=[str(flower.pk), str(gummies.pk)]
    )
    found = sorted(vectors.tolist())
    assert vectors.shape == (3, 768)
    assert np.allclose(
        found,
        sorted([expected[str(flower.pk)].tolist()] * 2 + [expected[str(gummies.pk)].tolist()]),
    )


def test_period_without_purchases_has_no_vectors() -> None:
    now = timezone.now()

    assert len(bought_product_vectors(now - timedelta(days=7), now, 100)) == 0


def test_sample_has_a_maximum() -> None:
    product = ProductFactory.create(name="Kush A", category="dried_flower")
    index_due_rows(collection=ProductEmbedding.collection)
    for _ in range(5):
        PurchaseFactory.create(product=product, days_ago=2)
    now = timezone.now()

    assert len(bought_product_vectors(now - timedelta(days=7), now, 3)) == 3
