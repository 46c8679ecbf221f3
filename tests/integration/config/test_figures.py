"""Figures of many rows: computed by a task, stored, and shown while they are refreshed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import SupplierListing
from competitors.figures import POSITION_COUNTS
from config import figures, selectors
from config.figures import Figure, Reading, read_figure, refresh_usual_figures
from mlops import tasks
from tests.factories.catalog import ProductFactory, SupplierListingFactory
from tests.factories.competitors import CompetitorOfferFactory

pytestmark = pytest.mark.django_db
COUNT: Figure[int] = Figure(
    name="tests.count", rows=SupplierListing.objects.all, compute=SupplierListing.objects.count
)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refreshes that pages have requested; all tables count as large."""
    monkeypatch.setattr(selectors, "_MAX_EXACT_COUNT", -1)
    found: list[Any] = []
    monkeypatch.setattr(tasks.refresh_figure, "apply_async", lambda **sent: found.append(sent))
    return found


def _run(requested: list[Any]) -> None:
    while requested:
        tasks.refresh_figure(**requested.pop()["kwargs"])


def _read(requests: list[str]) -> Reading[int] | None:
    return read_figure(COUNT, {}, request_refresh=lambda name, _parameters: requests.append(name))


def test_figure_of_few_rows_is_computed_when_read() -> None:
    requests: list[str] = []
    _read(requests)
    SupplierListingFactory.create()

    reading = _read(requests)

    assert reading is not None
    assert reading.value == 1
    assert requests == []


def test_figure_of_many_rows_is_requested_once_and_not_computed(requested: list[Any]) -> None:
    requests: list[str] = []

    with CaptureQueriesContext(connection) as queries:
        readings = [_read(requests), _read(requests)]

    assert readings == [None, None]
    assert requests == ["tests.count"]
    assert not [query for query in queries if not query["sql"].startswith("EXPLAIN")]


def test_old_figure_is_shown_while_it_is_refreshed(
    requested: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    monkeypatch.setattr(figures.FIGURES, "get", lambda _name: COUNT)
    figures.refresh_figure("tests.count", {})
    SupplierListingFactory.create()
    later = timezone.now() + timedelta(minutes=16)
    monkeypatch.setattr(timezone, "now", lambda: later)

    reading = _read(requests)

    assert reading is not None
    assert reading.value == 0
    assert requests == ["tests.count"]


def test_usual_figures_of_many_rows_are_refreshed(requested: list[Any]) -> None:
    CompetitorOfferFactory.create(product=ProductFactory.create(), match_status="confirmed")

    refreshed = refresh_usual_figures()
    requests: list[str] = []
    reading = read_figure(
        POSITION_COUNTS, {}, request_refresh=lambda name, _parameters: requests.append(name)
    )

    assert refreshed > 0
    assert reading is not None
    assert sum(reading.value.values()) == 1
    assert requests == []


@pytest.mark.parametrize(
    "page",
    [
        "admin:competitors_competitoroffer_board",
        "admin:competitors_competitoroffer_gaps",
        "admin:customers_productpopularity_assortment",
    ],
)
def test_page_waits_for_its_figures_and_then_shows_them(
    admin_client: Client, requested: list[Any], page: str
) -> None:
    ProductFactory.create()

    pending = admin_client.get(reverse(page))
    _run(requested)
    finished = admin_client.get(reverse(page))

    assert pending.context["is_pending"]
    assert 'http-equiv="refresh"' in pending.content.decode()
    assert not finished.context["is_pending"]
    assert 'http-equiv="refresh"' not in finished.content.decode()


def test_board_sorted_by_a_compared_figure_is_computed_by_a_task(
    admin_client: Client, requested: list[Any]
) -> None:
    product = ProductFactory.create()
    CompetitorOfferFactory.create(
        product=product, match_status="confirmed", regular_price=10, is_tax_included=False
    )
    page = reverse("admin:competitors_competitoroffer_board") + "?sort=-index&category=dried_flower"

    pending = admin_client.get(page)
    _run(requested)
    finished = admin_client.get(page)

    assert pending.context["rows"] == []
    assert [row.product_id for row in finished.context["rows"]] == [product.pk]


def test_home_reads_no_large_table(admin_client: Client, requested: list[Any]) -> None:
    SupplierListingFactory.create()
    CompetitorOfferFactory.create(product=ProductFactory.create(), match_status="proposed")

    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get(reverse("admin:index"))

    read = [query["sql"] for query in queries if not query["sql"].startswith("EXPLAIN")]
    large = ("competitor_offers", "supplier_listings", "match_decisions", "FROM stores s CROSS")
    assert not [sql for sql in read if any(table in sql for table in large)]
    assert "Competitor offers to confirm" in page.content.decode()
