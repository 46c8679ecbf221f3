"""Page that asks before an undo: rows in words, the list of products, the reason."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from catalog.services.corrections import correct_products, create_product
from mlops.models import Operation
from tests.factories.catalog import ProductFactory

pytestmark = pytest.mark.django_db


def _correct(products: list[Product], by: User) -> str:
    """Correct the price of products and return the address of the undo."""
    result = correct_products(
        changes={product.pk: {"price": Decimal("12.50")} for product in products},
        by=by,
        reason="spring sale",
        kind=Operation.Kind.BULK_EDIT,
    )
    assert result.operation is not None
    return reverse("admin:mlops_operation_undo", args=[result.operation.pk])


def test_rows_are_counted_by_what_they_are(admin_client: Client, admin_user: User) -> None:
    address = _correct(ProductFactory.create_batch(3, price=10), admin_user)

    page = admin_client.get(address)

    assert page.context["counts"] == ["3 products", "3 locks"]


def test_one_row_is_in_the_singular(admin_client: Client, admin_user: User) -> None:
    address = _correct([ProductFactory.create(price=10)], admin_user)

    assert admin_client.get(address).context["counts"] == ["1 product", "1 lock"]


def test_products_are_listed_with_the_value_after_the_undo(
    admin_client: Client, admin_user: User
) -> None:
    product = ProductFactory.create(name="Pink Kush", price=10)
    address = _correct([product], admin_user)

    ((_change, name, fields),) = admin_client.get(address).context["changes"]

    values = {label: (before, after) for label, before, after in fields}
    assert name == "Pink Kush"
    assert values["Price, $"] == ("10.00", "12.50")


def test_actor_and_reason_are_shown(admin_client: Client, admin_user: User) -> None:
    page = admin_client.get(_correct([ProductFactory.create(price=10)], admin_user))

    assert page.context["actor"] == admin_user.username
    assert "spring sale" in page.content.decode()


def test_long_lists_have_pages(admin_client: Client, admin_user: User) -> None:
    address = _correct(ProductFactory.create_batch(51, price=10), admin_user)

    first, second = (admin_client.get(f"{address}?p={page}") for page in (1, 2))

    assert [len(page.context["changes"]) for page in (first, second)] == [50, 1]


def test_created_product_is_named(admin_client: Client, admin_user: User) -> None:
    create_product(values={"name": "New Oil", "category": "oils"}, by=admin_user, reason="new")
    operation = Operation.objects.get()

    page = admin_client.get(reverse("admin:mlops_operation_undo", args=[operation.pk]))

    assert [name for _change, name, _fields in page.context["changes"]] == ["New Oil"]


def test_number_of_queries_does_not_grow_with_the_products(
    admin_client: Client, admin_user: User, django_assert_max_num_queries: Any
) -> None:
    address = _correct(ProductFactory.create_batch(20, price=10), admin_user)

    with django_assert_max_num_queries(12):
        admin_client.get(address)
