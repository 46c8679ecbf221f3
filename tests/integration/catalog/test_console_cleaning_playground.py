"""The page for trying strings."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


@pytest.fixture
def page() -> str:
    return reverse("admin:catalog_supplierlisting_try_strings")


def test_strings_are_read_flagged_or_refused_and_kept(admin_client: Client, page: str) -> None:
    assert "Nothing is saved" in admin_client.get(page).content.decode()
    lines = "18,00 – 24,00 %\n\n<script>\nmay vary"
    answer = admin_client.post(
        page, {"kind": "thc", "language": "fr", "category": "Fleurs séchées", "strings": lines}
    )
    shown = answer.content.decode()
    assert [cleaned.refused is None for _, _, cleaned in answer.context["tried"]] == [
        True,
        False,
        False,
    ]
    assert "min 18.0, max 24.0" in shown
    assert "<script>" not in shown.split("<textarea")[1].split("</table>")[0]
    assert "18,00 – 24,00 %" in shown


def test_too_many_lines_are_refused(admin_client: Client, page: str) -> None:
    answer = admin_client.post(page, {"kind": "weight", "strings": "3.5 g\n" * 501})
    assert "501 lines; 500 at most" in answer.content.decode()
    assert answer.context["tried"] == []


def test_only_staff_who_may_read_listings(
    client: Client, page: str, django_user_model: Any
) -> None:
    assert client.get(page).status_code == 302
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    assert client.get(page).status_code == 403
