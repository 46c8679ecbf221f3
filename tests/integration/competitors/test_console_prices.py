"""The price page of the console: check, approve, reject, by permission."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from competitors.models import PriceApproval
from tests.factories.catalog import ProductFactory, StoreFactory, SupplierListingFactory
from tests.factories.competitors import CompetitorOfferFactory
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Product:
    """Return a product with cost and evidence, for 30."""
    StoreFactory.create(province="ON")
    product = ProductFactory.create(price=Decimal("30.00"))
    SupplierListingFactory.create(merge_key=product.merge_key, price=20, price_kind="wholesale")
    CompetitorOfferFactory.create_batch(
        2, product=product, match_status="confirmed", is_tax_included=False
    )
    return product


def _page(product: Product) -> str:
    return reverse("admin:competitors_priceapproval_product", args=[product.pk])


def test_check_explains_each_guard_and_sets_nothing(admin_client: Client, product: Product) -> None:
    response = admin_client.post(_page(product), {"new_price": "19", "check": ""})

    product.refresh_from_db()
    assert "19 is below the cost of 20.00." in response.content.decode()
    assert product.price == Decimal("30.00")
    assert not PriceApproval.objects.exists()


def test_approval_sets_the_price(admin_client: Client, product: Product) -> None:
    admin_client.post(_page(product), {"new_price": "29.00", "approve": ""})

    product.refresh_from_db()
    assert product.price == Decimal("29.00")


def test_approval_of_a_refused_price_shows_why(admin_client: Client, product: Product) -> None:
    response = admin_client.post(_page(product), {"new_price": "19", "approve": ""})

    product.refresh_from_db()
    assert message_levels(response) == ["error"]
    assert product.price == Decimal("30.00")


def test_rejection_needs_a_reason(admin_client: Client, product: Product) -> None:
    response = admin_client.post(_page(product), {"new_price": "29", "reject": ""})

    assert list(response.context["form"].errors) == ["reason"]
    assert not PriceApproval.objects.exists()


def test_price_that_is_no_amount_is_refused_with_its_field(
    admin_client: Client, product: Product
) -> None:
    response = admin_client.post(_page(product), {"new_price": "-1", "approve": ""})

    assert list(response.context["form"].errors) == ["new_price"]


def test_reader_sees_the_evidence_but_cannot_decide(client: Client, product: Product) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_priceapproval"))
    client.force_login(reader)

    assert client.get(_page(product)).status_code == 200
    assert client.post(_page(product), {"new_price": "29", "approve": ""}).status_code == 403
