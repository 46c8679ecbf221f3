"""Price board, gaps and product panel of the console."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from competitors.models import CompetitorOffer, SavedBoardFilter
from tests.factories.catalog import ProductFactory, StoreStockFactory
from tests.factories.competitors import CompetitorOfferFactory, PriceHistoryFactory

pytestmark = pytest.mark.django_db
BOARD = "admin:competitors_competitoroffer_board"
EXPORT = "admin:competitors_competitoroffer_board_export"
FILTERS = "admin:competitors_competitoroffer_board_filters"


def _offered(product: Product, *prices: str, **fields: Any) -> list[CompetitorOffer]:
    return [
        CompetitorOfferFactory.create(
            product=product,
            match_status="confirmed",
            is_tax_included=False,
            regular_price=Decimal(price),
            net_price=Decimal(price),
            **fields,
        )
        for price in prices
    ]


@pytest.fixture
def product() -> Product:
    """Return a product for 30 beside offers for 24, 25 and 28."""
    product = ProductFactory.create(
        name="Pink Kush", price=Decimal("30.00"), category="dried_flower"
    )
    _offered(product, "24.00", "25.00", "28.00")
    return product


def test_board_shows_position_and_counts(admin_client: Client, product: Product) -> None:
    ProductFactory.create(name="Unmatched", price=Decimal(10))

    page = admin_client.get(reverse(BOARD))

    row = next(row for row in page.context["rows"] if row.product_id == product.pk)
    assert (row.median_price, row.rank, row.position) == (Decimal("25.00"), 4, "above")
    assert json.loads(page.context["chart"])["datasets"][0]["data"] == [0, 0, 1, 1]


def test_board_is_filtered_and_sorted(admin_client: Client, product: Product) -> None:
    cheap = ProductFactory.create(name="Cheap", price=Decimal("10.00"), category="vapes")
    _offered(cheap, "20.00")

    above = admin_client.get(reverse(BOARD), {"position": "above"}).context["rows"]
    ordered = admin_client.get(reverse(BOARD), {"sort": "-own_price"}).context["rows"]

    assert [row.name for row in above] == ["Pink Kush"]
    assert [row.name for row in ordered] == ["Pink Kush", "Cheap"]


def test_products_without_a_comparison_are_last_in_both_orders(
    admin_client: Client, product: Product
) -> None:
    ProductFactory.create(name="Unmatched", price=Decimal(10))

    for sort in ("index", "-index"):
        rows = admin_client.get(reverse(BOARD), {"sort": sort}).context["rows"]
        assert [row.name for row in rows] == ["Pink Kush", "Unmatched"]


def test_offers_of_unknown_tax_are_counted_above_the_board(
    admin_client: Client, product: Product
) -> None:
    CompetitorOfferFactory.create(product=product, match_status="confirmed", net_price=None)

    assert admin_client.get(reverse(BOARD)).context["not_compared"] == 1


def test_every_product_is_on_one_page(admin_client: Client) -> None:
    ProductFactory.create_batch(120)
    names: list[str] = []
    query = ""

    while True:
        page = admin_client.get(f"{reverse(BOARD)}?{query}")
        names += [row.product_id for row in page.context["rows"]]
        query = page.context["next_query"]
        if not query:
            break

    assert len(names) == len(set(names)) == 120


@pytest.mark.parametrize("query", ["position=sideways", "sort=colour", "category=x"])
def test_invalid_filter_is_named_and_shows_no_rows(admin_client: Client, query: str) -> None:
    page = admin_client.get(f"{reverse(BOARD)}?{query}")

    assert list(page.context["form"].errors) == [query.partition("=")[0]]
    assert "rows" not in page.context


def test_export_has_every_row_and_no_formula(admin_client: Client, product: Product) -> None:
    ProductFactory.create(name="=HYPERLINK(1)", price=Decimal(5))

    response: Any = admin_client.get(reverse(EXPORT), {"sort": "name"})
    text = b"".join(response.streaming_content).decode()

    assert text.startswith("\ufeff")
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))}
    assert rows["Pink Kush"]["median_price"] == "25.00"
    assert "'=HYPERLINK(1)" in rows


def test_filter_is_saved_for_its_owner_and_shared_on_request(
    admin_client: Client, admin_user: User
) -> None:
    other = User.objects.create_superuser("other")
    SavedBoardFilter.objects.create(name="private", query="brand=x", owner=other)
    SavedBoardFilter.objects.create(name="shared", query="brand=y", owner=other, is_shared=True)

    response = admin_client.post(reverse(FILTERS), {"name": "mine", "query": "position=above"})
    page = admin_client.get(response.headers["Location"])

    assert [saved.name for saved in page.context["saved"]] == ["mine", "shared"]
    assert page.context["form"]["position"].value() == "above"


def test_filter_of_another_user_cannot_be_deleted(admin_client: Client) -> None:
    other = User.objects.create_superuser("other")
    saved = SavedBoardFilter.objects.create(name="s", query="", owner=other, is_shared=True)

    admin_client.post(reverse(FILTERS), {"delete": str(saved.pk)})

    assert SavedBoardFilter.objects.exists()


def test_gaps_show_both_directions(admin_client: Client, product: Product) -> None:
    StoreStockFactory.create(product=ProductFactory.create(name="Only Ours"), quantity=4)
    CompetitorOfferFactory.create(name="Only Theirs", matched_at="2026-01-01T00:00Z")

    page = admin_client.get(reverse("admin:competitors_competitoroffer_gaps"))

    assert [row.name for row in page.context["not_carried"].value] == ["Pink Kush", "Only Theirs"]
    assert [row.name for row in page.context["only_ours"].value] == ["Only Ours"]


def test_product_page_shows_offers_and_a_chart(admin_client: Client, product: Product) -> None:
    PriceHistoryFactory.create(product=product, competitor="high-street", price=Decimal("24.00"))

    page = admin_client.get(reverse("admin:catalog_product_change", args=[product.pk]))

    content = page.content.decode()
    assert "high-street" in content
    assert "our rank 4, index 1.20" in content
    assert 'data-type="line"' in content


def test_panel_is_hidden_without_permission(client: Client, product: Product) -> None:
    from django.contrib.auth.models import Permission

    editor = User.objects.create_user("editor", is_staff=True)
    editor.user_permissions.add(Permission.objects.get(codename="view_product"))
    client.force_login(editor)

    page = client.get(reverse("admin:catalog_product_change", args=[product.pk]))

    assert "our rank" not in page.content.decode()
    assert client.get(reverse(BOARD)).status_code == 403
