"""REST intake of events: results per event, idempotency, authorization."""

from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from customers.models import Interaction, Purchase
from mlops.models import InboxEvent, QuarantinedRecord, SystemMetric
from tests.factories.catalog import ProductFactory
from tests.factories.config import ALL_SCOPES, create_api_client
from tests.factories.customers import CustomerFactory
from tests.factories.mlops import event_payload

pytestmark = pytest.mark.django_db
URL = "/api/v1/events/"


@pytest.fixture
def client() -> APIClient:
    ProductFactory.create(sku="SKU-1")
    return create_api_client()


def _send(client: APIClient, *events: Any, **headers: str) -> Any:
    return client.post(URL, {"events": list(events)}, format="json", **headers)  # type: ignore[arg-type]


def _view(**data: Any) -> dict[str, Any]:
    return event_payload("interaction", {"type": "view", "product_id": "SKU-1", **data})


def _purchase(external_id: str | None = None) -> dict[str, Any]:
    line = {"product_id": "SKU-1", "quantity": 2, "unit_price": "29.95"}
    return event_payload(
        "purchase", {"order_id": "o1", "external_id": external_id, "lines": [line]}
    )


def _metric(value: float = 1.5) -> dict[str, Any]:
    return event_payload("metric", {"source": "till-1", "name": "temperature", "value": value})


def test_events_are_applied_once(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",))
    events = [
        _view(external_id=customer.external_customer_id),
        _purchase(customer.external_customer_id),
        _metric(),
    ]

    first = _send(client, *events)
    second = _send(client, *events, events[0])

    assert first.status_code == 200, first.json()
    body = first.json()
    assert (body["accepted"], body["duplicate"], body["rejected"]) == (3, 0, 0)
    assert [(result["index"], result["id"]) for result in body["results"]] == [
        (index, event["id"]) for index, event in enumerate(events)
    ]
    assert second.json()["duplicate"] == 4
    assert Interaction.objects.get().customer == customer
    assert Purchase.objects.get().customer == customer
    assert SystemMetric.objects.filter(name="temperature").count() == 1
    assert set(InboxEvent.objects.values_list("channel", flat=True)) == {"rest"}


def test_rejected_events_have_a_reason_and_do_not_block_the_others(client: APIClient) -> None:
    valid = _view()
    unknown_product = _view(product_id="SKU-none")
    invalid: list[tuple[Any, str]] = [
        ({**_view(), "version": 9}, "version"),
        ({**_view(), "type": "dance"}, "type"),
        ({**_view(), "occurred_at": "2026-11-20T12:00:00"}, "occurred_at"),
        ({**_view(), "occurred_at": "2099-01-01T00:00:00Z"}, "occurred_at"),
        ({**_view(), "id": "x"}, "id"),
        (_view(type="stare"), "data.type"),
        (_view(flavor="x"), "data.flavor"),
        (_view(session_id="a\x00b"), ""),
        ({"topic": "customer_interactions"}, "id"),
        ({**_view(), "topic": "weather"}, "topic"),
        ({**_view(), "topic": ["x"]}, "topic"),
        ("no object", "topic"),
        (None, "topic"),
    ]

    body = _send(client, unknown_product, *(event for event, _ in invalid), valid).json()

    assert [(result["status"], result["field"]) for result in body["results"]] == [
        ("rejected", "data.product_id"),
        *(("rejected", field) for _, field in invalid),
        ("accepted", ""),
    ]
    assert all(result["reason"] for result in body["results"][:-1])
    assert Interaction.objects.count() == 1
    assert QuarantinedRecord.objects.filter(source="customer_interactions").count() == 10


def test_a_rejected_event_is_accepted_when_sent_again_after_the_cause_is_gone(
    client: APIClient,
) -> None:
    event = _view(product_id="SKU-none")
    assert _send(client, event).json()["rejected"] == 1

    ProductFactory.create(sku="SKU-none")

    assert _send(client, event).json()["accepted"] == 1


def test_an_event_that_is_repeated_within_a_batch_is_applied_once(client: APIClient) -> None:
    first = _view(session_id="s0")

    results = _send(client, first, _metric(), {**first, "version": 1}).json()["results"]

    assert [result["status"] for result in results] == ["accepted", "accepted", "duplicate"]
    assert Interaction.objects.get().session == "s0"


def _reuse(event: dict[str, Any], how: str) -> dict[str, Any]:
    other = {
        "data": _view(session_id="s1"),
        "type": _purchase(),
        "topic": _metric(),
        "time": {**event, "occurred_at": "2026-11-20T12:00:01Z"},
    }[how]
    return {**other, "id": event["id"]}


@pytest.mark.parametrize("how", ["data", "type", "topic", "time"])
@pytest.mark.parametrize("is_same_batch", [True, False])
def test_t45_an_id_used_again_for_other_content_is_rejected(
    client: APIClient, how: str, is_same_batch: bool
) -> None:
    event = _view(session_id="s0")
    other = _reuse(event, how)

    if is_same_batch:
        result = _send(client, event, other).json()["results"][1]
    else:
        _send(client, event)
        result = _send(client, other).json()["results"][0]

    assert (result["status"], result["code"], result["field"]) == ("rejected", "id_reused", "id")
    assert Interaction.objects.get().session == "s0"
    assert QuarantinedRecord.objects.get().payload["type"] == other["type"]


@pytest.mark.parametrize("occurred_at", ["2026-11-20T12:00:00Z", "2026-11-20T07:00:00.000-05:00"])
def test_an_event_in_another_notation_is_a_duplicate(client: APIClient, occurred_at: str) -> None:
    purchase = _purchase()
    _send(client, purchase)
    line = {**purchase["data"]["lines"][0], "unit_price": 29.95}
    again = {**purchase, "occurred_at": occurred_at}
    again["data"] = {**purchase["data"], "lines": [line], "store_code": None}

    result = _send(client, again).json()["results"][0]

    assert result["status"] == "duplicate"


@pytest.mark.parametrize("price", ["31.00", "0.00", None])
def test_t49_an_event_of_our_own_price_is_ignored_with_a_reason(
    client: APIClient, price: str | None
) -> None:
    client = create_api_client(scopes=(*ALL_SCOPES, "events:admin"))
    product = ProductFactory.create(sku="SKU-own")
    event = event_payload("price", {"product_id": str(product.pk), "price": price})

    body = _send(client, event).json()

    assert (body["accepted"], body["ignored"]) == (0, 1)
    assert (body["results"][0]["code"], product.price) == ("own_price", product.price)
    assert "PATCH" in body["results"][0]["reason"]


@pytest.mark.parametrize(
    "occurred_at", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2018-10-16T23:59:59Z"]
)
def test_t32_an_event_from_before_legal_sales_is_rejected(
    client: APIClient, occurred_at: str
) -> None:
    result = _send(client, {**_view(), "occurred_at": occurred_at}).json()["results"][0]

    assert (result["status"], result["field"]) == ("rejected", "occurred_at")


@pytest.mark.parametrize("occurred_at", [1764000000, 1764000000000, "1764000000", 1.5, True])
def test_t32_a_number_is_no_time(client: APIClient, occurred_at: Any) -> None:
    result = _send(client, {**_view(), "occurred_at": occurred_at}).json()["results"][0]

    assert (result["status"], result["field"]) == ("rejected", "occurred_at")


@pytest.mark.parametrize("notation", ["{%s}", "urn:uuid:%s", "%s"])
def test_l11_a_result_has_the_canonical_id(client: APIClient, notation: str) -> None:
    event = _view()
    sent = event | {"id": notation % event["id"].upper()}

    (result,) = _send(client, sent).json()["results"]

    assert (result["status"], result["id"]) == ("accepted", event["id"])


def test_l11_an_event_without_an_id_is_found_by_its_index(client: APIClient) -> None:
    without_id = _view()
    del without_id["id"]

    result = _send(client, _view(), without_id).json()["results"][1]

    assert (result["index"], result["id"], result["field"]) == (1, "", "id")


def test_same_idempotency_key_and_body_get_the_same_response(client: APIClient) -> None:
    event = _view()
    key = str(uuid4())

    first = _send(client, event, HTTP_IDEMPOTENCY_KEY=key)
    second = _send(client, event, HTTP_IDEMPOTENCY_KEY=key)

    assert first.json()["accepted"] == 1
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Interaction.objects.count() == 1


def test_idempotency_key_is_rejected_for_another_body_or_when_malformed(
    client: APIClient,
) -> None:
    event = _view()
    key = str(uuid4())
    _send(client, event, HTTP_IDEMPOTENCY_KEY=key)

    other_body = _send(client, _view(), HTTP_IDEMPOTENCY_KEY=key)

    assert other_body.status_code == 422
    assert other_body.json()["type"] == "urn:cultivar:problem:idempotency_key_reused"
    assert _send(client, event, HTTP_IDEMPOTENCY_KEY=str(uuid4())).json()["duplicate"] == 1
    assert _send(client, event, HTTP_IDEMPOTENCY_KEY="a b").status_code == 400
    assert Interaction.objects.count() == 1


def test_idempotency_keys_of_two_clients_are_independent(client: APIClient) -> None:
    key = str(uuid4())
    other_client = create_api_client()

    first = _send(client, _view(), HTTP_IDEMPOTENCY_KEY=key)
    other = _send(other_client, _metric(), HTTP_IDEMPOTENCY_KEY=key)

    assert first.json()["accepted"] == 1
    assert other.json()["accepted"] == 1


def test_a_failed_request_may_be_repeated_with_the_same_key(client: APIClient) -> None:
    event = _view()
    key = str(uuid4())
    with patch("mlops.streams.batches.apply_events", side_effect=RuntimeError):
        assert _send(client, event, HTTP_IDEMPOTENCY_KEY=key).status_code == 500

    assert _send(client, event, HTTP_IDEMPOTENCY_KEY=key).json()["accepted"] == 1


def test_a_repeated_request_conflicts_while_the_first_is_running(client: APIClient) -> None:
    event = _view()
    key = str(uuid4())
    statuses = []

    def send_meanwhile(*_arguments: Any, **_options: Any) -> Any:
        statuses.append(_send(client, event, HTTP_IDEMPOTENCY_KEY=key).status_code)
        raise RuntimeError

    with patch("mlops.streams.batches.apply_events", side_effect=send_meanwhile):
        _send(client, event, HTTP_IDEMPOTENCY_KEY=key)

    assert statuses == [409]


@pytest.mark.parametrize(
    "body",
    [[], {}, {"events": []}, {"events": {}}, {"events": [1] * 501}, {"events": [{}], "x": 1}, "x"],
)
def test_a_body_that_is_not_a_batch_is_rejected_as_a_whole(client: APIClient, body: Any) -> None:
    response = client.post(URL, body, format="json")

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_batch_may_have_500_events(client: APIClient) -> None:
    response = _send(client, *(_view(session_id=f"s{number}") for number in range(500)))

    assert response.json()["accepted"] == 500
    assert Interaction.objects.count() == 500


def test_event_types_with_another_scope_are_rejected_without_it(client: APIClient) -> None:
    price = event_payload("price", {})

    results = _send(client, price, _view()).json()["results"]

    assert [(result["status"], result["field"]) for result in results] == [
        ("rejected", "type"),
        ("accepted", ""),
    ]
    assert "events:admin" in results[0]["reason"]
    assert not QuarantinedRecord.objects.exists()


def test_events_require_an_authenticated_client_with_scope_and_audience(
    client: APIClient,
) -> None:
    other_scopes = tuple(scope for scope in ALL_SCOPES if scope != "events:write")
    without_audience = create_api_client("public")
    without_scope = create_api_client("staff", other_scopes)

    assert _send(without_audience, _view()).status_code == 403
    assert _send(without_scope, _view()).status_code == 403
    assert _send(APIClient(), _view()).status_code == 401
    assert not InboxEvent.objects.exists()
