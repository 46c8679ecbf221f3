"""Conversations: opened, appended to, closed, told whether they helped. Kept under a person only where they agreed."""

from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from catalog.models import Store
from config.errors import BadInput, Conflict
from customers.masking import mask
from customers.masking.language import language_of, language_of_all
from customers.models import ChatMessage, ChatSession, ConsentText, CustomerProfile, MessageFeedback
from customers.services.access import note
from customers.services.consents import open_purposes

LONGEST_MESSAGE = 4000
_TELLING = 3
"""By how many of the customer's first messages the language of a conversation is told."""


class ChatClosed(Conflict):
    """Nothing is added to a conversation that has ended."""

    code = "chat-closed"

    def __init__(self) -> None:
        super().__init__("This conversation is closed.", [("session", "is closed")])


@transaction.atomic
def open_session(*, customer: CustomerProfile | None, store: Store | None, by: str) -> ChatSession:
    """Begin a conversation; it is nobody's where the person has not agreed that it be kept under them."""
    kept = None
    if customer:
        # Locked, so that a consent withdrawn at the same moment finds the conversation.
        held = CustomerProfile.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if ConsentText.Purpose.CHAT in open_purposes(held):
            kept = held
    session = ChatSession.objects.create(customer=kept, store=store)
    _note(session, by, "chat.open")
    session.refresh_from_db()
    return session


@transaction.atomic
def append(*, session: ChatSession, role: str, text: str, by: str) -> ChatMessage:
    """
    Add a message: the words as said, and the copy that may be searched, without what tells who the person is.

    Raises ChatClosed, BadInput.
    """
    words = text.strip()
    if not words or len(words) > LONGEST_MESSAGE or "\x00" in words:
        raise BadInput("message_text", f"must have 1 to {LONGEST_MESSAGE} characters")
    if role not in ChatMessage.Role.values:
        raise BadInput("role", f"must be one of {', '.join(ChatMessage.Role.values)}")
    held = _open(session)
    message: ChatMessage = ChatMessage.objects.create(
        id=uuid4(),
        session=held,
        message_text=words,
        role=role,
        language=language_of(words),
        masked_text=mask(words, known=_known(held)),
        created_at=timezone.now(),
    )
    changes = {"total_messages": F("total_messages") + 1}
    if role == ChatMessage.Role.CUSTOMER and (told := _language(held)):
        changes["language"] = told  # type: ignore[assignment]  # F is one of the values
    ChatSession.objects.filter(pk=held.pk).update(**changes)
    _note(held, by, "chat.append")
    return message


@transaction.atomic
def close(*, session: ChatSession, by: str) -> ChatSession:
    """End a conversation; one that has ended stays as it is."""
    if ChatSession.objects.filter(pk=session.pk, session_end=None).update(session_end=Now()):
        _note(session, by, "chat.close")
    session.refresh_from_db()
    return session


@transaction.atomic
def give_feedback(
    *, message: ChatMessage, is_helpful: bool, comment: str, by: str
) -> MessageFeedback:
    """Note whether an answer helped; said again, the last word holds. Raises BadInput for a message of the customer's."""
    if message.role == ChatMessage.Role.CUSTOMER:
        raise BadInput("message", "is the customer's; feedback is given on answers")
    session = message.session
    if session is None:
        raise BadInput("message", "belongs to no conversation")
    feedback, _ = MessageFeedback.objects.update_or_create(
        message_id=message.id,
        defaults={
            "session": session,
            "is_helpful": is_helpful,
            "comment": mask(comment, known=_known(session))[:500],
            "given_at": timezone.now(),
        },
    )
    _note(session, by, "chat.feedback")
    return feedback


def read(*, session: ChatSession, by: str) -> ChatSession:
    """Note that a conversation was read, where it is somebody's; return it."""
    _note(session, by, "chat.read")
    return session


def message_of(pk: UUID) -> ChatMessage | None:
    """Return a message by its id, whichever month it lies in."""
    return (
        ChatMessage.objects.select_related("session__customer")
        .filter(id=pk)
        .order_by("created_at")
        .first()
    )


def _open(session: ChatSession) -> ChatSession:
    held = ChatSession.objects.select_for_update().filter(pk=session.pk).first()
    if held is None or held.session_end:
        raise ChatClosed
    return held


def _known(session: ChatSession) -> tuple[str, ...]:
    return (session.customer.external_customer_id,) if session.customer else ()


def _language(session: ChatSession) -> str:
    """Return the language of the customer's first messages, the newest among them; empty once they are past, or unclear."""
    first = session.messages.filter(role=ChatMessage.Role.CUSTOMER).order_by("created_at")[
        : _TELLING + 1
    ]
    texts = [message.message_text or "" for message in first]
    return language_of_all(texts) if len(texts) <= _TELLING else ""


def _note(session: ChatSession, by: str, action: str) -> None:
    if session.customer_id:
        note(customer=session.customer_id, actor=by, action=action)
