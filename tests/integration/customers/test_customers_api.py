"""People over REST: registered, shown, corrected, their consents, their history, forgotten; and who may not."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Store
from customers.models import Consent, CustomerProfile, Interaction, PersonalAccess, Purchase
from mlops.models import Erasure
from mlops.privacy.legal_holds import hold
from tests.integration.customer_data import EVERYTHING, client_with, person, product

pytestmark = pytest.mark.django_db
CUSTOMERS = "/api/v1/customers/"
PREFERENCES = (
    "thc_range",
    "cbd_range",
    "price_range",
    "strain_types",
    "disliked_brands",
    "disliked_categories",
    "disliked_strain_types",
)


@pytest.fixture
def client() -> APIClient:
    return client_with()


def _at(customer: CustomerProfile, part: str = "") -> str:
    return f"{CUSTOMERS}{customer.pk}/{part}"


def _actions(customer: CustomerProfile) -> list[str]:
    return list(
        PersonalAccess.objects.filter(customer_id=customer.pk)
        .order_by("at")
        .values_list("action", flat=True)
    )


def test_somebody_is_registered_once_and_found_again(client: APIClient) -> None:
    Store.objects.create(code="queen-west", name="Queen West", province="ON")
    body = {
        "external_customer_id": "L-1",
        "province": "ON",
        "language": "fr",
        "store": "queen-west",
    }
    made = client.post(CUSTOMERS, body, format="json")
    assert made.status_code == 201, made.json()
    assert {name: made.json()[name] for name in body} == body
    assert made.json()["preferences"] == dict.fromkeys(PREFERENCES)
    again = client.post(CUSTOMERS, body, format="json")
    assert (again.status_code, again.json()["errors"][0]["field"]) == (409, "external_customer_id")
    found = client.get(f"{CUSTOMERS}by-external-id/", {"external_id": "L-1"})
    assert found.json() == made.json() == client.get(f"{CUSTOMERS}{made.json()['id']}/").json()
    assert client.get(f"{CUSTOMERS}by-external-id", {"external_id": "L-2"}).status_code == 404


def test_correction_needs_what_was_read_and_outranks_what_purchases_tell(client: APIClient) -> None:
    customer = person("history", "profiling")
    CustomerProfile.objects.filter(pk=customer.pk).update(
        derived={"thc_range": [5, 9], "cbd_range": [1, 2]}
    )
    seen = client.get(_at(customer))
    change = {
        "thc_range": [15, 22.5],
        "strain_types": ["indica"],
        "disliked_brands": [" Loud & Co"],
        "language": "fr",
    }
    assert client.patch(_at(customer), change, format="json").status_code == 428
    changed = client.patch(_at(customer), change, format="json", HTTP_IF_MATCH=seen["ETag"])
    assert changed.status_code == 200, changed.json()
    assert changed.json()["stated"] == {
        **dict.fromkeys(PREFERENCES),
        "thc_range": [15, 22.5],
        "strain_types": ["indica"],
        "disliked_brands": ["Loud & Co"],
    }
    assert changed.json()["preferences"]["thc_range"] == [15, 22.5]
    assert changed.json()["preferences"]["cbd_range"] == [1, 2]
    assert changed.json()["language"] == "fr"
    late = client.patch(
        _at(customer), {"language": "en"}, format="json", HTTP_IF_MATCH=seen["ETag"]
    )
    assert (late.status_code, late.json()["type"]) == (412, "urn:cultivar:problem:stale")
    customer.refresh_from_db()
    assert customer.language == "fr"
    fresh = client.get(_at(customer))
    taken_back = client.patch(
        _at(customer), {"thc_range": None}, format="json", HTTP_IF_MATCH=fresh["ETag"]
    )
    assert taken_back.json()["preferences"]["thc_range"] == [5, 9]


def test_what_has_not_changed_is_not_sent_again(client: APIClient) -> None:
    customer = person("history")
    addresses = [
        _at(customer),
        _at(customer, "consents/"),
        _at(customer, "purchases/"),
        _at(customer, "interactions/"),
        "/api/v1/consent-texts/",
        f"/api/v1/chat/sessions/?customer={customer.pk}",
    ]
    for address in addresses:
        first = client.get(address)
        assert first.status_code == 200, address
        again = client.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        assert client.get(address, HTTP_IF_NONE_MATCH='"other"').status_code == 200
    before = client.get(_at(customer))["ETag"]
    CustomerProfile.objects.filter(pk=customer.pk).update(province="QC")
    assert client.get(_at(customer), HTTP_IF_NONE_MATCH=before).status_code == 200


def test_consent_is_given_to_a_text_and_taken_back(client: APIClient) -> None:
    customer = person()
    texts = {
        text["purpose"]: text
        for text in client.get("/api/v1/consent-texts/", {"lang": "fr"}).json()["results"]
    }
    assert set(texts) == {"history", "profiling", "chat", "marketing"}
    assert "achats" in texts["history"]["text"]
    body = {
        "purpose": "history",
        "version": texts["history"]["version"],
        "language": "fr",
        "channel": "till",
    }
    given = client.post(_at(customer, "consents/"), body, format="json")
    assert given.status_code == 201, given.json()
    assert {name: given.json()[name] for name in body} == body
    assert client.get(_at(customer)).json()["consents"] == ["history"]
    assert (
        client.post(_at(customer, "consents/"), body, format="json").json()["id"]
        == given.json()["id"]
    )
    taken = client.delete(_at(customer, "consents/history/"))
    assert taken.json() == {"purpose": "history", "closed": 1}
    assert client.delete(_at(customer, "consents/history/")).json()["closed"] == 0
    assert client.get(_at(customer, "consents/")).json()["results"][0]["withdrawn_at"]
    assert Consent.objects.filter(customer=customer).count() == 1


def test_history_is_paged_newest_first(client: APIClient) -> None:
    customer, other, bought = person("history"), person("history"), product()
    now = timezone.now()
    for hour in range(5):
        for who in (customer, other):
            Purchase.objects.create(
                event_id=uuid4(),
                line=0,
                order_id=f"o{hour}",
                customer=who,
                product=bought,
                quantity=1,
                unit_price="29.95",
                purchased_at=now - timedelta(hours=hour),
            )
            Interaction.objects.create(
                kind="view", customer=who, product=bought, occurred_at=now - timedelta(hours=hour)
            )
    seen, address = [], _at(customer, "purchases/?limit=2")
    while address:
        page = client.get(address).json()
        seen += [row["order_id"] for row in page["results"]]
        address = page["next"]
    assert seen == [f"o{hour}" for hour in range(5)]
    assert len(client.get(_at(customer, "interactions/")).json()["results"]) == 5


def test_age_is_proven_without_keeping_the_document(client: APIClient) -> None:
    customer = person()
    proven = client.post(
        _at(customer, "age-verification/"), {"proof": "in-person"}, format="json"
    ).json()
    assert (proven["is_age_verified"], proven["age_proof"]) == (True, "in-person")
    assert proven["age_verified_at"]
    assert (
        client.post(
            _at(customer, "age-verification/"), {"proof": "passport"}, format="json"
        ).status_code
        == 400
    )


def test_everything_is_exported(client: APIClient) -> None:
    customer = person("history", number="L-canary")
    told = client.get(_at(customer, "export/")).json()
    assert told["customer"] == str(customer.pk)
    assert "L-canary" in str(told["data"])
    assert "person.export" in _actions(customer)


def test_somebody_is_forgotten_with_a_receipt(client: APIClient) -> None:
    customer = person("history", number="L-canary")
    rehearsed = client.post(
        _at(customer, "erasure/"), {"reason": "asked", "dry_run": True}, format="json"
    )
    assert rehearsed.status_code == 200, rehearsed.json()
    assert (rehearsed.json()["is_dry_run"], sum(rehearsed.json()["removed"].values()) > 0) == (
        True,
        True,
    )
    assert CustomerProfile.objects.filter(pk=customer.pk).exists()
    assert not Erasure.objects.exists()
    receipt = client.post(_at(customer, "erasure/"), {"reason": "asked"}, format="json").json()
    assert (receipt["status"], receipt["left"], receipt["is_dry_run"]) == ("done", {}, False)
    assert client.get(_at(customer)).status_code == 404
    again = client.post(_at(customer, "erasure/"), {"reason": "asked"}, format="json").json()
    assert {
        place: count for place, count in again["removed"].items() if count and ", kept" not in place
    } == {}
    assert (
        client.post(
            f"{CUSTOMERS}{uuid4()}/erasure/", {"reason": "asked"}, format="json"
        ).status_code
        == 404
    )


def test_a_legal_hold_keeps_somebody(client: APIClient, admin_user: User) -> None:
    customer = person()
    hold(subject=customer.pk, reason="Case 12", by=admin_user)
    refused = client.post(_at(customer, "erasure/"), {"reason": "asked"}, format="json")
    assert refused.status_code == 409
    assert "Case 12" in refused.json()["detail"]
    assert CustomerProfile.objects.filter(pk=customer.pk).exists()


def test_every_access_is_noted_with_the_key(client: APIClient) -> None:
    customer = person()
    before = len(_actions(customer))
    for part in ("", "consents/", "purchases/", "interactions/", "export/"):
        assert client.get(_at(customer, part)).status_code == 200
    client.get(f"{CUSTOMERS}by-external-id/", {"external_id": customer.external_customer_id})
    assert _actions(customer)[before:] == [
        "profile.read",
        "consents.read",
        "purchases.read",
        "interactions.read",
        "person.export",
        "profile.read",
    ]
    actors = set(
        PersonalAccess.objects.filter(customer_id=customer.pk).values_list("actor", flat=True)
    )
    key = next(actor for actor in actors if actor.startswith("key:"))
    assert len(key) > 8
    assert key.removeprefix("key:") not in (None, "")


DOORS = [
    ("get", "", "customers:read"),
    ("patch", "", "customers:write"),
    ("get", "consents/", "customers:read"),
    ("post", "consents/", "customers:write"),
    ("delete", "consents/chat/", "customers:write"),
    ("get", "purchases/", "customers:read"),
    ("get", "interactions/", "customers:read"),
    ("post", "age-verification/", "customers:write"),
    ("get", "export/", "customers:read"),
    ("post", "erasure/", "privacy:write"),
]


@pytest.mark.parametrize(("method", "part", "scope"), DOORS)
def test_who_may_not(method: str, part: str, scope: str) -> None:
    customer = person("history")
    before = _actions(customer)
    without = tuple(one for one in EVERYTHING if one != scope)
    for refused in (
        client_with("public"),
        client_with("staff", without),
        client_with("verified", without),
    ):
        answer = getattr(refused, method)(_at(customer, part), {}, format="json")
        assert (answer.status_code, answer.json()["title"]) == (403, "scope-missing")
    assert getattr(APIClient(), method)(_at(customer, part), {}, format="json").status_code == 401
    assert _actions(customer) == before
    for audience in ("staff", "verified"):
        allowed = getattr(client_with(audience, (scope,)), method)(
            _at(customer, part), {}, format="json"
        )
        assert allowed.status_code not in (401, 403, 404)


def test_public_keys_read_what_people_are_asked_and_nothing_else() -> None:
    public = client_with("public")
    assert public.get("/api/v1/consent-texts/").status_code == 200
    assert public.get(f"{CUSTOMERS}by-external-id/", {"external_id": "x"}).status_code == 403
    assert public.post(CUSTOMERS, {"external_customer_id": "x"}, format="json").status_code == 403
    assert not CustomerProfile.objects.exists()


BAD: list[tuple[str, str, Any, str]] = [
    ("post", CUSTOMERS, {}, "external_customer_id"),
    ("post", CUSTOMERS, {"external_customer_id": "x" * 101}, "external_customer_id"),
    ("post", CUSTOMERS, {"external_customer_id": "a\x00b"}, "external_customer_id"),
    ("post", CUSTOMERS, {"external_customer_id": "x", "province": "XX"}, "province"),
    ("post", CUSTOMERS, {"external_customer_id": "x", "store": "nowhere"}, "store"),
    ("post", CUSTOMERS, {"external_customer_id": "x", "flavor": 1}, "flavor"),
    ("post", CUSTOMERS, [1], ""),
    ("get", f"{CUSTOMERS}not-a-uuid/", None, "id"),
    ("get", f"{CUSTOMERS}by-external-id/", None, "external_id"),
    ("get", f"{CUSTOMERS}by-external-id/?external_id=%00", None, "external_id"),
    ("get", "{at}?flavor=x", None, "flavor"),
    ("get", "{at}purchases/?limit=0", None, "limit"),
    ("get", "{at}purchases/?cursor=cD1hYmM%3D", None, ""),
    ("patch", "{at}", {"thc_range": [20, 10]}, "thc_range"),
    ("patch", "{at}", {"thc_range": [0, 101]}, "thc_range"),
    ("patch", "{at}", {"thc_range": ["a", "b"]}, "thc_range"),
    ("patch", "{at}", {"thc_range": "NaN"}, "thc_range"),
    ("patch", "{at}", {"strain_types": ["kush"]}, "strain_types"),
    ("patch", "{at}", {"disliked_categories": ["shoes"]}, "disliked_categories"),
    ("patch", "{at}", {"disliked_brands": []}, "disliked_brands"),
    ("patch", "{at}", {"province": ["ON"]}, "province"),
    ("patch", "{at}", {"is_age_verified": True}, "is_age_verified"),
    (
        "post",
        "{at}consents/",
        {"purpose": "history", "version": "1900", "language": "en"},
        "version",
    ),
    ("post", "{at}consents/", {"purpose": "fun", "version": "1", "language": "en"}, "purpose"),
    ("delete", "{at}consents/fun/", None, "purpose"),
    ("post", "{at}erasure/", {}, "reason"),
    ("get", "/api/v1/consent-texts/?lang=de", None, "lang"),
]


@pytest.mark.parametrize(("method", "address", "body", "field"), BAD)
def test_bad_input_is_told_by_field(
    client: APIClient, method: str, address: str, body: Any, field: str
) -> None:
    customer = person()
    refused = getattr(client, method)(
        address.format(at=_at(customer)), body, format="json", HTTP_IF_MATCH="*"
    )
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json"), (
        refused.content
    )
    assert field in (error["field"] for error in refused.json().get("errors", [{"field": ""}]))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"external_customer_id": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a": 1e999}', 400),
        (b'{"a": NaN}', 400),
        (b"\xff", 400),
        (b'"' + b"x" * 3_000_000 + b'"', 413),
        (b"", 400),
    ],
)
def test_bodies_that_are_no_json_are_refused(client: APIClient, raw: bytes, status: int) -> None:
    answer = client.generic("POST", CUSTOMERS, raw, content_type="application/json")  # type: ignore[arg-type]
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
