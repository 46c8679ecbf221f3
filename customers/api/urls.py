"""Addresses of people and conversations."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from customers.api.chats import ChatMessageViewSet, ChatSessionViewSet
from customers.api.recommendations import (
    FeedbackView,
    PersonRecommendationsView,
    VisitRecommendationsView,
)
from customers.api.views import ConsentTextsView, CustomerViewSet

router = SimpleRouter()
router.trailing_slash = "/?"  # both ways of writing an address answer; neither redirects
router.register("customers", CustomerViewSet, basename="customer")
router.register("chat/sessions", ChatSessionViewSet, basename="chat-session")
router.register("chat/messages", ChatMessageViewSet, basename="chat-message")
urlpatterns = [
    *router.urls,
    re_path(r"^consent-texts/?$", ConsentTextsView.as_view(), name="consent-texts"),
    re_path(r"^recommendations/?$", VisitRecommendationsView.as_view(), name="recommendations"),
    re_path(
        r"^recommendations/feedback/?$", FeedbackView.as_view(), name="recommendations-feedback"
    ),
    re_path(
        r"^recommendations/(?P<customer_id>[^/]+)/?$",
        PersonRecommendationsView.as_view(),
        name="recommendations-for",
    ),
]
