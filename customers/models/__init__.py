"""Models: customers, consents, purchases, interactions, chats and recommendations."""

from customers.models.chats import ChatMessage, ChatSession, MessageFeedback
from customers.models.history import Interaction, Purchase
from customers.models.profiles import Consent, ConsentText, CustomerProfile, PersonalAccess
from customers.models.recommendations import (
    BusinessRule,
    ProductNeighbor,
    ProductPopularity,
    ProductRepeatStatistics,
    Recommendation,
    RecommendationFeedback,
    Scenario,
    StoreRepeatStatistics,
)

__all__ = [
    "BusinessRule",
    "ChatMessage",
    "ChatSession",
    "Consent",
    "ConsentText",
    "CustomerProfile",
    "Interaction",
    "MessageFeedback",
    "PersonalAccess",
    "ProductNeighbor",
    "ProductPopularity",
    "ProductRepeatStatistics",
    "Purchase",
    "Recommendation",
    "RecommendationFeedback",
    "Scenario",
    "StoreRepeatStatistics",
]
