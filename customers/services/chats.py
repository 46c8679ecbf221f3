"""Chat sessions: open, append messages, close, record feedback."""

from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Store
from config.errors import BadInput, Conflict
from customers.masking import mask
from customers.masking.language import detect_common_language, detect_language
from customers.models import ChatMessage, ChatSession, ConsentText, CustomerProfile, MessageFeedback
from customers.selectors.consents import active_purposes
from customers.services.access import log_access

MAX_MESSAGE_LENGTH = 4000
MAX_COMMENT_LENGTH = 500
_MAX_LANGUAGE_MESSAGES = 3
"""The language of a session is detected from this number of the customer's first messages."""


class ChatClosed(Conflict):
    """The chat session has ended; no message can be added."""

    code = "chat_closed"

    def __init__(self) -> None:
        super().__init__(
            gettext("This chat session is closed."), [("session", gettext("is closed"))]
        )


@transaction.atomic
def open_session(*, customer: CustomerProfile | None, store: Store | None, by: str) -> ChatSession:
    """Create a chat session, linked to the customer only with their consent `chat`."""
    linked_customer = None
    if customer:
        # The lock lets a consent withdrawn at the same moment find the session.
        profile = CustomerProfile.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if ConsentText.Purpose.CHAT in active_purposes(profile):
            linked_customer = profile
    session = ChatSession.objects.create(customer=linked_customer, store=store)
    _log_access(session, by, "chat.open")
    session.refresh_from_db()
    return session


@transaction.atomic
def append_message(*, session: ChatSession, role: str, text: str, by: str) -> ChatMessage:
    """
    Append a message: the original text and a redacted copy for search.

    Raises ChatClosed, BadInput.
    """
    text = text.strip()
    if not text or len(text) > MAX_MESSAGE_LENGTH or "\x00" in text:
        raise BadInput(
            "text",
            gettext("must have 1 to %(maximum)s characters") % {"maximum": MAX_MESSAGE_LENGTH},
        )
    if role not in ChatMessage.Role.values:
        raise BadInput(
            "role",
            gettext("must be one of %(choices)s") % {"choices": ", ".join(ChatMessage.Role.values)},
        )
    locked_session = _lock_open_session(session)
    message: ChatMessage = ChatMessage.objects.create(
        id=uuid4(),
        session=locked_session,
        message_text=text,
        role=role,
        language=detect_language(text),
        redacted_text=mask(text, known=_known_identifiers(locked_session)),
        created_at=timezone.now(),
    )
    changes: dict[str, Any] = {"total_messages": F("total_messages") + 1}
    if role == ChatMessage.Role.CUSTOMER and (language := _session_language(locked_session)):
        changes["language"] = language
    ChatSession.objects.filter(pk=locked_session.pk).update(**changes)
    _log_access(locked_session, by, "chat.append")
    return message


@transaction.atomic
def close_session(*, session: ChatSession, by: str) -> ChatSession:
    """End a chat session; a closed session keeps the time at which it was closed."""
    if ChatSession.objects.filter(pk=session.pk, session_end=None).update(session_end=Now()):
        _log_access(session, by, "chat.close")
    session.refresh_from_db()
    return session


@transaction.atomic
def give_feedback(
    *, message: ChatMessage, is_helpful: bool, comment: str, by: str
) -> MessageFeedback:
    """
    Record whether a reply was helpful; new feedback replaces earlier feedback on the same message.

    Raises BadInput for a message of the customer.
    """
    if message.role == ChatMessage.Role.CUSTOMER:
        raise BadInput("message", gettext("is the customer's; feedback is given on replies"))
    session = message.session
    if session is None:
        raise BadInput("message", gettext("belongs to no chat session"))
    redacted_comment = mask(comment, known=_known_identifiers(session))
    feedback, _ = MessageFeedback.objects.update_or_create(
        message_id=message.id,
        defaults={
            "session": session,
            "is_helpful": is_helpful,
            "comment": redacted_comment[:MAX_COMMENT_LENGTH],
            "given_at": timezone.now(),
        },
    )
    _log_access(session, by, "chat.feedback")
    return feedback


def read_session(*, session: ChatSession, by: str) -> ChatSession:
    """Return a session after logging the access, which is logged only if it has a customer."""
    _log_access(session, by, "chat.read")
    return session


def _lock_open_session(session: ChatSession) -> ChatSession:
    locked_session = ChatSession.objects.select_for_update().filter(pk=session.pk).first()
    if locked_session is None or locked_session.session_end:
        raise ChatClosed
    return locked_session


def _known_identifiers(session: ChatSession) -> tuple[str, ...]:
    return (session.customer.external_customer_id,) if session.customer else ()


def _session_language(session: ChatSession) -> str:
    """
    Return the language of the customer's first messages, including the newest one.

    Empty when it is unclear, or when the newest message is not among the first ones.
    """
    first_messages = session.messages.filter(role=ChatMessage.Role.CUSTOMER).order_by("created_at")
    texts = [message.message_text or "" for message in first_messages[: _MAX_LANGUAGE_MESSAGES + 1]]
    if len(texts) > _MAX_LANGUAGE_MESSAGES:
        return ""
    return detect_common_language(texts)


def _log_access(session: ChatSession, by: str, action: str) -> None:
    if session.customer_id:
        log_access(customer=session.customer_id, actor=by, action=action)
