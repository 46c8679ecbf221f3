"""Addresses of people and conversations."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from customers.api.chats import ChatMessageViewSet, ChatSessionViewSet
from customers.api.views import ConsentTextsView, CustomerViewSet

router = SimpleRouter()
router.trailing_slash = "/?"  # both ways of writing an address answer; neither redirects
router.register("customers", CustomerViewSet, basename="customer")
router.register("chat/sessions", ChatSessionViewSet, basename="chat-session")
router.register("chat/messages", ChatMessageViewSet, basename="chat-message")
urlpatterns = [*router.urls, re_path(r"^consent-texts/?$", ConsentTextsView.as_view(), name="consent-texts")]
