"""Tests of the customer API: registration, correction, consents, history, privacy, permissions."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from customers.models import Consent, CustomerProfile, PersonalAccess
from mlops.models import Erasure
from mlops.privacy.legal_holds import set_legal_hold
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.config import ALL_SCOPES, create_api_client
from tests.factories.customers import CustomerFactory, InteractionFactory, PurchaseFactory

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
    return create_api_client()


def _url(customer: CustomerProfile, suffix: str = "") -> str:
    return f"{CUSTOMERS}{customer.pk}/{suffix}"


def _logged_actions(customer: CustomerProfile) -> list[str]:
    entries = PersonalAccess.objects.filter(customer_id=customer.pk).order_by("accessed_at")
    return list(entries.values_list("action", flat=True))


def test_customer_is_registered_once(client: APIClient) -> None:
    StoreFactory.create(code="queen-west")
    body = {
        "external_id": "L-1",
        "province": "ON",
        "language": "fr",
        "store_code": "queen-west",
    }

    created = client.post(CUSTOMERS, body, format="json")
    repeated = client.post(CUSTOMERS, body, format="json")

    assert created.status_code == 201, created.json()
    assert {name: created.json()[name] for name in body} == body
    assert created.json()["preferences"] == dict.fromkeys(PREFERENCES)
    assert repeated.status_code == 409
    assert repeated.json()["errors"][0]["field"] == "external_id"


def test_customer_is_found_by_id_and_by_external_id(client: APIClient) -> None:
    created = client.post(CUSTOMERS, {"external_id": "L-1"}, format="json").json()

    by_id = client.get(f"{CUSTOMERS}{created['id']}/").json()
    by_external_id = client.get(f"{CUSTOMERS}by-external-id/", {"external_id": "L-1"}).json()
    unknown = client.get(f"{CUSTOMERS}by-external-id", {"external_id": "L-2"})

    assert by_id == created
    assert by_external_id == created
    assert unknown.status_code == 404


def test_stated_preference_replaces_the_derived_one_until_removed(client: APIClient) -> None:
    customer = CustomerFactory.create(consenting=True)
    CustomerProfile.objects.filter(pk=customer.pk).update(
        derived_preferences={"thc_range": [5, 9], "cbd_range": [1, 2]}
    )
    changes = {
        "thc_range": [15, 22.5],
        "strain_types": ["indica"],
        "disliked_brands": [" Loud & Co"],
        "language": "fr",
    }

    etag = client.get(_url(customer))["ETag"]
    corrected = client.patch(_url(customer), changes, format="json", HTTP_IF_MATCH=etag)
    new_etag = client.get(_url(customer))["ETag"]
    removed = client.patch(
        _url(customer), {"thc_range": None}, format="json", HTTP_IF_MATCH=new_etag
    )

    assert corrected.status_code == 200, corrected.json()
    assert corrected.json()["stated_preferences"] == {
        **dict.fromkeys(PREFERENCES),
        "thc_range": [15, 22.5],
        "strain_types": ["indica"],
        "disliked_brands": ["Loud & Co"],
    }
    assert corrected.json()["preferences"]["thc_range"] == [15, 22.5]
    assert corrected.json()["preferences"]["cbd_range"] == [1, 2]
    assert corrected.json()["language"] == "fr"
    assert removed.json()["preferences"]["thc_range"] == [5, 9]


def test_correction_locks_and_loads_the_profile_once(client: APIClient) -> None:
    customer = CustomerFactory.create()

    with CaptureQueriesContext(connection) as queries:
        response = client.patch(
            _url(customer), {"language": "fr"}, format="json", HTTP_IF_MATCH="*"
        )

    selects = [
        query["sql"]
        for query in queries
        if 'FROM "customer_profiles"' in query["sql"] and '"external_customer_id"' in query["sql"]
    ]
    assert response.status_code == 200
    assert len(selects) == 1
    assert "FOR UPDATE" in selects[0]


def test_correction_needs_the_current_etag(client: APIClient) -> None:
    customer = CustomerFactory.create()
    etag = client.get(_url(customer))["ETag"]

    without_etag = client.patch(_url(customer), {"language": "fr"}, format="json")
    current = client.patch(_url(customer), {"language": "fr"}, format="json", HTTP_IF_MATCH=etag)
    outdated = client.patch(_url(customer), {"language": "en"}, format="json", HTTP_IF_MATCH=etag)

    customer.refresh_from_db()
    assert without_etag.status_code == 428
    assert current.status_code == 200
    assert outdated.status_code == 412
    assert outdated.json()["type"] == "urn:cultivar:problem:precondition_failed"
    assert customer.language == "fr"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/customers/{id}/",
        "/api/v1/customers/{id}/consents/",
        "/api/v1/customers/{id}/purchases/",
        "/api/v1/customers/{id}/interactions/",
        "/api/v1/consent-texts/",
        "/api/v1/chat/sessions/?customer_id={id}",
    ],
)
def test_unchanged_response_is_not_sent_again(client: APIClient, path: str) -> None:
    url = path.format(id=CustomerFactory.create(consents=("history",)).pk)

    first = client.get(url)
    same = client.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    other = client.get(url, HTTP_IF_NONE_MATCH='"other"')

    assert first.status_code == 200
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    assert other.status_code == 200


def test_changed_customer_has_a_new_etag(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",))
    etag = client.get(_url(customer))["ETag"]

    CustomerProfile.objects.filter(pk=customer.pk).update(province="QC")

    assert client.get(_url(customer), HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_consent_texts_are_listed_in_the_requested_language(client: APIClient) -> None:
    response = client.get("/api/v1/consent-texts/", {"language": "fr"})

    texts = {text["purpose"]: text for text in response.json()["results"]}
    assert set(texts) == {"history", "profiling", "chat", "marketing"}
    assert "achats" in texts["history"]["text"]


def test_consent_is_recorded_once_and_withdrawn(client: APIClient) -> None:
    customer = CustomerFactory.create()
    body = {"purpose": "history", "version": "2026-11", "language": "fr", "channel": "till"}

    given = client.post(_url(customer, "consents/"), body, format="json")
    given_again = client.post(_url(customer, "consents/"), body, format="json")
    active = client.get(_url(customer)).json()["consents"]
    withdrawn = client.delete(_url(customer, "consents/history/"))
    withdrawn_again = client.delete(_url(customer, "consents/history/"))
    listed = client.get(_url(customer, "consents/")).json()["results"]

    assert given.status_code == 201, given.json()
    assert {name: given.json()[name] for name in body} == body
    assert given_again.json()["id"] == given.json()["id"]
    assert active == ["history"]
    assert withdrawn.json() == {"purpose": "history", "withdrawn_count": 1}
    assert withdrawn_again.json()["withdrawn_count"] == 0
    assert listed[0]["withdrawn_at"]
    assert Consent.objects.filter(customer=customer).count() == 1


def test_history_is_paginated_newest_first(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",))
    other_customer = CustomerFactory.create(consents=("history",))
    product = ProductFactory.create(sku="SKU-1")
    now = timezone.now()
    for hour in range(5):
        for owner in (customer, other_customer):
            PurchaseFactory.create(
                order_id=f"o{hour}",
                customer=owner,
                product=product,
                unit_price="29.95",
                purchased_at=now - timedelta(hours=hour),
            )
            InteractionFactory.create(
                kind="view",
                customer=owner,
                product=product,
                occurred_at=now - timedelta(hours=hour),
            )

    order_ids = []
    url = _url(customer, "purchases/")
    params: dict[str, Any] = {"limit": 2}
    while params:
        page = client.get(url, params).json()
        order_ids += [row["order_id"] for row in page["results"]]
        params = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    interactions = client.get(_url(customer, "interactions/")).json()["results"]

    assert order_ids == [f"o{hour}" for hour in range(5)]
    assert [row["type"] for row in interactions] == ["view"] * 5
    assert {row["product_id"] for row in interactions} == {str(product.pk)}


def test_age_verification_records_the_method(client: APIClient) -> None:
    customer = CustomerFactory.create(province="ON")
    url = _url(customer, "age-verification/")

    verified = client.post(url, {"verification_method": "in_person"}, format="json")
    unknown_method = client.post(url, {"verification_method": "passport"}, format="json")

    assert verified.json()["verification_method"] == "in_person"
    assert verified.json()["age_verified_at"]
    assert unknown_method.status_code == 400


@pytest.mark.parametrize("verification_method", ["in_person", "account", "delivery"])
def test_t44_age_verification_without_province_requires_the_age(
    client: APIClient, verification_method: str
) -> None:
    customer = CustomerFactory.create()
    body = {"verification_method": verification_method}

    response = client.post(_url(customer, "age-verification/"), body, format="json")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "verified_age"
    customer.refresh_from_db()
    assert not customer.is_age_verified


@pytest.mark.parametrize(
    ("verified_age", "included", "excluded"), [(18, "AB", "ON"), (19, "ON", "QC"), (21, "QC", "")]
)
def test_age_is_verified_for_the_provinces_whose_legal_age_it_reaches(
    client: APIClient, verified_age: int, included: str, excluded: str
) -> None:
    customer = CustomerFactory.create()
    body = {"verification_method": "account", "verified_age": verified_age}

    unverified = client.get(_url(customer)).json()
    verified = client.post(_url(customer, "age-verification/"), body, format="json").json()

    assert unverified["age_verified_for"] == []
    assert included in verified["age_verified_for"]
    assert excluded not in verified["age_verified_for"]


def test_export_returns_all_personal_data_and_is_logged(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="L-canary")

    export = client.get(_url(customer, "export/")).json()

    assert export["customer_id"] == str(customer.pk)
    assert "L-canary" in str(export["data"])
    assert "customer.export" in _logged_actions(customer)


def test_dry_run_of_an_erasure_deletes_nothing(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="L-canary")
    body = {"reason": "requested", "dry_run": True}

    response = client.post(_url(customer, "erasure/"), body, format="json")

    assert response.status_code == 200, response.json()
    assert response.json()["is_dry_run"] is True
    assert sum(response.json()["deleted"].values()) > 0
    assert CustomerProfile.objects.filter(pk=customer.pk).exists()
    assert not Erasure.objects.exists()


def test_erasure_returns_a_receipt_and_is_safe_to_repeat(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="L-canary")
    body = {"reason": "requested"}

    receipt = client.post(_url(customer, "erasure/"), body, format="json").json()
    repeated = client.post(_url(customer, "erasure/"), body, format="json").json()
    unknown = client.post(f"{CUSTOMERS}{uuid4()}/erasure/", body, format="json")

    deleted_again = {name: count for name, count in repeated["deleted"].items() if count}
    assert (receipt["status"], receipt["remaining"], receipt["is_dry_run"]) == ("done", {}, False)
    assert client.get(_url(customer)).status_code == 404
    assert deleted_again == {}
    assert unknown.status_code == 404


def test_erasure_is_refused_under_a_legal_hold(client: APIClient, admin_user: User) -> None:
    customer = CustomerFactory.create()
    set_legal_hold(subject=customer.pk, reason="Case 12", by=admin_user)

    response = client.post(_url(customer, "erasure/"), {"reason": "requested"}, format="json")

    assert response.status_code == 409
    assert "Case 12" in response.json()["detail"]
    assert CustomerProfile.objects.filter(pk=customer.pk).exists()


def test_l18_a_receipt_counts_by_table_without_internals(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="L-canary")

    receipt = client.post(_url(customer, "erasure/"), {"reason": "x"}, format="json").json()

    counts = [receipt[name] for name in ("deleted", "redacted", "retained", "remaining")]
    names = [name for count in counts for name in count]
    assert receipt["deleted"]["customer_profiles"] == 1
    assert "chat_messages" in receipt["redacted"]
    assert receipt["retained"]["personal_access"] >= 1
    assert all(re.fullmatch("[a-z_]+", name) for name in names), names


def test_every_access_is_logged_with_the_key(client: APIClient) -> None:
    customer = CustomerFactory.create()
    earlier_count = len(_logged_actions(customer))

    for suffix in ("", "consents/", "purchases/", "interactions/", "export/"):
        assert client.get(_url(customer, suffix)).status_code == 200
    client.get(f"{CUSTOMERS}by-external-id/", {"external_id": customer.external_customer_id})

    actors = PersonalAccess.objects.filter(customer_id=customer.pk).values_list("actor", flat=True)
    key_actor = next(actor for actor in actors if actor.startswith("key:"))
    assert _logged_actions(customer)[earlier_count:] == [
        "profile.read",
        "consents.read",
        "purchases.read",
        "interactions.read",
        "customer.export",
        "profile.read",
    ]
    assert len(key_actor) > 8
    assert key_actor.removeprefix("key:") not in (None, "")


@pytest.mark.parametrize(
    ("method", "suffix", "scope"),
    [
        ("get", "", "customers:read"),
        ("patch", "", "customers:write"),
        ("get", "consents/", "customers:read"),
        ("post", "consents/", "customers:write"),
        ("delete", "consents/chat/", "customers:write"),
        ("get", "purchases/", "customers:read"),
        ("get", "interactions/", "customers:read"),
        ("post", "age-verification/", "customers:write"),
        ("get", "export/", "privacy:read"),
        ("post", "erasure/", "privacy:write"),
    ],
)
def test_every_action_needs_its_scope_and_audience(method: str, suffix: str, scope: str) -> None:
    customer = CustomerFactory.create(consents=("history",))
    actions_before = _logged_actions(customer)
    other_scopes = tuple(other for other in ALL_SCOPES if other != scope)

    def status(client: APIClient) -> int:
        response = getattr(client, method)(_url(customer, suffix), {}, format="json")
        if response.status_code == 403:
            assert response.json()["type"] == "urn:cultivar:problem:scope_missing"
        return int(response.status_code)

    assert status(create_api_client("public")) == 403
    assert status(create_api_client("staff", other_scopes)) == 403
    assert status(create_api_client("verified", other_scopes)) == 403
    assert status(APIClient()) == 401
    assert _logged_actions(customer) == actions_before
    for audience in ("staff", "verified"):
        assert status(create_api_client(audience, (scope,))) not in (401, 403, 404)


def test_public_keys_read_consent_texts_and_nothing_else() -> None:
    client = create_api_client("public")

    texts = client.get("/api/v1/consent-texts/")
    lookup = client.get(f"{CUSTOMERS}by-external-id/", {"external_id": "x"})
    registration = client.post(CUSTOMERS, {"external_id": "x"}, format="json")

    assert texts.status_code == 200
    assert lookup.status_code == 403
    assert registration.status_code == 403
    assert not CustomerProfile.objects.exists()


INVALID_REQUESTS: list[tuple[str, str, Any, str]] = [
    ("post", CUSTOMERS, {}, "external_id"),
    ("post", CUSTOMERS, {"external_id": "x" * 101}, "external_id"),
    ("post", CUSTOMERS, {"external_id": "a\x00b"}, "external_id"),
    ("post", CUSTOMERS, {"external_id": "x", "province": "XX"}, "province"),
    ("post", CUSTOMERS, {"external_id": "x", "store_code": "nowhere"}, "store_code"),
    ("post", CUSTOMERS, {"external_id": "x", "flavor": 1}, "flavor"),
    ("post", CUSTOMERS, [1], ""),
    ("get", f"{CUSTOMERS}not-a-uuid/", None, "id"),
    ("get", f"{CUSTOMERS}by-external-id/", None, "external_id"),
    ("get", f"{CUSTOMERS}by-external-id/?external_id=%00", None, "external_id"),
    ("get", "{customer}?flavor=x", None, "flavor"),
    ("get", "{customer}purchases/?limit=0", None, "limit"),
    ("get", "{customer}purchases/?cursor=cD1hYmM%3D", None, "cursor"),
    ("patch", "{customer}", {"thc_range": [20, 10]}, "thc_range"),
    ("patch", "{customer}", {"thc_range": [0, 101]}, "thc_range"),
    ("patch", "{customer}", {"thc_range": ["a", "b"]}, "thc_range.0"),
    ("patch", "{customer}", {"thc_range": "NaN"}, "thc_range"),
    ("patch", "{customer}", {"strain_types": ["kush"]}, "strain_types.0"),
    ("patch", "{customer}", {"disliked_categories": ["shoes"]}, "disliked_categories"),
    ("patch", "{customer}", {"disliked_brands": []}, "disliked_brands"),
    ("patch", "{customer}", {"province": ["ON"]}, "province"),
    ("patch", "{customer}", {"age_verified_for": ["ON"]}, "age_verified_for"),
    (
        "post",
        "{customer}consents/",
        {"purpose": "history", "version": "1900", "language": "en"},
        "version",
    ),
    (
        "post",
        "{customer}consents/",
        {"purpose": "fun", "version": "1", "language": "en"},
        "purpose",
    ),
    ("delete", "{customer}consents/fun/", None, "purpose"),
    ("post", "{customer}erasure/", {}, "reason"),
    ("get", "/api/v1/consent-texts/?language=de", None, "language"),
]


@pytest.mark.parametrize(("method", "url", "body", "field"), INVALID_REQUESTS)
def test_invalid_input_is_rejected_with_its_field(
    client: APIClient, method: str, url: str, body: Any, field: str
) -> None:
    customer = CustomerFactory.create()

    response = getattr(client, method)(
        url.format(customer=_url(customer)), body, format="json", HTTP_IF_MATCH="*"
    )

    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    errors = response.json().get("errors", [{"field": ""}])
    assert field in [error["field"] for error in errors]


@pytest.mark.parametrize(
    ("raw_body", "status"),
    [
        (b'{"external_id": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a": 1e999}', 400),
        (b'{"a": NaN}', 400),
        (b"\xff", 400),
        (b'"' + b"x" * 3_000_000 + b'"', 413),
        (b"", 400),
    ],
)
def test_unreadable_bodies_are_rejected(client: APIClient, raw_body: bytes, status: int) -> None:
    response = client.generic("POST", CUSTOMERS, raw_body, content_type="application/json")  # type: ignore[arg-type]

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
