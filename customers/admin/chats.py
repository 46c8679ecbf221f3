"""Conversations as they were had; found by their masked words."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from customers.models import ChatMessage, ChatSession, MessageFeedback
from customers.services import chats
from mlops.admin.reading import ReadOnlyAdmin

_MESSAGES_SHOWN = 200


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    """Conversations; a look at somebody's is noted."""

    list_display = (
        "session_start",
        "session_end",
        "language",
        "store",
        "total_messages",
        "is_somebodys",
    )
    list_filter = ("language", "store")
    list_select_related = ("store",)
    search_fields = ("id__exact",)
    search_help_text = "words of a message, as they may be searched"
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
        ("What was said", {"fields": ("messages_said",)}),
    )

    @admin.display(description="kept under a customer", boolean=True)
    def is_somebodys(self, session: ChatSession) -> bool:
        """Say whether somebody agreed that it be kept under them."""
        return session.customer_id is not None

    @admin.display(description="messages")
    def messages_said(self, session: ChatSession) -> SafeString:
        """Show the first messages in their order, with what was told of answers."""
        rows = list(session.messages.order_by("created_at", "id")[:_MESSAGES_SHOWN])
        told = {one.message_id: one for one in MessageFeedback.objects.filter(session=session)}
        said = [(message, told.get(message.id)) for message in rows]
        more = (session.total_messages or 0) - len(rows)
        return SafeString(
            render_to_string(
                "admin/customers/chatsession/said.html", {"said": said, "more": max(more, 0)}
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChatSession], search_term: str
    ) -> tuple[QuerySet[ChatSession], bool]:
        """Find conversations by the copy of their messages that may be searched, never by the words as said."""
        for word in search_term.split():
            said = ChatMessage.objects.filter(session=OuterRef("pk"), masked_text__icontains=word)
            queryset = queryset.filter(Exists(said))
        return queryset, False

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **named: Any
    ) -> HttpResponse:
        """Show the page; note that somebody looked."""
        session = self.get_object(request, object_id)
        if session is not None and self.has_view_permission(request, session):
            chats.read(session=session, by=f"user:{request.user.get_username()}")
        return super().change_view(request, object_id, *args, **named)  # type: ignore[no-any-return]
