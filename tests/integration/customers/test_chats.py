"""Conversations: kept under somebody only where they agreed, masked for searching, closed, told whether they helped."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from customers.models import ChatMessage, ChatSession, MessageFeedback, PersonalAccess
from customers.services import consents
from tests.integration.customer_data import EVERYTHING, client_with, person

pytestmark = pytest.mark.django_db
SESSIONS = "/api/v1/chat/sessions/"


@pytest.fixture
def client() -> APIClient:
    return client_with()


def _open(client: APIClient, **body: object) -> str:
    made = client.post(SESSIONS, body, format="json")
    assert made.status_code == 201, made.json()
    return str(made.json()["id"])


def _say(client: APIClient, session: str, text: str, role: str = "customer") -> dict[str, str]:
    said = client.post(
        f"{SESSIONS}{session}/messages/", {"message_text": text, "role": role}, format="json"
    )
    assert said.status_code == 201, said.json()
    return dict(said.json())


def test_conversation_from_its_beginning_to_its_end(client: APIClient) -> None:
    session = _open(client)
    _say(client, session, "Bonjour, avez-vous du Pink Kush?")
    answer = _say(client, session, "Oui, 3,5 g à 29,95 $.", role="assistant")
    shown = client.get(f"{SESSIONS}{session}/").json()
    assert (shown["total_messages"], shown["language"], shown["session_end"]) == (2, "fr", None)
    said = client.get(f"{SESSIONS}{session}/messages/").json()["results"]
    assert [(one["role"], one["language"]) for one in said] == [
        ("customer", "fr"),
        ("assistant", "fr"),
    ]
    judged = client.post(
        f"/api/v1/chat/messages/{answer['id']}/feedback/", {"is_helpful": False}, format="json"
    )
    assert (judged.status_code, judged.json()["is_helpful"]) == (200, False)
    comment = {"is_helpful": True, "comment": "merci, jean@exemple.ca"}
    judged = client.post(f"/api/v1/chat/messages/{answer['id']}/feedback/", comment, format="json")
    assert judged.json()["comment"] == "merci, [EMAIL]"
    assert MessageFeedback.objects.get().is_helpful
    closed = client.post(f"{SESSIONS}{session}/close/")
    assert closed.json()["session_end"]
    assert client.post(f"{SESSIONS}{session}/close/").json() == closed.json()
    refused = client.post(
        f"{SESSIONS}{session}/messages/", {"message_text": "encore"}, format="json"
    )
    assert (refused.status_code, refused.json()["title"]) == (409, "chat-closed")
    assert ChatSession.objects.get().total_messages == ChatMessage.objects.count() == 2


def test_kept_under_somebody_only_with_their_consent(client: APIClient) -> None:
    willing, unwilling = person("chat"), person("history")
    kept, nobodys = (
        _open(client, customer=str(willing.pk)),
        _open(client, customer=str(unwilling.pk)),
    )
    assert client.get(f"{SESSIONS}{kept}/").json()["customer"] == str(willing.pk)
    assert client.get(f"{SESSIONS}{nobodys}/").json()["customer"] is None
    listed = client.get(SESSIONS, {"customer": str(willing.pk)}).json()["results"]
    assert [one["id"] for one in listed] == [kept]
    assert client.get(SESSIONS, {"customer": str(unwilling.pk)}).json()["results"] == []
    assert {one["id"] for one in client.get(SESSIONS).json()["results"]} == {kept, nobodys}
    _say(client, kept, "hello")
    consents.withdraw(customer=willing, purpose="chat", by="user:test")
    assert client.get(f"{SESSIONS}{kept}/").status_code == 404
    assert not ChatMessage.objects.filter(session=kept).exists()


def test_words_stay_as_said_and_the_searched_copy_is_masked(client: APIClient) -> None:
    customer = person("chat", number="LOY-4711")
    session = _open(client, customer=str(customer.pk))
    text = (
        "My name is Jane Tremblay (LOY-4711), call 416-555-0199 about Pink Kush 20% THC at $29.95"
    )
    masked = "My name is [NAME] ([ACCOUNT]), call [PHONE] about Pink Kush 20% THC at $29.95"
    said = _say(client, session, text)
    assert (said["message_text"], said["masked_text"]) == (text, masked)
    row = ChatMessage.objects.get()
    assert (row.message_text, row.masked_text) == (text, masked)
    front = client_with("verified").get(f"{SESSIONS}{session}/messages/").json()["results"][0]
    assert "masked_text" not in front


def test_language_is_that_of_the_customers_first_messages(client: APIClient) -> None:
    session = _open(client)
    _say(client, session, "Welcome to the store, how may I help you?", role="assistant")
    _say(client, session, "OK")
    assert client.get(f"{SESSIONS}{session}/").json()["language"] is None
    _say(client, session, "avez-vous des jujubes à la framboise?")
    assert client.get(f"{SESSIONS}{session}/").json()["language"] == "fr"
    _say(client, session, "et du Pink Kush?")
    for _ in range(3):
        _say(client, session, "actually, let us speak English, what is in stock today?")
    assert client.get(f"{SESSIONS}{session}/").json()["language"] == "fr"


def test_messages_are_paged_in_their_order(client: APIClient) -> None:
    session = _open(client)
    for number in range(5):
        _say(client, session, f"message number {number}")
    other = _open(client)
    _say(client, other, "elsewhere")
    seen, address = [], f"{SESSIONS}{session}/messages/?limit=2"
    while address:
        page = client.get(address).json()
        seen += [one["message_text"] for one in page["results"]]
        address = page["next"]
    assert seen == [f"message number {number}" for number in range(5)]


def test_messages_of_any_month_are_found(client: APIClient) -> None:
    session = ChatSession.objects.get(pk=_open(client))
    old = ChatMessage.objects.create(
        id=uuid4(),
        session=session,
        message_text="x",
        role="staff",
        created_at=timezone.now() - timedelta(days=400),
    )
    judged = client.post(
        f"/api/v1/chat/messages/{old.id}/feedback/", {"is_helpful": True}, format="json"
    )
    assert judged.status_code == 200


def test_access_to_somebodys_conversation_is_noted_and_nobodys_is_not(client: APIClient) -> None:
    customer = person("chat")
    session, nobodys = _open(client, customer=str(customer.pk)), _open(client)
    for one in (session, nobodys):
        _say(client, one, "hello there")
        client.get(f"{SESSIONS}{one}/messages/")
        client.post(f"{SESSIONS}{one}/close/")
    client.get(SESSIONS, {"customer": str(customer.pk)})
    rows = PersonalAccess.objects.filter(action__startswith="chat.").order_by("at")
    assert [row.action for row in rows] == [
        "chat.open",
        "chat.append",
        "chat.read",
        "chat.close",
        "chat.list",
    ]
    assert {row.customer_id for row in rows} == {customer.pk}


@pytest.mark.parametrize(
    ("address", "body", "status", "field"),
    [
        (SESSIONS, {"customer": "x"}, 400, "customer"),
        (SESSIONS, {"customer": "6f9619ff-8b86-4011-b42d-00c04fc964ff"}, 400, "customer"),
        (SESSIONS, {"store": "nowhere"}, 400, "store"),
        (SESSIONS, {"language": "fr"}, 400, "language"),
        ("{session}messages/", {"message_text": ""}, 400, "message_text"),
        ("{session}messages/", {"message_text": "  "}, 400, "message_text"),
        ("{session}messages/", {"message_text": "a\x00b"}, 400, "message_text"),
        ("{session}messages/", {"message_text": "x" * 4001}, 400, "message_text"),
        ("{session}messages/", {"message_text": "x", "role": "robot"}, 400, "role"),
        ("/api/v1/chat/messages/{message}/feedback/", {"is_helpful": True}, 400, "message"),
        ("/api/v1/chat/messages/{message}/feedback/", {}, 400, "is_helpful"),
        (
            "/api/v1/chat/messages/6f9619ff-8b86-4011-b42d-00c04fc964ff/feedback/",
            {"is_helpful": True},
            404,
            "",
        ),
        (
            f"{SESSIONS}6f9619ff-8b86-4011-b42d-00c04fc964ff/messages/",
            {"message_text": "x"},
            404,
            "",
        ),
        (f"{SESSIONS}x/messages/", {"message_text": "x"}, 400, "id"),
    ],
)
def test_bad_input_is_told_by_field(
    client: APIClient, address: str, body: object, status: int, field: str
) -> None:
    session = _open(client)
    message = _say(client, session, "hello")["id"]
    answer = client.post(
        address.format(session=f"{SESSIONS}{session}/", message=message), body, format="json"
    )
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), (
        answer.content
    )
    assert field in (error["field"] for error in answer.json().get("errors", [{"field": ""}]))
    assert ChatMessage.objects.count() == 1


def test_who_may_not() -> None:
    session = _open(client_with())
    without = tuple(one for one in EVERYTHING if one != "chat:write")
    for refused in (client_with("public"), client_with("staff", without)):
        for answer in (
            refused.post(SESSIONS, {}, format="json"),
            refused.get(f"{SESSIONS}{session}/"),
            refused.post(f"{SESSIONS}{session}/messages/", {"message_text": "x"}, format="json"),
        ):
            assert answer.status_code == 403
    assert client_with("staff", ("chat:write",)).get(SESSIONS).status_code == 403
    assert APIClient().post(SESSIONS, {}, format="json").status_code == 401
