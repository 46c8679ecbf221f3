"""Events over REST: each once, per-item results, the same answer for the same key."""

from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from customers.models import Interaction, Purchase
from mlops.models import InboxEvent, QuarantinedRecord, SystemMetric
from tests.integration.customer_data import EVERYTHING, client_with, event, person, product

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/events/"


@pytest.fixture
def client() -> APIClient:
    product()
    return client_with()


def _send(client: APIClient, *events: Any, **headers: str) -> Any:
    return client.post(ADDRESS, {"events": list(events)}, format="json", **headers)  # type: ignore[arg-type]


def _view(**data: Any) -> dict[str, Any]:
    return event("interaction", {"kind": "view", "product": "SKU-1", **data})


def _bought(customer: str | None = None) -> dict[str, Any]:
    line = {"product": "SKU-1", "quantity": 2, "unit_price": "29.95"}
    return event("purchase", {"order_id": "o1", "customer": customer, "lines": [line]})


def _metric(value: float = 1.5) -> dict[str, Any]:
    return event("metric", {"source": "till-1", "name": "temperature", "value": value})


def test_events_become_rows_once(client: APIClient) -> None:
    customer = person("history")
    events = [
        _view(customer=customer.external_customer_id),
        _bought(customer.external_customer_id),
        _metric(),
    ]
    answer = _send(client, *events)
    assert answer.status_code == 200, answer.json()
    assert {name: answer.json()[name] for name in ("applied", "repeated", "rejected")} == {
        "applied": 3,
        "repeated": 0,
        "rejected": 0,
    }
    assert [one["id"] for one in answer.json()["results"]] == [one["id"] for one in events]
    assert _send(client, *events, events[0]).json()["repeated"] == 4
    assert [Interaction.objects.get().customer, Purchase.objects.get().customer] == [
        customer,
        customer,
    ]
    assert SystemMetric.objects.filter(name="temperature").count() == 1
    assert set(InboxEvent.objects.values_list("way", flat=True)) == {"rest"}


def test_what_is_rejected_tells_why_and_keeps_nothing_back(client: APIClient) -> None:
    good, unknown = _view(), _view(product="SKU-none")
    bad: list[tuple[Any, str]] = [
        ({**_view(), "version": 9}, "version"),
        ({**_view(), "type": "dance"}, "type"),
        ({**_view(), "occurred_at": "2026-11-20T12:00:00"}, "occurred_at"),
        ({**_view(), "occurred_at": "2099-01-01T00:00:00Z"}, "occurred_at"),
        ({**_view(), "id": "x"}, "id"),
        (_view(kind="stare"), "data.kind"),
        (_view(flavor="x"), "data.flavor"),
        (_view(session="a\x00b"), ""),
        ({"topic": "customer_interactions"}, "id"),
        ({**_view(), "topic": "weather"}, "topic"),
        ({**_view(), "topic": ["x"]}, "topic"),
        ("no object", "topic"),
        (None, "topic"),
    ]
    answer = _send(client, unknown, *(one for one, _ in bad), good).json()
    assert [(one["status"], one["field"]) for one in answer["results"]] == [
        ("rejected", "data"),
        *(("rejected", field) for _, field in bad),
        ("applied", ""),
    ]
    assert all(one["reason"] for one in answer["results"][:-1])
    assert Interaction.objects.count() == 1
    assert QuarantinedRecord.objects.filter(source="customer_interactions").count() == 10
    product("SKU-none")
    assert _send(client, unknown).json()["applied"] == 1  # mended, it may come again


def test_the_last_word_on_a_topic_is_the_last_in_the_batch(client: APIClient) -> None:
    first, last = (_view(session=f"s{number}") for number in range(2))
    same_id = {**last, "id": first["id"]}
    results = _send(client, first, _metric(), same_id).json()["results"]
    assert [one["status"] for one in results] == ["applied", "applied", "repeated"]
    assert Interaction.objects.get().session == "s0"


def test_same_key_and_body_have_the_same_answer(client: APIClient) -> None:
    good, key = _view(), str(uuid4())
    first = _send(client, good, HTTP_IDEMPOTENCY_KEY=key)
    again = _send(client, good, HTTP_IDEMPOTENCY_KEY=key)
    assert (first.json()["applied"], again.json()) == (1, first.json())
    assert again["Idempotency-Replayed"] == "true"
    other = _send(client, _view(), HTTP_IDEMPOTENCY_KEY=key)
    assert (other.status_code, other.json()["title"]) == (422, "idempotency-key-reused")
    assert _send(client, good, HTTP_IDEMPOTENCY_KEY=str(uuid4())).json()["repeated"] == 1
    assert _send(client, good, HTTP_IDEMPOTENCY_KEY="a b").status_code == 400
    assert Interaction.objects.count() == 1


def test_a_key_belongs_to_its_client(client: APIClient) -> None:
    good, key = _view(), str(uuid4())
    assert _send(client, good, HTTP_IDEMPOTENCY_KEY=key).json()["applied"] == 1
    other = client_with()
    assert _send(other, _metric(), HTTP_IDEMPOTENCY_KEY=key).json()["applied"] == 1


def test_what_failed_may_be_tried_again_under_the_same_key(client: APIClient) -> None:
    good, key = _view(), str(uuid4())
    with patch("mlops.api.events.take_in", side_effect=RuntimeError):
        assert _send(client, good, HTTP_IDEMPOTENCY_KEY=key).status_code == 500
    assert _send(client, good, HTTP_IDEMPOTENCY_KEY=key).json()["applied"] == 1


def test_while_the_first_is_under_way_the_second_waits(client: APIClient) -> None:
    good, key, seen = _view(), str(uuid4()), []

    def meanwhile(*_given: Any, **_more: Any) -> Any:
        seen.append(_send(client, good, HTTP_IDEMPOTENCY_KEY=key).status_code)
        raise RuntimeError

    with patch("mlops.api.events.take_in", side_effect=meanwhile):
        _send(client, good, HTTP_IDEMPOTENCY_KEY=key)
    assert seen == [409]


@pytest.mark.parametrize(
    "body",
    [[], {}, {"events": []}, {"events": {}}, {"events": [1] * 501}, {"events": [{}], "x": 1}, "x"],
)
def test_only_what_is_no_batch_is_refused_whole(client: APIClient, body: Any) -> None:
    answer = client.post(ADDRESS, body, format="json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_five_hundred_at_once(client: APIClient) -> None:
    answer = _send(client, *(_view(session=f"s{number}") for number in range(500)))
    assert answer.json()["applied"] == Interaction.objects.count() == 500


def test_some_events_need_a_scope_of_their_own(client: APIClient) -> None:
    price = event("price", {})
    results = _send(client, price, _view()).json()["results"]
    assert [(one["status"], one["field"]) for one in results] == [
        ("rejected", "type"),
        ("applied", ""),
    ]
    assert "events:admin" in results[0]["reason"]
    assert not QuarantinedRecord.objects.exists()


def test_who_may_not(client: APIClient) -> None:
    without = tuple(one for one in EVERYTHING if one != "events:write")
    for refused in (client_with("public"), client_with("staff", without)):
        assert _send(refused, _view()).status_code == 403
    assert _send(APIClient(), _view()).status_code == 401
    assert not InboxEvent.objects.exists()
