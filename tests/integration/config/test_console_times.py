"""Dates and times of the console: one format, in the time zone of the stores."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import formats, timezone, translation

from customers.models import BusinessRule
from tests.factories.catalog import ProductFactory
from tests.factories.mlops import RunFactory

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 7, 2, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("language", ["en", "en-ca", "fr", "fr-ca"])
def test_l3_dates_and_times_have_one_format(language: str) -> None:
    with translation.override(language), timezone.override("UTC"):
        shown = [
            formats.date_format(timezone.localtime(NIGHT), name)
            for name in ("DATE_FORMAT", "SHORT_DATE_FORMAT", "DATETIME_FORMAT")
        ]

    assert shown == ["2026-07-02", "2026-07-02", "2026-07-02 01:30"]


@pytest.mark.parametrize(
    ("zone", "shown"), [("America/Toronto", "2026-07-01 21:30"), ("UTC", "2026-07-02 01:30")]
)
def test_l4_console_shows_times_of_its_time_zone(
    admin_client: Client, settings: Any, zone: str, shown: str
) -> None:
    settings.CONSOLE_TIME_ZONE = zone
    run = RunFactory.create(started_at=NIGHT)

    page = admin_client.get(reverse("admin:mlops_run_change", args=[run.pk]))

    assert f">{shown}<" in page.content.decode().replace("\n", "").replace(" <", "<").replace(
        "> ", ">"
    )


def test_l4_times_that_staff_enter_are_of_the_time_zone(
    admin_client: Client, settings: Any
) -> None:
    settings.CONSOLE_TIME_ZONE = "America/Toronto"
    ProductFactory.create(brand="Acme")

    admin_client.post(
        reverse("admin:customers_businessrule_add"),
        {
            "name": "Less of Acme",
            "action": "demote",
            "strength": "0.5",
            "brand": "Acme",
            "reason": "recalled in part",
            "starts_at_0": "2999-07-01",
            "starts_at_1": "21:30",
            "ends_at_0": "",
            "ends_at_1": "",
        },
    )

    assert BusinessRule.objects.get().starts_at == datetime(2999, 7, 2, 1, 30, tzinfo=UTC)
