"""Console pages of chat sessions, searchable by the redacted text of their messages."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from customers.models import ChatMessage, ChatSession, MessageFeedback
from customers.services import chats
from mlops.admin.read_only import ReadOnlyAdmin

_MAX_MESSAGES = 200


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    """Chat sessions; a view of a customer's session is recorded in the access log."""

    list_display = (
        "session_start",
        "session_end",
        "language",
        "store",
        "total_messages",
        "has_customer",
    )
    list_filter = ("language", "store")
    list_select_related = ("store",)
    search_fields = ("id__exact",)
    search_help_text = "words of a message, personal data excluded"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("session_start", "session_end"),
                    ("language", "store"),
                    ("customer", "total_messages"),
                )
            },
        ),
        ("Conversation", {"fields": ("conversation",)}),
    )

    @admin.display(description="linked to a customer", boolean=True)
    def has_customer(self, session: ChatSession) -> bool:
        """Return whether the session is linked to a customer."""
        return session.customer_id is not None

    @admin.display(description="messages")
    def conversation(self, session: ChatSession) -> SafeString:
        """Return the first messages in their order, with the feedback on replies."""
        shown = list(session.messages.order_by("created_at", "id")[:_MAX_MESSAGES])
        feedback_by_message = {
            feedback.message_id: feedback
            for feedback in MessageFeedback.objects.filter(session=session)
        }
        context = {
            "messages": [(message, feedback_by_message.get(message.id)) for message in shown],
            "more_count": max((session.total_messages or 0) - len(shown), 0),
        }
        return SafeString(render_to_string("admin/customers/chatsession/messages.html", context))

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[ChatSession], search_term: str
    ) -> tuple[QuerySet[ChatSession], bool]:
        """Return the sessions whose redacted messages contain every word."""
        for word in search_term.split():
            matching = ChatMessage.objects.filter(
                session=OuterRef("pk"), redacted_text__icontains=word
            )
            queryset = queryset.filter(Exists(matching))
        return queryset, False

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Return the page; log the access."""
        session = self.get_object(request, object_id)
        if session is not None and self.has_view_permission(request, session):
            chats.read_session(session=session, by=f"user:{request.user.get_username()}")
        return super().change_view(request, object_id, *args, **kwargs)  # type: ignore[no-any-return]
