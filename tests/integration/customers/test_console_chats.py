"""Conversations in the console: read as said, found by masked words, looks noted."""

import pytest
from django.test import Client

from customers.models import PersonalAccess
from customers.services import chats
from tests.integration.customer_data import person

pytestmark = pytest.mark.django_db
LIST = "/console/customers/chatsession/"


def test_conversation_is_read_as_said_and_the_look_is_noted(admin_client: Client) -> None:
    customer = person("chat")
    session = chats.open_session(customer=customer, store=None, by="user:test")
    chats.append(
        session=session, role="customer", text="My name is Jane <b>Tremblay</b>", by="user:test"
    )
    answer = chats.append(
        session=session, role="assistant", text="Hello, what may I find for you?", by="user:test"
    )
    chats.give_feedback(message=answer, is_helpful=True, comment="nice", by="user:test")
    page = admin_client.get(f"{LIST}{session.pk}/change/").content.decode()
    assert "My name is Jane &lt;b&gt;Tremblay&lt;/b&gt;" in page
    assert "It helped. nice" in page
    last = PersonalAccess.objects.filter(customer_id=customer.pk).order_by("at").last()
    assert last is not None
    assert (last.actor, last.action) == ("user:admin", "chat.read")


def test_conversations_are_found_by_words_that_may_be_searched(admin_client: Client) -> None:
    session = chats.open_session(customer=None, store=None, by="user:test")
    chats.append(
        session=session,
        role="customer",
        text="I'm Jane Tremblay, is Pink Kush back?",
        by="user:test",
    )
    address = f"{LIST}{session.pk}/change/"
    assert address in admin_client.get(LIST, {"q": "kush back"}).content.decode()
    for other in ("Tremblay", "sativa"):
        assert address not in admin_client.get(LIST, {"q": other}).content.decode()


def test_conversations_are_not_written(admin_client: Client, client: Client) -> None:
    session = chats.open_session(customer=None, store=None, by="user:test")
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{session.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(LIST).status_code == 302
