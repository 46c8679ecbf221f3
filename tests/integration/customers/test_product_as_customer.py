"""Console page of a product as customers see it."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.factories.catalog import ProductFactory
from tests.integration.catalog.test_products_api import create_api_client
from tests.integration.console import is_linked

pytestmark = pytest.mark.django_db(transaction=True)


def _page(product: Any) -> str:
    return reverse("admin:customers_scenario_product_as_customer", args=[product.pk])


def test_page_shows_the_representation_of_the_rest_api(admin_client: Client) -> None:
    product = ProductFactory.create(category="dried_flower", price="29.95", effects=["happy"])
    shop = create_api_client()

    page = admin_client.get(_page(product))

    represented = shop.get(f"/api/v1/products/{product.pk}").json()
    assert json.loads(page.context["body"]) == represented


def test_effects_are_not_on_the_page(admin_client: Client) -> None:
    product = ProductFactory.create(effects=["happy-and-hungry"])

    page = admin_client.get(_page(product))

    assert "happy-and-hungry" not in page.content.decode()


def test_words_are_shown_in_both_languages(admin_client: Client) -> None:
    product = ProductFactory.create(category="dried_flower")

    page = admin_client.get(_page(product))

    assert ("Category", "dried flower", "fleurs séchées") in page.context["facts"]


def test_recommendations_have_titles_in_both_languages(admin_client: Client) -> None:
    page = admin_client.get(_page(ProductFactory.create()))

    recommended = page.context["recommended"]
    assert [part.language for part in recommended] == ["en", "fr"]
    assert recommended[0].title != recommended[1].title


def test_product_page_links_to_it(admin_client: Client) -> None:
    product = ProductFactory.create()

    page = admin_client.get(reverse("admin:catalog_product_change", args=[product.pk]))

    assert is_linked(page, _page(product))


def test_page_needs_permission_to_view_products(client: Client) -> None:
    client.force_login(User.objects.create_user("limited", is_staff=True))

    response = client.get(_page(ProductFactory.create()))

    assert response.status_code == 403
