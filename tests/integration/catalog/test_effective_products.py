"""The view of effective products and the property of the same name."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from catalog.models import Product
from catalog.selectors.products import product_ids_by_reference
from catalog.services.duplicates import merge_pair
from mlops.models import QualityFinding
from mlops.quality.rules import check_quality
from tests.factories.catalog import ProductFactory

pytestmark = pytest.mark.django_db


def _effective(product: Product) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT effective_id, category, strain_type FROM effective_products"
            " WHERE product_id = %s",
            [product.pk],
        )
        return tuple(cursor.fetchone())


def test_a_product_that_is_not_merged_stands_for_itself() -> None:
    product = ProductFactory.create(sku="A", category="vapes", strain_type=None)

    assert _effective(product) == (product.pk, "vapes", None)
    assert product.effective_id == product.pk


def test_a_merged_product_has_the_id_and_traits_of_the_other_one() -> None:
    target = ProductFactory.create(sku="A", category="vapes", strain_type=None)
    merged = ProductFactory.create(
        sku="B", category="oils", strain_type="indica", merged_into=target
    )

    assert _effective(merged) == (target.pk, "vapes", None)
    assert merged.effective_id == target.pk


def test_after_merges_one_after_the_other_one_step_leads_to_the_last_survivor(
    admin_user: User,
) -> None:
    first = ProductFactory.create(sku="A")
    second = ProductFactory.create(sku="B")
    third = ProductFactory.create(sku="C", gtin="00628110000125")
    merge_pair(left=first, right=second, by=admin_user)
    survivor = Product.objects.current().get(pk__in=(first.pk, second.pk))

    merge_pair(left=survivor, right=third, by=admin_user)

    assert {_effective(product)[0] for product in (first, second, third)} == {third.pk}


def test_references_lead_to_the_effective_product() -> None:
    target = ProductFactory.create(sku="A")
    merged = ProductFactory.create(sku="B", merged_into=target)

    assert product_ids_by_reference([str(merged.pk), "B", "unknown"]) == {
        str(merged.pk): target.pk,
        "B": target.pk,
    }


def test_a_chain_of_merges_is_a_finding() -> None:
    last = ProductFactory.create(sku="A", gtin="00628110000125")
    middle = ProductFactory.create(sku="B", merged_into=last)
    first = ProductFactory.create(sku="C", merged_into=middle)

    assert check_quality()["product-merge-chain"] == 1
    assert QualityFinding.objects.get(rule="product-merge-chain").row_id == first.pk
