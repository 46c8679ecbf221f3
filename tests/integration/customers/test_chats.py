"""Tests of the chat API: consent, redaction, language, pagination, feedback, access log."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from customers.models import ChatMessage, ChatSession, MessageFeedback, PersonalAccess
from customers.services import consents
from tests.factories.config import ALL_SCOPES, create_api_client
from tests.factories.customers import ChatMessageFactory, CustomerFactory

pytestmark = pytest.mark.django_db
SESSIONS = "/api/v1/chat/sessions/"
UNKNOWN_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"


@pytest.fixture
def client() -> APIClient:
    return create_api_client()


def _open_session(client: APIClient, **body: object) -> str:
    response = client.post(SESSIONS, body, format="json")
    assert response.status_code == 201, response.json()
    return str(response.json()["id"])


def _append(
    client: APIClient, session_id: str, text: str, role: str = "customer"
) -> dict[str, str]:
    response = client.post(
        f"{SESSIONS}{session_id}/messages/", {"text": text, "role": role}, format="json"
    )
    assert response.status_code == 201, response.json()
    return dict(response.json())


def _give_feedback(client: APIClient, message_id: str, **body: object) -> dict[str, object]:
    response = client.post(f"/api/v1/chat/messages/{message_id}/feedback/", body, format="json")
    assert response.status_code == 200, response.json()
    return dict(response.json())


def test_session_lists_its_messages_with_their_languages(client: APIClient) -> None:
    session_id = _open_session(client)
    _append(client, session_id, "Bonjour, avez-vous du Pink Kush?")
    _append(client, session_id, "Oui, 3,5 g à 29,95 $.", role="assistant")

    session = client.get(f"{SESSIONS}{session_id}/").json()
    messages = client.get(f"{SESSIONS}{session_id}/messages/").json()["results"]

    assert (session["message_count"], session["language"], session["ended_at"]) == (2, "fr", None)
    assert [(message["role"], message["language"]) for message in messages] == [
        ("customer", "fr"),
        ("assistant", "fr"),
    ]


def test_new_feedback_replaces_earlier_feedback_and_is_redacted(client: APIClient) -> None:
    session_id = _open_session(client)
    reply = _append(client, session_id, "Oui, 3,5 g à 29,95 $.", role="assistant")

    first = _give_feedback(client, reply["id"], helpful=False)
    second = _give_feedback(client, reply["id"], helpful=True, comment="merci, jean@exemple.ca")

    assert first["helpful"] is False
    assert second["comment"] == "merci, [EMAIL]"
    assert MessageFeedback.objects.get().is_helpful


def test_closed_session_accepts_no_message_and_keeps_its_end(client: APIClient) -> None:
    session_id = _open_session(client)
    _append(client, session_id, "Bonjour")

    closed = client.post(f"{SESSIONS}{session_id}/close/").json()
    closed_again = client.post(f"{SESSIONS}{session_id}/close/").json()
    rejected = client.post(f"{SESSIONS}{session_id}/messages/", {"text": "encore"}, format="json")

    assert closed["ended_at"]
    assert closed_again == closed
    assert (rejected.status_code, rejected.json()["type"]) == (
        409,
        "urn:cultivar:problem:chat_closed",
    )
    assert ChatSession.objects.get().total_messages == 1
    assert ChatMessage.objects.count() == 1


def test_session_is_linked_to_a_customer_only_with_consent(client: APIClient) -> None:
    consenting = CustomerFactory.create(consents=("chat",))
    not_consenting = CustomerFactory.create(consents=("history",))

    linked_id = _open_session(client, customer_id=str(consenting.pk))
    anonymous_id = _open_session(client, customer_id=str(not_consenting.pk))

    linked = client.get(f"{SESSIONS}{linked_id}/").json()
    anonymous = client.get(f"{SESSIONS}{anonymous_id}/").json()
    assert linked["customer_id"] == str(consenting.pk)
    assert anonymous["customer_id"] is None


def test_sessions_are_listed_by_customer(client: APIClient) -> None:
    consenting = CustomerFactory.create(consents=("chat",))
    not_consenting = CustomerFactory.create(consents=("history",))
    linked_id = _open_session(client, customer_id=str(consenting.pk))
    anonymous_id = _open_session(client, customer_id=str(not_consenting.pk))

    def listed_ids(**params: str) -> set[str]:
        return {session["id"] for session in client.get(SESSIONS, params).json()["results"]}

    assert listed_ids(customer_id=str(consenting.pk)) == {linked_id}
    assert listed_ids(customer_id=str(not_consenting.pk)) == set()
    assert listed_ids() == {linked_id, anonymous_id}


def test_withdrawn_consent_deletes_the_sessions(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("chat",))
    session_id = _open_session(client, customer_id=str(customer.pk))
    _append(client, session_id, "hello")

    consents.withdraw_consent(customer=customer, purpose="chat", by="user:test")

    assert client.get(f"{SESSIONS}{session_id}/").status_code == 404
    assert not ChatMessage.objects.filter(session=session_id).exists()


def test_text_is_stored_as_written_with_a_redacted_copy_for_staff(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("chat",), external_id="LOY-4711")
    session_id = _open_session(client, customer_id=str(customer.pk))
    text = (
        "My name is Jane Tremblay (LOY-4711), call 416-555-0199 about Pink Kush 20% THC at $29.95"
    )
    redacted = "My name is [NAME] ([ACCOUNT]), call [PHONE] about Pink Kush 20% THC at $29.95"

    for_staff = _append(client, session_id, text)
    for_verified = (
        create_api_client("verified").get(f"{SESSIONS}{session_id}/messages/").json()["results"][0]
    )

    row = ChatMessage.objects.get()
    assert (for_staff["text"], for_staff["redacted_text"]) == (text, redacted)
    assert (row.message_text, row.redacted_text) == (text, redacted)
    assert "redacted_text" not in for_verified


def test_session_language_is_that_of_the_customers_first_messages(client: APIClient) -> None:
    session_id = _open_session(client)

    def language() -> str | None:
        session: dict[str, str | None] = client.get(f"{SESSIONS}{session_id}/").json()
        return session["language"]

    _append(client, session_id, "Welcome to the store, how may I help you?", role="assistant")
    _append(client, session_id, "OK")
    assert language() is None

    _append(client, session_id, "avez-vous des jujubes à la framboise?")
    assert language() == "fr"

    _append(client, session_id, "et du Pink Kush?")
    for _ in range(3):
        _append(client, session_id, "actually, let us speak English, what is in stock today?")
    assert language() == "fr"


def test_messages_are_paginated_in_order(client: APIClient) -> None:
    session_id = _open_session(client)
    for number in range(5):
        _append(client, session_id, f"message number {number}")
    _append(client, _open_session(client), "message of another session")

    texts = []
    url = f"{SESSIONS}{session_id}/messages/"
    params: dict[str, Any] = {"limit": 2}
    while params:
        page = client.get(url, params).json()
        texts += [message["text"] for message in page["results"]]
        params = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else {}

    assert texts == [f"message number {number}" for number in range(5)]


def test_feedback_finds_messages_of_old_partitions(client: APIClient) -> None:
    session = ChatSession.objects.get(pk=_open_session(client))
    old_message = ChatMessageFactory.create(
        session=session,
        message_text="x",
        role="staff",
        created_at=timezone.now() - timedelta(days=400),
    )

    feedback = _give_feedback(client, str(old_message.id), helpful=True)

    assert feedback["helpful"] is True


def test_access_is_logged_for_sessions_of_customers_only(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("chat",))
    linked_id = _open_session(client, customer_id=str(customer.pk))
    anonymous_id = _open_session(client)

    for session_id in (linked_id, anonymous_id):
        _append(client, session_id, "hello there")
        client.get(f"{SESSIONS}{session_id}/messages/")
        client.post(f"{SESSIONS}{session_id}/close/")
    client.get(SESSIONS, {"customer_id": str(customer.pk)})

    entries = PersonalAccess.objects.filter(action__startswith="chat.").order_by("accessed_at")
    assert [entry.action for entry in entries] == [
        "chat.open",
        "chat.append",
        "chat.read",
        "chat.close",
        "chat.list",
    ]
    assert {entry.customer_id for entry in entries} == {customer.pk}


@pytest.mark.parametrize(
    ("url", "body", "status", "field"),
    [
        (SESSIONS, {"customer_id": "x"}, 400, "customer_id"),
        (SESSIONS, {"customer_id": UNKNOWN_ID}, 400, "customer_id"),
        (SESSIONS, {"store_code": "nowhere"}, 400, "store_code"),
        (SESSIONS, {"language": "fr"}, 400, "language"),
        ("{session}messages/", {"text": ""}, 400, "text"),
        ("{session}messages/", {"text": "  "}, 400, "text"),
        ("{session}messages/", {"text": "a\x00b"}, 400, "text"),
        ("{session}messages/", {"text": "x" * 4001}, 400, "text"),
        ("{session}messages/", {"text": "x", "role": "robot"}, 400, "role"),
        ("/api/v1/chat/messages/{message}/feedback/", {"helpful": True}, 400, "message"),
        ("/api/v1/chat/messages/{message}/feedback/", {}, 400, "helpful"),
        (f"/api/v1/chat/messages/{UNKNOWN_ID}/feedback/", {"helpful": True}, 404, ""),
        (f"{SESSIONS}{UNKNOWN_ID}/messages/", {"text": "x"}, 404, ""),
        (f"{SESSIONS}x/messages/", {"text": "x"}, 400, "id"),
    ],
)
def test_invalid_input_is_rejected_with_its_field(
    client: APIClient, url: str, body: object, status: int, field: str
) -> None:
    session_id = _open_session(client)
    message_id = _append(client, session_id, "hello")["id"]

    response = client.post(
        url.format(session=f"{SESSIONS}{session_id}/", message=message_id), body, format="json"
    )

    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    errors = response.json().get("errors", [{"field": ""}])
    assert field in [error["field"] for error in errors]
    assert ChatMessage.objects.count() == 1


def test_chats_need_a_key_with_audience_and_scope() -> None:
    session_id = _open_session(create_api_client())
    other_scopes = tuple(scope for scope in ALL_SCOPES if not scope.startswith("chat:"))

    for client in (create_api_client("public"), create_api_client("staff", other_scopes)):
        responses = [
            client.post(SESSIONS, {}, format="json"),
            client.get(f"{SESSIONS}{session_id}/"),
            client.post(f"{SESSIONS}{session_id}/messages/", {"text": "x"}, format="json"),
        ]
        assert [response.status_code for response in responses] == [403, 403, 403]

    without_read_scope = create_api_client("staff", ("chat:write",))
    assert without_read_scope.get(SESSIONS).status_code == 403
    assert APIClient().post(SESSIONS, {}, format="json").status_code == 401
