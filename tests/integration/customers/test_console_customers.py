"""Tests of the console pages of customers."""

import io
import json
import re
import zipfile
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from customers.models import CustomerProfile, PersonalAccess
from customers.selectors.consents import active_purposes
from customers.services import consents, profiles
from mlops.models import Erasure, LegalHold
from tests.factories.customers import PurchaseFactory
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/console/customers/customerprofile/"


@pytest.fixture
def customer() -> CustomerProfile:
    """A customer with the consent `history`."""
    customer = profiles.register_customer(external_id="LOYAL-123", by="key:test", province="ON")
    consents.give_consent(
        customer=customer, purpose="history", version="2026-11", language="en", by="key:test"
    )
    return customer


def _action_url(customer: CustomerProfile, action: str, *args: Any) -> str:
    return reverse(f"admin:customers_customerprofile_{action}", args=[customer.pk, *args])


def _get_page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_profile_page_shows_data_and_actions_and_logs_the_access(
    admin_client: Client, customer: CustomerProfile
) -> None:
    list_page = _get_page(admin_client, LIST)
    profile_page = _get_page(admin_client, f"{LIST}{customer.pk}/change/")
    page_with_access_log = _get_page(admin_client, f"{LIST}{customer.pk}/change/")

    entries = PersonalAccess.objects.filter(
        customer_id=customer.pk, actor="user:admin", action="profile.read"
    )
    assert "LOYAL-123" in list_page
    assert "LOYAL-123" in profile_page
    assert "history" in profile_page
    assert _action_url(customer, "export") in profile_page
    assert _action_url(customer, "withdraw", "history") in profile_page
    assert entries.count() == 2
    assert "user:admin" in page_with_access_log


def test_actions_need_their_permissions(client: Client, customer: CustomerProfile) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(f"{LIST}{customer.pk}/change/").status_code == 403

    user.user_permissions.set(Permission.objects.filter(codename="view_customerprofile"))
    page = _get_page(client, f"{LIST}{customer.pk}/change/")

    assert _action_url(customer, "erase") not in page
    for action in (("correct",), ("withdraw", "history"), ("erase",)):
        assert client.post(_action_url(customer, *action)).status_code == 403
    assert client.get(_action_url(customer, "export")).status_code == 200


def test_valid_correction_is_saved_as_stated_preferences(
    admin_client: Client, customer: CustomerProfile
) -> None:
    url = _action_url(customer, "correct")
    data = {
        "language": "fr",
        "province": "QC",
        "thc_range": "5-12",
        "strain_types": "indica, hybrid",
    }

    response = admin_client.post(url, data)

    customer.refresh_from_db()
    assert response.status_code == 302
    assert customer.stated_preferences == {
        "thc_range": [5.0, 12.0],
        "strain_types": ["hybrid", "indica"],
    }
    assert (customer.language, customer.province) == ("fr", "QC")
    assert "5-12" in _get_page(admin_client, url)


def test_invalid_correction_is_reported_and_changes_nothing(
    admin_client: Client, customer: CustomerProfile
) -> None:
    url = _action_url(customer, "correct")
    data = {"language": "fr", "province": "QC", "thc_range": "12-5", "strain_types": "indica"}
    assert not admin_client.get(url).context["form"].errors

    response = admin_client.post(url, data)

    customer.refresh_from_db()
    assert list(response.context["form"].errors) == ["thc_range"]
    assert (customer.language, customer.province) == ("en", "ON")


def test_consent_is_withdrawn_after_a_confirmation(
    admin_client: Client, customer: CustomerProfile
) -> None:
    url = _action_url(customer, "withdraw", "history")

    confirmation = admin_client.get(url)
    assert confirmation.context["customer"] == customer
    assert confirmation.context["text"]
    assert active_purposes(customer) == {"history"}

    assert message_levels(admin_client.post(url, follow=True)) == ["success"]
    assert active_purposes(customer) == set()
    assert message_levels(admin_client.post(url, follow=True)) == ["error"]


def test_export_sends_personal_data_as_a_zip_archive(
    admin_client: Client, customer: CustomerProfile
) -> None:
    response: Any = admin_client.get(_action_url(customer, "export"))

    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    documents = [json.loads(text) for name, text in contents.items() if name.endswith(".json")]
    entries = PersonalAccess.objects.filter(customer_id=customer.pk, action="customer.export")
    assert any("LOYAL-123" in json.dumps(document) for document in documents)
    assert entries.exists()


def test_erasure_needs_the_typed_number(admin_client: Client, customer: CustomerProfile) -> None:
    url = _action_url(customer, "erase")
    confirmation = admin_client.get(url)
    assert confirmation.context["counts"]["customer_profiles"] == 1
    assert not Erasure.objects.exists()

    response = admin_client.post(url, {"number": "LOYAL-1", "reason": "requested"})

    assert list(response.context["form"].errors) == ["number"]
    assert CustomerProfile.objects.exists()


def test_m19_erasure_names_data_in_words_and_folds_what_was_not_found(
    admin_client: Client, customer: CustomerProfile
) -> None:
    page = admin_client.get(_action_url(customer, "erase")).context

    found = dict(page["found"])
    assert found["Customer profiles"] == 1
    assert found["Consents"] == 1
    assert 0 not in found.values()
    assert "Purchases" in page["not_found"]
    assert not [name for name in (*found, *page["not_found"]) if "_" in name]


def test_m17_page_is_titled_by_the_customer_number(
    admin_client: Client, customer: CustomerProfile
) -> None:
    page = _get_page(admin_client, f"{LIST}{customer.pk}/change/")

    [heading] = re.findall(r"(?s)<h1.*?</h1>", page)
    assert "LOYAL-123" in heading
    assert str(customer.pk) not in re.sub(r'href="[^"]*"', "", heading)


def test_m17_preferences_are_words_and_units(
    admin_client: Client, customer: CustomerProfile
) -> None:
    profiles.correct_profile(
        customer=customer,
        changes={"thc_range": ["18.3", "23"], "strain_types": ["indica"]},
        by="user:admin",
    )

    page = _get_page(admin_client, f"{LIST}{customer.pk}/change/")

    assert "THC range: 18.3–23\u00a0%" in page
    assert "strain types: indica" in page
    assert "thc_range" not in page


def test_m17_page_shows_orders_dollars_and_the_last_visit(
    admin_client: Client, customer: CustomerProfile
) -> None:
    PurchaseFactory.create(customer=customer, quantity=2, unit_price="10.50")

    page = admin_client.get(f"{LIST}{customer.pk}/change/")

    assert (page.context["sales"].orders, page.context["sales"].dollars) == (1, Decimal(21))
    assert "1 order, $21.00" in page.content.decode()


def test_m18_page_offers_a_hold_and_then_shows_it_instead_of_erasure(
    admin_client: Client, customer: CustomerProfile
) -> None:
    before = _get_page(admin_client, f"{LIST}{customer.pk}/change/")
    admin_client.post(
        reverse("admin:mlops_legalhold_add"), {"subject": "LOYAL-123", "reason": "court file 12"}
    )
    after = _get_page(admin_client, f"{LIST}{customer.pk}/change/")

    assert reverse("admin:mlops_legalhold_add") in before
    assert LegalHold.objects.get().subject == customer.pk
    assert "court file 12" in after
    assert _action_url(customer, "erase") not in after


def test_erasure_is_refused_under_a_legal_hold(
    admin_client: Client, customer: CustomerProfile
) -> None:
    LegalHold.objects.create(subject=customer.pk, reason="court file 12")

    response = admin_client.post(
        _action_url(customer, "erase"),
        {"number": "LOYAL-123", "reason": "requested"},
        follow=True,
    )

    assert "court file 12" in response.content.decode()
    assert CustomerProfile.objects.exists()


def test_erasure_deletes_the_customer_and_shows_the_receipt(
    admin_client: Client, customer: CustomerProfile
) -> None:
    response = admin_client.post(
        _action_url(customer, "erase"),
        {"number": "LOYAL-123", "reason": "requested"},
        follow=True,
    )

    receipt = Erasure.objects.get(status=Erasure.Status.DONE)
    assert str(receipt.pk) in response.content.decode()
    assert not CustomerProfile.objects.exists()
