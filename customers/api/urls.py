"""URLs of customers, chats and recommendations."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from customers.api import event_examples, problem_types  # noqa: F401  # register themselves
from customers.api.chats import ChatMessageViewSet, ChatSessionViewSet
from customers.api.recommendations import (
    CustomerRecommendationsView,
    RecommendationFeedbackView,
    SessionRecommendationsView,
)
from customers.api.views import ConsentTextsView, CustomerViewSet

router = SimpleRouter()
router.trailing_slash = "/?"  # URLs with and without a trailing slash respond; neither redirects
router.register("customers", CustomerViewSet, basename="customer")
router.register("chat/sessions", ChatSessionViewSet, basename="chat-session")
router.register("chat/messages", ChatMessageViewSet, basename="chat-message")
urlpatterns = [
    *router.urls,
    re_path(r"^consent-texts/?$", ConsentTextsView.as_view(), name="consent-texts"),
    re_path(r"^recommendations/?$", SessionRecommendationsView.as_view(), name="recommendations"),
    re_path(
        r"^recommendations/feedback/?$",
        RecommendationFeedbackView.as_view(),
        name="recommendations-feedback",
    ),
    re_path(
        r"^recommendations/(?P<customer_id>[^/]+)/?$",
        CustomerRecommendationsView.as_view(),
        name="customer-recommendations",
    ),
]
