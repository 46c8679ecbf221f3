"""Competitors in the console: settings, sealed key, health board, price guards."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from competitors.models import Competitor, MinimumPrice, PriceGuardSettings
from mlops.models import Operation, Run
from tests.factories.competitors import CompetitorFactory, CompetitorOfferFactory

pytestmark = pytest.mark.django_db
LIST = "admin:competitors_competitor_changelist"
FORM = {
    "name": "High Street Cannabis",
    "code": "high-street",
    "platform": "weedmaps",
    "province": "ON",
    "language": "en",
    "base_url": "https://menu.example.com/high-street",
    "options": "{}",
    "is_tax_included": "unknown",
    "crawl_every_hours": "24",
    "requests_per_minute": "30",
    "max_pages": "2000",
    "locations-TOTAL_FORMS": "0",
    "locations-INITIAL_FORMS": "0",
}


def _add(client: Client, **fields: Any) -> Any:
    return client.post(reverse("admin:competitors_competitor_add"), {**FORM, **fields})


def test_competitor_is_added_as_an_operation_of_the_person(
    admin_client: Client, admin_user: User
) -> None:
    _add(admin_client)

    competitor = Competitor.objects.get(code="high-street")
    operation = Operation.objects.latest("pk")
    assert competitor.status == "healthy"
    assert (operation.kind, operation.actor) == (Operation.Kind.EDIT, admin_user)


def test_api_key_is_stored_sealed_and_never_shown(admin_client: Client) -> None:
    _add(admin_client, api_key="s3cret-of-the-platform")

    competitor = Competitor.objects.get(code="high-street")
    page = admin_client.get(reverse("admin:competitors_competitor_change", args=[competitor.pk]))
    assert competitor.api_key == "s3cret-of-the-platform"
    assert b"s3cret" not in bytes(competitor.sealed_api_key or b"")
    assert "s3cret" not in page.content.decode()


def test_saved_key_stays_when_the_placeholder_is_submitted(admin_client: Client) -> None:
    _add(admin_client, api_key="s3cret")
    competitor = Competitor.objects.get(code="high-street")
    address = reverse("admin:competitors_competitor_change", args=[competitor.pk])
    shown = admin_client.get(address).context["adminform"].form["api_key"].value()

    admin_client.post(address, {**FORM, "api_key": shown, "name": "High Street"})

    competitor.refresh_from_db()
    assert (competitor.name, competitor.api_key) == ("High Street", "s3cret")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/menu", "http://169.254.169.254/", "https://shop.example.com:6379/"]
)
def test_address_inside_the_network_is_refused_on_its_field(
    url: str, admin_client: Client, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK_SOURCES = False

    response = _add(admin_client, base_url=url)

    assert set(response.context["adminform"].form.errors) == {"base_url"}
    assert not Competitor.objects.exists()


def test_half_a_crawl_window_is_refused_with_its_field(admin_client: Client) -> None:
    response = _add(admin_client, crawl_from="02:00")

    errors = response.context["adminform"].form.errors
    assert list(errors) == ["crawl_until"]
    assert not Competitor.objects.exists()


def test_health_board_shows_offers_and_share_of_failed_crawls(admin_client: Client) -> None:
    shop = CompetitorFactory.create(usual_offers=40, last_good_crawl_at=timezone.now())
    CompetitorOfferFactory.create(competitor=shop)
    CompetitorOfferFactory.create(competitor=shop, gone_at=timezone.now())
    for status in (Run.Status.SUCCEEDED, Run.Status.FAILED):
        Run.objects.create(
            pipeline="competitors.offers", source=f"competitor:{shop.code}", status=status
        )

    page = admin_client.get(reverse(LIST)).content.decode()

    assert "1 / 40" in page
    assert "50 % (1 / 2)" in page


def test_health_board_needs_as_many_queries_for_many_shops(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    CompetitorFactory.create_batch(30)

    with django_assert_max_num_queries(12):
        admin_client.get(reverse(LIST))


def test_limits_record_the_person_who_set_them(admin_client: Client) -> None:
    first_day = (timezone.now() + timedelta(days=400)).date()

    admin_client.post(
        reverse("admin:competitors_priceguardsettings_add"),
        {
            "effective_on": first_day.isoformat(),
            "min_margin_percent": "20",
            "max_daily_change_percent": "5",
            "max_evidence_age_hours": "48",
            "min_evidence_confidence": "0.9",
            "min_evidence_offers": "3",
            "undercut_alert_percent": "15",
            "jump_alert_percent": "30",
        },
    )

    limits = PriceGuardSettings.objects.get(effective_on=first_day)
    assert limits.created_by is not None
    assert limits.created_by.username == "admin"


def test_minimum_price_needs_its_legal_source(admin_client: Client) -> None:
    form = {"province": "QC", "basis": "gram", "amount": "4.00", "effective_on": "2026-01-01"}

    response = admin_client.post(reverse("admin:competitors_minimumprice_add"), form)

    assert list(response.context["adminform"].form.errors) == ["source"]
    assert not MinimumPrice.objects.exists()
