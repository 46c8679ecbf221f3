"""Cleaning playground in the console."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


@pytest.fixture
def page() -> str:
    """Return the address of the playground."""
    return reverse("admin:catalog_supplierlisting_cleaning_playground")


def test_each_line_is_cleaned_or_rejected_and_escaped(admin_client: Client, page: str) -> None:
    lines = "18,00 – 24,00 %\n\n<script>\nmay vary"

    response = admin_client.post(
        page, {"kind": "thc", "language": "fr", "category": "Fleurs séchées", "strings": lines}
    )

    is_accepted = [cleaned.refused is None for _, _, cleaned in response.context["results"]]
    assert is_accepted == [True, False, False]
    html = response.content.decode()
    assert "min 18.0, max 24.0" in html
    assert "18,00 – 24,00 %" in html
    assert "<script>" not in html.split("<textarea")[1].split("</table>")[0]


def test_empty_page_has_no_results_and_no_errors(admin_client: Client, page: str) -> None:
    response = admin_client.get(page)

    assert response.status_code == 200
    assert response.context["results"] == []
    assert not response.context["form"].errors


def test_too_many_lines_are_refused(admin_client: Client, page: str) -> None:
    response = admin_client.post(page, {"kind": "weight", "strings": "3.5 g\n" * 501})

    (error,) = response.context["form"].errors["strings"]
    assert "501" in error
    assert "500" in error
    assert response.context["results"] == []


def test_page_requires_permission_to_view_listings(
    client: Client, page: str, django_user_model: Any
) -> None:
    assert client.get(page).status_code == 302

    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))

    assert client.get(page).status_code == 403
