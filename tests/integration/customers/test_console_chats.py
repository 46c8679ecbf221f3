"""Tests of the console pages of chat sessions."""

import pytest
from django.test import Client

from customers.models import PersonalAccess
from customers.services import chats
from tests.factories.customers import CustomerFactory

pytestmark = pytest.mark.django_db
LIST = "/console/customers/chatsession/"


def test_session_page_shows_messages_and_logs_the_access(admin_client: Client) -> None:
    customer = CustomerFactory.create(consents=("chat",))
    session = chats.open_session(customer=customer, store=None, by="user:test")
    chats.append_message(
        session=session, role="customer", text="My name is Jane <b>Tremblay</b>", by="user:test"
    )
    reply = chats.append_message(
        session=session, role="assistant", text="Hello, what may I find for you?", by="user:test"
    )
    chats.give_feedback(message=reply, is_helpful=True, comment="nice", by="user:test")

    page = admin_client.get(f"{LIST}{session.pk}/change/").content.decode()

    entry = PersonalAccess.objects.filter(customer_id=customer.pk).order_by("accessed_at").last()
    assert "My name is Jane &lt;b&gt;Tremblay&lt;/b&gt;" in page
    assert "Helpful. nice" in page
    assert entry is not None
    assert (entry.actor, entry.action) == ("user:admin", "chat.read")


def test_sessions_are_searched_by_redacted_text(admin_client: Client) -> None:
    session = chats.open_session(customer=None, store=None, by="user:test")
    chats.append_message(
        session=session,
        role="customer",
        text="I'm Jane Tremblay, is Pink Kush back?",
        by="user:test",
    )
    link = f"{LIST}{session.pk}/change/"

    def search(query: str) -> str:
        return admin_client.get(LIST, {"q": query}).content.decode()

    assert link in search("kush back")
    assert link not in search("Tremblay")
    assert link not in search("sativa")


def test_sessions_are_read_only(admin_client: Client, client: Client) -> None:
    session = chats.open_session(customer=None, store=None, by="user:test")

    add = admin_client.get(f"{LIST}add/")
    delete = admin_client.post(f"{LIST}{session.pk}/delete/", {"post": "yes"})
    anonymous = client.get(LIST)

    assert add.status_code == 403
    assert delete.status_code == 403
    assert anonymous.status_code == 302
