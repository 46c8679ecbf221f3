"""People, what they agreed to, what they buy, do and say."""

from customers.models.chats import ChatMessage, ChatSession, MessageFeedback
from customers.models.history import Interaction, Purchase
from customers.models.profiles import Consent, ConsentText, CustomerProfile, PersonalAccess

__all__ = [
    "ChatMessage",
    "ChatSession",
    "Consent",
    "ConsentText",
    "CustomerProfile",
    "Interaction",
    "MessageFeedback",
    "PersonalAccess",
    "Purchase",
]
