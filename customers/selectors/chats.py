"""Chat sessions, their messages and the feedback on them."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from customers.models import ChatMessage, ChatSession, CustomerProfile, MessageFeedback


def all_sessions() -> QuerySet[ChatSession]:
    """Return all chat sessions with their stores, the newest first."""
    return ChatSession.objects.select_related("store")


def sessions_of(customer: CustomerProfile) -> QuerySet[ChatSession]:
    """Return the chat sessions of a customer with their stores, the newest first."""
    return all_sessions().filter(customer=customer)


def find_session(pk: UUID) -> ChatSession | None:
    """Return a chat session with its store and customer; None for an unknown id. One query."""
    return all_sessions().select_related("customer__store").filter(pk=pk).first()


def sessions_with_words(
    sessions: QuerySet[ChatSession], words: Iterable[str]
) -> QuerySet[ChatSession]:
    """Return the sessions whose redacted messages contain every word."""
    for word in words:
        matching = ChatMessage.objects.filter(session=OuterRef("pk"), redacted_text__icontains=word)
        sessions = sessions.filter(Exists(matching))
    return sessions


def all_messages() -> QuerySet[ChatMessage]:
    """Return the messages of all chat sessions."""
    return ChatMessage.objects.all()


def messages_of(session: ChatSession) -> QuerySet[ChatMessage]:
    """Return the messages of a chat session, the oldest first."""
    return ChatMessage.objects.filter(session=session).order_by("created_at", "id")


def find_message(pk: UUID) -> ChatMessage | None:
    """Return a message by its id, from whichever monthly partition; None when it does not exist."""
    return (
        ChatMessage.objects.select_related("session__customer__store", "session__store")
        .filter(id=pk)
        .order_by("created_at")
        .first()
    )


def feedback_by_message(session: ChatSession) -> dict[UUID, MessageFeedback]:
    """Return the feedback on the messages of a chat session, by message id. One query."""
    feedback = MessageFeedback.objects.filter(session=session)
    return {item.message_id: item for item in feedback}
