"""Product list: chips of applied filters, saved views, choice of columns."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from catalog.models import ProductColumnChoice, ProductView
from tests.factories.catalog import ProductFactory, SupplierListingFactory
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db
LIST = "/console/catalog/product/"
VIEWS = f"{LIST}views/"
COLUMNS = f"{LIST}columns/"
QUERY = "category=flower&price_from=20&q=kush"
# Session, user, permissions, products, count, columns, views, filters of sources.
MAX_QUERIES = 14


def _client(name: str, role: str = "Catalogue editor") -> Client:
    user = User.objects.create_user(name, password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client() -> Client:
    return _client("edith")


def _shown(client: Client, query: str = "") -> list[str]:
    changelist = client.get(f"{LIST}?{query}").context["cl"]
    return sorted(product.name for product in changelist.result_list)


class TestChips:
    """Applied filters in words, each with a link that removes it."""

    def test_chips_name_search_and_filters(self, client: Client) -> None:
        page = client.get(f"{LIST}?{QUERY}&o=1&p=1")

        assert [(chip.label, chip.value) for chip in page.context["chips"]] == [
            ("category", "flower"),
            ("price", "≥ 20"),
            ("search", "kush"),
        ]

    def test_chip_shows_the_choice_in_words(self, client: Client) -> None:
        (chip,) = client.get(f"{LIST}?state=findings").context["chips"]

        assert (chip.label, chip.value) == ("state", "violates a quality rule")

    def test_each_chip_removes_its_filter_alone(self, client: Client) -> None:
        ProductFactory.create(name="Pink Kush", category="flower", price=30)
        ProductFactory.create(name="Vape Kush", category="vapes", price=30)

        chips = {chip.label: chip for chip in client.get(f"{LIST}?{QUERY}").context["chips"]}
        page = client.get(chips["category"].remove_url)

        assert sorted(product.name for product in page.context["cl"].result_list) == [
            "Pink Kush",
            "Vape Kush",
        ]
        assert [chip.label for chip in page.context["chips"]] == ["price", "search"]

    def test_list_without_filters_has_no_chips(self, client: Client) -> None:
        assert client.get(LIST).context["chips"] == []

    def test_filters_survive_a_bulk_action(self, client: Client) -> None:
        products = ProductFactory.create_batch(2, category="flower", name="Pink Kush", price=30)
        selected = {"action": "merge_two", "_selected_action": [p.pk for p in products]}

        question = client.post(f"{LIST}?{QUERY}", selected)
        done = client.post(
            f"{LIST}?{QUERY}",
            {**selected, "confirmed": "yes", "survivor_pair": products[0].pk},
            follow=True,
        )

        assert f'href="{LIST}?{QUERY}"'.replace("&", "&amp;") in question.content.decode()
        assert [chip.label for chip in done.context["chips"]] == ["category", "price", "search"]


class TestViews:
    """Filters saved under a name, for oneself or for all staff."""

    def test_view_is_saved_without_the_page(self, client: Client) -> None:
        response = client.post(VIEWS, {"name": "Kush", "query": f"{QUERY}&p=3&o=2"}, follow=True)

        view = ProductView.objects.get()
        assert (view.name, view.query, view.is_shared) == ("Kush", f"{QUERY}&o=2", False)
        assert [v.name for v in response.context["product_views"]] == ["Kush"]

    def test_saved_view_opens_the_same_rows(self, client: Client) -> None:
        ProductFactory.create(name="Pink Kush", category="flower", price=30)
        ProductFactory.create(name="Cheap Kush", category="flower", price=10)
        client.post(VIEWS, {"name": "Kush", "query": QUERY})

        assert _shown(client, ProductView.objects.get().query) == ["Pink Kush"]

    def test_view_of_the_same_name_is_replaced(self, client: Client) -> None:
        client.post(VIEWS, {"name": "Kush", "query": "q=a"})
        client.post(VIEWS, {"name": "Kush", "query": "q=b", "shared": "on"})

        view = ProductView.objects.get()
        assert (view.query, view.is_shared) == ("q=b", True)

    def test_only_shared_views_of_others_are_shown(self, client: Client) -> None:
        client.post(VIEWS, {"name": "mine", "query": "q=a"})
        client.post(VIEWS, {"name": "ours", "query": "q=b", "shared": "on"})

        seen = _client("marc").get(LIST).context["product_views"]

        assert [view.name for view in seen] == ["ours"]

    def test_view_of_another_user_is_not_deleted(self, client: Client) -> None:
        client.post(VIEWS, {"name": "ours", "query": "q=b", "shared": "on"})
        view = ProductView.objects.get()

        _client("marc").post(VIEWS, {"delete": view.pk})
        assert ProductView.objects.exists()

        client.post(VIEWS, {"delete": view.pk})
        assert not ProductView.objects.exists()

    @pytest.mark.parametrize(
        "data",
        [
            {"name": " ", "query": "q=a"},
            {"name": "x" * 61, "query": "q=a"},
            {"name": "x", "query": urlencode({"q": "y" * 1100})},
            {"delete": "no-uuid"},
        ],
    )
    def test_view_that_cannot_be_saved_is_refused(
        self, client: Client, data: dict[str, str]
    ) -> None:
        response = client.post(VIEWS, data, follow=True)

        assert message_levels(response) == ["error"]
        assert not ProductView.objects.exists()

    def test_list_stays_filtered_after_saving(self, client: Client) -> None:
        response = client.post(VIEWS, {"name": "Kush", "query": QUERY})

        assert response["Location"] == f"{LIST}?{QUERY}"

    def test_those_who_may_not_see_products_save_no_view(self) -> None:
        response = _client("petra", "Privacy officer").post(VIEWS, {"name": "x", "query": "q=a"})

        assert response.status_code == 403
        assert not ProductView.objects.exists()


class TestColumns:
    """Columns by user."""

    def test_default_columns_stay_without_a_choice(self, client: Client) -> None:
        changelist = client.get(LIST).context["cl"]

        assert "stock" in changelist.list_display
        assert "sku" not in changelist.list_display

    def test_chosen_columns_are_shown_to_this_user_alone(self, client: Client) -> None:
        ProductFactory.create()

        client.post(COLUMNS, {"column": ["sku", "price"]})

        shown = client.get(LIST).context["cl"].list_display
        assert [name for name in shown if name != "action_checkbox"] == ["name", "sku", "price"]
        assert "stock" in _client("marc").get(LIST).context["cl"].list_display

    def test_default_columns_are_restored(self, client: Client) -> None:
        client.post(COLUMNS, {"column": ["sku"]})

        client.post(COLUMNS, {"column": ["sku"], "reset": "1"})

        assert not ProductColumnChoice.objects.exists()
        assert "stock" in client.get(LIST).context["cl"].list_display

    def test_unknown_column_is_refused(self, client: Client) -> None:
        response = client.post(COLUMNS, {"column": ["search_document"]}, follow=True)

        assert message_levels(response) == ["error"]
        assert not ProductColumnChoice.objects.exists()

    def test_column_that_no_longer_exists_is_left_out(self, client: Client) -> None:
        user = User.objects.get(username="edith")
        ProductColumnChoice.objects.create(user=user, columns=["former", "sku"])

        shown = client.get(LIST).context["cl"].list_display

        assert [name for name in shown if name != "action_checkbox"] == ["name", "sku"]

    def test_number_of_listings_is_that_of_current_ones(self, client: Client) -> None:
        product = ProductFactory.create()
        SupplierListingFactory.create_batch(2, merge_key=product.merge_key)
        client.post(COLUMNS, {"column": ["listings"]})

        (shown,) = client.get(LIST).context["cl"].result_list

        assert shown.listing_count == 2


def test_list_needs_the_same_queries_for_many_rows(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    ProductFactory.create_batch(30)
    for number in range(5):
        client.post(VIEWS, {"name": f"view {number}", "query": "q=a"})
    client.post(COLUMNS, {"column": ["sku", "listings", "stock", "marks"]})

    with django_assert_max_num_queries(MAX_QUERIES):
        client.get(LIST)
