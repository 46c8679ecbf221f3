"""Console pages of suggested prices: list, detail, decisions, bulk approval, permissions."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings
from django.urls import reverse

from competitors.models import PriceSuggestion
from tests.factories.competitors import PriceHistoryFactory
from tests.integration.competitors.price_suggestions import create_suggestion
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db
LIST = "admin:competitors_pricesuggestion_changelist"


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _page(suggestion: PriceSuggestion) -> str:
    return reverse("admin:competitors_pricesuggestion_change", args=[suggestion.pk])


def _decide(suggestion: PriceSuggestion) -> str:
    return reverse("admin:competitors_pricesuggestion_decide", args=[suggestion.pk])


def _bulk(client: Client, suggestion: PriceSuggestion, **values: str) -> Any:
    data = {"action": "approve_selected", "_selected_action": [str(suggestion.pk)], **values}
    return client.post(reverse(LIST), data, follow=True)


def _status(suggestion: PriceSuggestion) -> str:
    suggestion.refresh_from_db()
    return suggestion.status


def _login(client: Client, *codenames: str) -> None:
    user = User.objects.create_user("limited", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)


def test_empty_list_says_where_suggestions_come_from(admin_client: Client) -> None:
    response = admin_client.get(reverse(LIST))

    assert response.status_code == 200
    assert "There are no suggestions yet." in response.content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=pending", 1),
        ("status__exact=approved", 0),
        ("province=ON", 1),
        ("province=AB", 0),
        ("product__category=dried_flower", 1),
        ("product__category=edibles", 0),
        ("q=acorn", 1),
        ("q=zzyzx", 0),
    ],
)
def test_list_is_filtered(admin_client: Client, query: str, found: int) -> None:
    create_suggestion()

    response = admin_client.get(f"{reverse(LIST)}?{query}")

    assert response.context["cl"].result_count == found


def test_page_shows_reasons_evidence_and_chart(admin_client: Client) -> None:
    suggestion = create_suggestion()
    PriceHistoryFactory.create(product=suggestion.product, competitor="lakeside")

    response = admin_client.get(_page(suggestion))

    assert response.status_code == 200
    assert "Other competitors ask" in response.context["reasons"][0]
    assert "lakeside" in response.context["chart"]
    assert str(suggestion.suggested_price) in response.content.decode()
    assert "not enough price variation" in response.content.decode()


def test_page_shows_the_change_in_percent(admin_client: Client) -> None:
    suggestion = create_suggestion(price="32.00")
    change = 100 * (suggestion.suggested_price / suggestion.current_price - 1)

    response = admin_client.get(_page(suggestion))

    assert change < -1
    assert f"({change:+.1f} %)" in response.content.decode()


def test_approval_sets_the_price(admin_client: Client) -> None:
    suggestion = create_suggestion()

    response = admin_client.post(
        _decide(suggestion), {"reason": "market fell", "approve": ""}, follow=True
    )

    suggestion.product.refresh_from_db()
    assert _status(suggestion) == "approved"
    assert suggestion.product.price == suggestion.suggested_price
    assert message_levels(response) == ["success"]


def test_rejection_is_recorded(admin_client: Client) -> None:
    suggestion = create_suggestion()

    admin_client.post(_decide(suggestion), {"reason": "brand position", "reject": ""})

    assert _status(suggestion) == "rejected"


def test_decision_without_a_reason_is_refused(admin_client: Client) -> None:
    suggestion = create_suggestion()

    response = admin_client.post(_decide(suggestion), {"reason": "", "approve": ""}, follow=True)

    assert message_levels(response) == ["error"]
    assert _status(suggestion) == "pending"


def test_second_decision_shows_that_it_was_decided(admin_client: Client) -> None:
    suggestion = create_suggestion()
    admin_client.post(_decide(suggestion), {"reason": "no", "reject": ""})

    response = admin_client.post(_decide(suggestion), {"reason": "yes", "approve": ""}, follow=True)

    assert "error" in message_levels(response)
    assert _status(suggestion) == "rejected"


def test_bulk_approval_asks_first(admin_client: Client) -> None:
    suggestion = create_suggestion()

    response = _bulk(admin_client, suggestion)

    assert response.context["suggestions"] == [suggestion]
    assert _status(suggestion) == "pending"


def test_bulk_approval_needs_a_reason(admin_client: Client) -> None:
    suggestion = create_suggestion()

    response = _bulk(admin_client, suggestion, confirmed="yes", reason="")

    assert list(response.context["form"].errors) == ["reason"]
    assert _status(suggestion) == "pending"


def test_confirmed_bulk_approval_sets_the_prices(admin_client: Client) -> None:
    suggestion = create_suggestion()

    _bulk(admin_client, suggestion, confirmed="yes", reason="weekly review")

    assert _status(suggestion) == "approved"


def test_reader_sees_suggestions_and_cannot_decide(client: Client) -> None:
    suggestion = create_suggestion()
    _login(client, "view_pricesuggestion")

    page = client.get(_page(suggestion))
    response = client.post(_decide(suggestion), {"reason": "yes", "approve": ""})
    _bulk(client, suggestion, confirmed="yes", reason="weekly")

    assert page.context["may_decide"] is False
    assert response.status_code == 403
    assert _status(suggestion) == "pending"


def test_separate_permission_lets_staff_decide(client: Client) -> None:
    suggestion = create_suggestion()
    _login(client, "view_pricesuggestion", "decide_pricesuggestion")

    client.post(_decide(suggestion), {"reason": "yes", "approve": ""})

    assert _status(suggestion) == "approved"


def test_staff_without_permission_see_nothing(client: Client) -> None:
    _login(client, "view_competitor")

    assert client.get(reverse(LIST)).status_code == 403
