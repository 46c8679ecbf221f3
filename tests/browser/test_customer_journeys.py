"""Journeys of a privacy officer: a customer with a face template is erased whole."""

from typing import Any

import pytest
from playwright.sync_api import APIResponse

from biometrics.models import CustomerBiometric
from customers.models import CustomerProfile
from mlops.models import Erasure
from tests.browser.conftest import OpenConsole
from tests.browser.console import BrowserConsole
from tests.factories.biometrics import (
    VERIFICATION,
    create_face_customer,
    enable_biometrics,
    give_face_consent,
)
from tests.factories.catalog import StoreFactory
from tests.factories.config import create_api_key
from tests.factories.customers import CustomerFactory
from tests.samples.photos import read_photos, require_face_models

_DEVICE = "till-3"


def _erase(console: BrowserConsole, customer: CustomerProfile) -> str:
    """Erase a customer in the console; return the list of what is to be erased."""
    console.open("customers_customerprofile_change", customer.pk)
    console.click("Erase")
    counts = console.text
    console.page.locator("[name=number]").fill(customer.external_customer_id)
    console.page.locator("[name=reason]").fill("letter of 3 May")
    console.submit()
    return counts


def test_customer_is_erased_with_the_number_typed(open_console: OpenConsole) -> None:
    customer = CustomerFactory.create(external_id="L-1042", consenting=True)
    console = open_console()

    _erase(console, customer)

    assert not CustomerProfile.objects.filter(pk=customer.pk).exists()
    assert Erasure.objects.get().status == Erasure.Status.DONE


@pytest.mark.network
def test_customer_is_enrolled_verified_and_erased(open_console: OpenConsole) -> None:
    require_face_models()
    photos = read_photos()
    enable_biometrics()
    customer = create_face_customer(StoreFactory.create(code="queen-west"), external_id="L-1042")
    give_face_consent(customer, VERIFICATION)
    console = open_console()

    enrolled = _post(
        console,
        "enrolments",
        photos["obama.jpg"],
        customer_id=str(customer.pk),
        purpose=VERIFICATION,
    )
    verified = _post(console, "verifications", photos["obama2.jpg"], external_id="L-1042")
    console.open("biometrics_customerbiometric_changelist")
    listed = console.page.locator("#result_list tbody tr").count()
    _erase(console, customer)

    assert enrolled.status == 201, enrolled.text()
    assert verified.json()["verified"] is True, verified.text()
    assert listed == 1
    assert not CustomerBiometric.objects.exists()
    assert not CustomerProfile.objects.filter(pk=customer.pk).exists()


def _post(console: BrowserConsole, path: str, photo: bytes, **values: str) -> APIResponse:
    """Post a photograph as a till does."""
    image: Any = {"name": "photo", "mimeType": "image/jpeg", "buffer": photo}
    return console.page.request.post(
        f"{console.base_url}/api/v1/biometrics/{path}/",
        headers={"Authorization": f"Api-Key {create_api_key()}"},
        multipart={"image": image, "device_id": _DEVICE, **values},
    )
