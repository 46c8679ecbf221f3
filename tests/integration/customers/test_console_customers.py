"""Pages about people: what they show, what may be done, that every look is noted."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from customers.models import CustomerProfile, PersonalAccess
from customers.services import consents, profiles
from mlops.models import Erasure, LegalHold

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/console/customers/customerprofile/"


@pytest.fixture
def customer() -> CustomerProfile:
    """Somebody who agreed to be remembered."""
    made = profiles.register(external_customer_id="LOYAL-123", by="key:test", province="ON")
    consents.give(customer=made, purpose="history", version="2026-11", language="en", by="key:test")
    return made


def _do(customer: CustomerProfile, what: str, *more: Any) -> str:
    return reverse(f"admin:customers_customerprofile_{what}", args=[customer.pk, *more])


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_page_tells_what_is_known_and_notes_who_looked(
    admin_client: Client, customer: CustomerProfile
) -> None:
    assert "LOYAL-123" in _page(admin_client, LIST)
    page = _page(admin_client, f"{LIST}{customer.pk}/change/")
    for shown in (
        "LOYAL-123",
        "history",
        _do(customer, "export"),
        _do(customer, "withdraw", "history"),
    ):
        assert shown in page
    assert (
        PersonalAccess.objects.filter(
            customer_id=customer.pk, actor="user:admin", action="profile.read"
        ).count()
        == 1
    )
    assert "user:admin" in _page(admin_client, f"{LIST}{customer.pk}/change/")


def test_pages_are_for_those_who_may(client: Client, customer: CustomerProfile) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(f"{LIST}{customer.pk}/change/").status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_customerprofile"))
    page = _page(client, f"{LIST}{customer.pk}/change/")
    assert _do(customer, "erase") not in page
    for what in (("correct",), ("withdraw", "history"), ("erase",)):
        assert client.post(_do(customer, *what)).status_code == 403
    assert client.get(_do(customer, "export")).status_code == 200


def test_a_correction_is_stated_and_a_wrong_one_told_at_its_field(
    admin_client: Client, customer: CustomerProfile
) -> None:
    told = {
        "language": "fr",
        "province": "QC",
        "thc_range": "5-12",
        "strain_types": "indica, hybrid",
    }
    assert "between" not in _page(admin_client, _do(customer, "correct"))
    wrong = admin_client.post(_do(customer, "correct"), told | {"thc_range": "12-5"})
    assert "the lower first" in wrong.content.decode()
    assert admin_client.post(_do(customer, "correct"), told).status_code == 302
    customer.refresh_from_db()
    assert customer.stated == {"thc_range": [5.0, 12.0], "strain_types": ["hybrid", "indica"]}
    assert (customer.language, customer.province) == ("fr", "QC")
    assert "5-12" in _page(admin_client, _do(customer, "correct"))


def test_a_consent_is_withdrawn_after_a_question(
    admin_client: Client, customer: CustomerProfile
) -> None:
    assert "no longer linked" in _page(admin_client, _do(customer, "withdraw", "history"))
    assert consents.open_purposes(customer) == {"history"}
    admin_client.post(_do(customer, "withdraw", "history"))
    assert consents.open_purposes(customer) == set()
    assert admin_client.post(_do(customer, "withdraw", "history")).status_code == 302


def test_everything_is_sent_as_a_zip(admin_client: Client, customer: CustomerProfile) -> None:
    answer: Any = admin_client.get(_do(customer, "export"))
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        told = {name: archive.read(name).decode() for name in archive.namelist()}
    assert any(
        "LOYAL-123" in json.dumps(json.loads(text))
        for name, text in told.items()
        if name.endswith(".json")
    )
    assert PersonalAccess.objects.filter(customer_id=customer.pk, action="person.export").exists()


def test_an_erasure_shows_what_would_go_and_wants_the_number_typed(
    admin_client: Client, customer: CustomerProfile
) -> None:
    assert "cannot be undone" in _page(admin_client, _do(customer, "erase"))
    assert not Erasure.objects.exists()
    wrong = admin_client.post(_do(customer, "erase"), {"number": "LOYAL-1", "reason": "asked"})
    assert "not the number" in wrong.content.decode()
    hold = LegalHold.objects.create(subject=customer.pk, reason="court file 12")
    held = admin_client.post(
        _do(customer, "erase"), {"number": "LOYAL-123", "reason": "asked"}, follow=True
    )
    assert "court file 12" in held.content.decode()
    assert CustomerProfile.objects.exists()
    hold.delete()
    done = admin_client.post(
        _do(customer, "erase"), {"number": "LOYAL-123", "reason": "asked"}, follow=True
    )
    receipt = Erasure.objects.get(status=Erasure.Status.DONE)
    assert str(receipt.pk) in done.content.decode()
    assert not CustomerProfile.objects.exists()
