"""Command palette: products by name and number, brands, sources, competitors, by permission."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import CompetitorFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_results() -> None:
    cache.clear()


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=None))
    return client


def _search(client: Client, term: str) -> list[tuple[str, str]]:
    response = client.get(reverse("admin:search"), {"s": term, "extended": "1"})
    assert response.status_code == 200
    results = response.context["results"] if response.content else ()
    return [(result.title, result.link) for result in results]


def _page(product: Product) -> str:
    return reverse("admin:catalog_product_change", args=[product.pk])


def test_scanned_gtin_and_sku_find_the_product_alone(staff: Client) -> None:
    product = ProductFactory.create(name="Pink Kush", sku="PK-1", gtin="00628678300017")
    ProductFactory.create(name="Pink Kush 28 g", sku="PK-28")

    assert _search(staff, "628678300017") == [("Pink Kush", _page(product))]
    assert _search(staff, "PK-1") == [("Pink Kush", _page(product))]


def test_misspelled_name_finds_the_nearest_product_first(staff: Client) -> None:
    for name in ("8 Ball Kush", "Afghan Kush", "Alien Kush"):
        ProductFactory.create(name=name, brand="Maker")

    assert _search(staff, "afgan kush")[0][0] == "Afghan Kush"


def test_misspelled_search_of_the_list_shows_the_nearest_product_first(staff: Client) -> None:
    for name in ("8 Ball Kush", "Afghan Kush", "Alien Kush"):
        ProductFactory.create(name=name, brand="Maker")
    page = reverse("admin:catalog_product_changelist")

    nearest = staff.get(page, {"q": "Afgan Kush"}).context["cl"].result_list
    by_name = staff.get(page, {"q": "Afgan Kush", "o": "1"}).context["cl"].result_list

    assert nearest[0].name == "Afghan Kush"
    assert [product.name for product in by_name] == sorted(p.name for p in by_name)


def test_brands_sources_and_competitors_are_found(staff: Client) -> None:
    ProductFactory.create(name="Gummies", brand="Northern Lab")
    competitor = CompetitorFactory.create(name="Northern Shop")

    titles = [title for title, _link in _search(staff, "northern")]
    sources = [title for title, _link in _search(staff, "ontario cannabis")]

    assert "Northern Lab" in titles
    assert competitor.name in titles
    assert "Ontario Cannabis Store" in sources


def test_results_follow_the_permissions() -> None:
    ProductFactory.create(name="Northern Lights")
    CompetitorFactory.create(name="Northern Shop")
    user = User.objects.create_user("colette", password=None, is_staff=True)
    client = Client()
    client.force_login(user)

    before = _search(client, "northern")
    user.groups.add(Group.objects.get(name="Machine learning"))
    cache.clear()
    after = [title for title, _link in _search(client, "northern")]

    assert before == []
    assert "Northern Lights" in after
    assert "Northern Shop" not in after


def test_term_that_finds_nothing_says_so(staff: Client) -> None:
    response = staff.get(reverse("admin:search"), {"s": "qqqqzzzz", "extended": "1"})

    assert "No results matching your query" in response.content.decode()
