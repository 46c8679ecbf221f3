"""Search of supplier listings in the console: numbers, names of products, names as written."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import SupplierListing
from catalog.services.corrections import create_product
from tests.factories.catalog import SupplierListingFactory

pytestmark = pytest.mark.django_db
LIST = "admin:catalog_supplierlisting_changelist"


@pytest.fixture
def listing(admin_user: User) -> SupplierListing:
    """A listing whose source writes the name of its product otherwise."""
    product = create_product(
        values={"name": "Pink Kush", "category": "dried_flower"}, by=admin_user
    )
    found: SupplierListing = SupplierListingFactory.create(
        merge_key=product.merge_key,
        source="ocs",
        external_id="X-100",
        name="Pink Kush",
        raw_name="PK Roze Indica 3.5 g (sale)",
        sku="P-77",
    )
    SupplierListingFactory.create(source="ocs", external_id="X-1001", raw_name="Blue Dream 1 g")
    return found


def _found(client: Client, text: str) -> list[Any]:
    response = client.get(reverse(LIST), {"q": text})
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


@pytest.mark.parametrize("text", ["X-100", "P-77", "Pink Kush", "pnik kush", "roze indica"])
def test_listing_is_found_by_number_name_and_name_as_written(
    admin_client: Client, listing: SupplierListing, text: str
) -> None:
    found = _found(admin_client, text)

    assert found == [listing]


def test_names_as_written_are_searched_together_with_products(
    admin_client: Client, listing: SupplierListing
) -> None:
    as_written = SupplierListingFactory.create(source="bc", raw_name="Pink Kush lot 9")

    found = _found(admin_client, "pink kush")

    assert {row.pk for row in found} == {listing.pk, as_written.pk}
