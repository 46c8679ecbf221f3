"""People, what they agreed to, what they buy, do and say, and what is recommended to them."""

from customers.models.chats import ChatMessage, ChatSession, MessageFeedback
from customers.models.history import Interaction, Purchase
from customers.models.profiles import Consent, ConsentText, CustomerProfile, PersonalAccess
from customers.models.recommendations import (
    ProductHabit,
    ProductNeighbor,
    ProductPopularity,
    Recommendation,
    RecommendationFeedback,
    Rule,
    Scenario,
    ShopHabits,
)

__all__ = [
    "ChatMessage",
    "ChatSession",
    "Consent",
    "ConsentText",
    "CustomerProfile",
    "Interaction",
    "MessageFeedback",
    "PersonalAccess",
    "ProductHabit",
    "ProductNeighbor",
    "ProductPopularity",
    "Purchase",
    "Recommendation",
    "RecommendationFeedback",
    "Rule",
    "Scenario",
    "ShopHabits",
]
