"""Crawls from the console: start, pause, resume, and the test of one page."""

from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.urls import reverse

from competitors.models import Competitor, CompetitorOffer, CrawlStatus, PriceHistory
from mlops.models import RawRecord, Run
from tests.factories.competitors import CompetitorFactory

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:competitors_competitor_changelist"


def _act(client: Client, action: str, *competitors: Competitor) -> Any:
    selected = [str(competitor.pk) for competitor in competitors]
    return client.post(reverse(LIST), {"action": action, "_selected_action": selected})


def test_crawl_now_starts_a_forced_crawl_of_each_shop(admin_client: Client) -> None:
    shops = CompetitorFactory.create_batch(2)

    with patch("competitors.admin.competitors.crawl_competitor.delay") as delay:
        _act(admin_client, "crawl_now", *shops)

    started = sorted(call.kwargs["code"] for call in delay.call_args_list)
    assert started == sorted(shop.code for shop in shops)
    assert all(call.kwargs["is_forced"] for call in delay.call_args_list)


def test_paused_shop_is_resumed_and_due(admin_client: Client) -> None:
    shop = CompetitorFactory.create()

    _act(admin_client, "pause", shop)
    shop.refresh_from_db()
    assert (shop.status, shop.status_reason) == (CrawlStatus.PAUSED, "Paused by admin.")
    _act(admin_client, "resume", shop)

    shop.refresh_from_db()
    assert (shop.status, shop.next_crawl_at) == (CrawlStatus.DEGRADED, None)


def test_one_page_is_shown_as_read_and_as_received(
    admin_client: Client, lakeside: Competitor
) -> None:
    address = reverse("admin:competitors_competitor_test", args=[lakeside.pk])

    page = admin_client.post(address)

    preview = page.context["preview"]
    assert preview.problem == ""
    assert preview.offers
    assert preview.offers[0].name in page.content.decode()
    assert page.context["size"] > 100
    for model in (Run, RawRecord, CompetitorOffer, PriceHistory):
        assert not model.objects.exists()


def test_page_that_cannot_be_fetched_shows_why(admin_client: Client) -> None:
    shop = CompetitorFactory.create(base_url="http://127.0.0.1:9/menu")

    page = admin_client.post(reverse("admin:competitors_competitor_test", args=[shop.pk]))

    assert page.status_code == 200
    assert page.context["preview"].problem


def test_reader_cannot_test_a_page(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    shop = CompetitorFactory.create()

    response = client.get(reverse("admin:competitors_competitor_test", args=[shop.pk]))

    assert response.status_code == 403
