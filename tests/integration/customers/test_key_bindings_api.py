"""Keys bound to provinces and stores reach their own customers, chats and events only."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from catalog.models import Store, StoreStock
from config.models import ApiKey
from customers.models import CustomerProfile, Purchase, Recommendation
from customers.services import chats
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory
from tests.factories.mlops import event_payload

pytestmark = pytest.mark.django_db
CUSTOMERS = "/api/v1/customers/"
FEEDBACK = "/api/v1/recommendations/feedback/"
SESSIONS = "/api/v1/chat/sessions/"


@pytest.fixture
def ontario() -> CustomerProfile:
    return CustomerFactory.create(province="ON", consents=("history", "chat"))


@pytest.fixture
def quebec_client() -> APIClient:
    """A client whose key is bound to Quebec."""
    client = create_api_client()
    ApiKey.objects.update(provinces=["QC"])
    return client


@pytest.mark.parametrize(
    "path",
    ["", "consents/", "purchases/", "interactions/", "export/"],
)
def test_m12b_a_customer_of_another_province_is_not_found(
    quebec_client: APIClient, ontario: CustomerProfile, path: str
) -> None:
    assert quebec_client.get(f"{CUSTOMERS}{ontario.pk}/{path}").status_code == 404


def test_m12b_a_customer_of_another_province_is_not_changed_or_erased(
    quebec_client: APIClient, ontario: CustomerProfile
) -> None:
    path = f"{CUSTOMERS}{ontario.pk}/"

    patched = quebec_client.patch(path, {"language": "fr"}, format="json", HTTP_IF_MATCH="*")
    erased = quebec_client.post(f"{path}erasure/", {"reason": "test"}, format="json")

    assert (patched.status_code, erased.status_code) == (404, 404)
    ontario.refresh_from_db()
    assert ontario.language == "en"


def test_m12b_a_customer_of_another_province_is_not_found_by_external_id(
    quebec_client: APIClient, ontario: CustomerProfile
) -> None:
    params = {"external_id": ontario.external_customer_id}

    assert quebec_client.get(f"{CUSTOMERS}by-external-id/", params).status_code == 404


def test_m12b_recommendations_for_a_customer_of_another_province_are_not_found(
    quebec_client: APIClient, ontario: CustomerProfile
) -> None:
    assert quebec_client.get(f"/api/v1/recommendations/{ontario.pk}/").status_code == 404


@pytest.mark.parametrize("reach", ["store", "customer"])
def test_l16_feedback_on_responses_of_another_province_is_not_recorded(
    quebec_client: APIClient, ontario: CustomerProfile, reach: str
) -> None:
    product = ProductFactory.create()
    store = StoreFactory.create(code="queen-west", province="ON")
    owner = {"store_id": store.pk} if reach == "store" else {"customer_id": ontario.pk}
    response = Recommendation.objects.create(
        scenario="home", model_version="test", products=[product.pk], **owner
    )
    feedback = [{"product_id": str(product.pk), "type": "bought"}]
    body = {"recommendation_id": str(response.id), "feedback": feedback}

    refused = quebec_client.post(FEEDBACK, body, format="json")
    recorded = create_api_client().post(FEEDBACK, body, format="json")

    assert refused.status_code == 404
    assert recorded.json()["recorded_count"] == 1


@pytest.mark.parametrize("province", ["QC", ""])
def test_customers_of_the_province_and_of_none_are_reached(
    quebec_client: APIClient, province: str
) -> None:
    customer = CustomerFactory.create(province=province, store=None)

    assert quebec_client.get(f"{CUSTOMERS}{customer.pk}/").status_code == 200


def test_a_customer_is_registered_in_the_province_of_the_key(quebec_client: APIClient) -> None:
    default = quebec_client.post(CUSTOMERS, {"external_id": "L-1"}, format="json")
    other = quebec_client.post(CUSTOMERS, {"external_id": "L-2", "province": "ON"}, format="json")

    assert default.json()["province"] == "QC"
    assert (other.status_code, other.json()["errors"][0]["field"]) == (400, "province")


def test_a_key_of_one_store_does_not_reach_customers_of_another(ontario: CustomerProfile) -> None:
    client = create_api_client()
    ApiKey.objects.update(store_codes=["elora"])
    CustomerProfile.objects.filter(pk=ontario.pk).update(
        store=StoreFactory.create(code="queen-west")
    )

    assert client.get(f"{CUSTOMERS}{ontario.pk}/").status_code == 404


def test_m12b_chats_of_another_province_are_not_listed_or_read(
    quebec_client: APIClient, ontario: CustomerProfile
) -> None:
    store = StoreFactory.create(code="queen-west")
    theirs = [
        chats.open_session(customer=ontario, store=None, by="t"),
        chats.open_session(customer=None, store=store, by="t"),
    ]
    ours = chats.open_session(customer=None, store=None, by="t")

    listed = quebec_client.get(SESSIONS).json()["results"]

    assert [row["id"] for row in listed] == [str(ours.pk)]
    for session in theirs:
        assert quebec_client.get(f"{SESSIONS}{session.pk}/").status_code == 404
        assert quebec_client.get(f"{SESSIONS}{session.pk}/messages/").status_code == 404


def test_m12b_events_of_another_province_are_rejected(quebec_client: APIClient) -> None:
    ontario_store = StoreFactory.create(code="queen-west")
    quebec_store = Store.objects.create(code="mile-end", name="Mile End", province="QC")
    product = ProductFactory.create(sku="SKU-1")
    events = [
        {
            "topic": "inventory_updates",
            **event_payload(
                "stock", {"store_code": store.code, "product_id": "SKU-1", "quantity": 3}
            ),
        }
        for store in (ontario_store, quebec_store)
    ]

    results = quebec_client.post("/api/v1/events/", {"events": events}, format="json").json()

    rejected, accepted = results["results"]
    assert (rejected["status"], rejected["code"]) == ("rejected", "permission_denied")
    assert rejected["field"] == "data.store_code"
    assert accepted["status"] == "accepted"
    assert [stock.store_id for stock in StoreStock.objects.filter(product=product)] == [
        quebec_store.pk
    ]
    assert not Purchase.objects.exists()


class TestScopes:
    """Scopes of chats and of exports."""

    @pytest.mark.parametrize(
        ("scope", "statuses"),
        [("chat:read", (200, 200, 403)), ("customers:read", (403, 403, 403))],
    )
    def test_m12_chats_are_read_with_chat_read(self, scope: str, statuses: tuple[int, ...]) -> None:
        session = chats.open_session(customer=None, store=None, by="t")
        client = create_api_client("verified", (scope,))
        path = f"{SESSIONS}{session.pk}/"

        responses = (
            client.get(SESSIONS),
            client.get(path),
            client.post(f"{path}messages/", {"text": "Hello"}, format="json"),
        )

        assert tuple(response.status_code for response in responses) == statuses

    @pytest.mark.parametrize(("scope", "status"), [("customers:read", 403), ("privacy:read", 200)])
    def test_m12_data_are_exported_with_privacy_read(
        self, ontario: CustomerProfile, scope: str, status: int
    ) -> None:
        client = create_api_client("verified", (scope,))

        response = client.get(f"{CUSTOMERS}{ontario.pk}/export/")

        assert response.status_code == status

    def test_m12_only_staff_write_as_staff(self) -> None:
        session = chats.open_session(customer=None, store=None, by="t")
        message = {"text": "Hello", "role": "staff"}
        path = f"{SESSIONS}{session.pk}/messages/"

        verified = create_api_client("verified").post(path, message, format="json")
        staff = create_api_client("staff").post(path, message, format="json")

        assert (verified.status_code, staff.status_code) == (400, 201)


class TestResponses:
    """Location, ETag, export file, repeated consents, strict texts."""

    def test_l19_an_export_is_a_file_with_a_format_version(self, ontario: CustomerProfile) -> None:
        response = create_api_client().get(f"{CUSTOMERS}{ontario.pk}/export/")

        assert response.json()["format_version"] == 1
        assert response["Content-Disposition"].startswith("attachment; filename=")

    def test_l13_a_registered_customer_has_location_and_etag(self) -> None:
        client = create_api_client()

        response = client.post(CUSTOMERS, {"external_id": "L-1"}, format="json")

        assert client.get(response["Location"])["ETag"] == response["ETag"]

    def test_l13_a_corrected_customer_has_an_etag(self, ontario: CustomerProfile) -> None:
        client = create_api_client()
        path = f"{CUSTOMERS}{ontario.pk}/"

        response = client.patch(path, {"language": "fr"}, format="json", HTTP_IF_MATCH="*")

        assert client.get(path)["ETag"] == response["ETag"]

    def test_l13_an_external_id_is_a_string(self) -> None:
        response = create_api_client().post(CUSTOMERS, {"external_id": 12345}, format="json")

        assert response.json()["errors"][0]["field"] == "external_id"

    def test_l14_a_consent_given_again_is_not_created(self, ontario: CustomerProfile) -> None:
        client = create_api_client()
        path = f"{CUSTOMERS}{ontario.pk}/consents/"
        texts = client.get("/api/v1/consent-texts/").json()["results"]
        text = next(text for text in texts if text["purpose"] == "profiling")
        body = {"purpose": "profiling", "version": text["version"], "language": "en"}

        first, again = (client.post(path, body, format="json") for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        assert client.get(first["Location"]).json() == first.json()

    def test_a_withdrawn_consent_is_not_found(self, ontario: CustomerProfile) -> None:
        client = create_api_client()
        path = f"{CUSTOMERS}{ontario.pk}/consents/chat/"
        client.delete(path)

        assert client.get(path).status_code == 404

    def test_a_message_has_a_location(self) -> None:
        client = create_api_client()
        session = client.post(SESSIONS, {}, format="json")
        path = f"{session['Location']}messages/"

        message = client.post(path, {"text": "Hello"}, format="json")

        assert client.get(message["Location"]).json() == message.json()

    @pytest.mark.parametrize("suffix", ["", "messages/"])
    def test_m16_a_post_is_executed_once_for_a_key(self, suffix: str) -> None:
        client = create_api_client()
        path = SESSIONS
        body: dict[str, Any] = {}
        if suffix:
            path = f"{client.post(SESSIONS, {}, format='json')['Location']}{suffix}"
            body = {"text": "Hello"}

        first, again = (
            client.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2)
        )

        assert again.json()["id"] == first.json()["id"]
        assert again["Idempotency-Replayed"] == "true"
        assert again["Location"] == first["Location"]

    def test_m16_a_registration_may_be_repeated(self) -> None:
        client = create_api_client()
        body = {"external_id": "L-1"}

        statuses = [
            client.post(CUSTOMERS, body, format="json", HTTP_IDEMPOTENCY_KEY="k1").status_code
            for _ in range(2)
        ]

        assert statuses == [201, 201]
