"""Console pages of chat sessions, searchable by the redacted text of their messages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from customers.models import ChatSession
from customers.selectors.chats import feedback_by_message, messages_of, sessions_with_words
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
    search_help_text = _("words of a message, personal data excluded")
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
        (_("Conversation"), {"fields": ("conversation",)}),
    )

    @admin.display(description=_("linked to a customer"), boolean=True)
    def has_customer(self, session: ChatSession) -> bool:
        """Return whether the session is linked to a customer."""
        return session.customer_id is not None

    @admin.display(description=_("messages"))
    def conversation(self, session: ChatSession) -> SafeString:
        """Return the first messages in their order, with the feedback on replies."""
        shown = list(messages_of(session)[:_MAX_MESSAGES])
        feedback = feedback_by_message(session)
        context = {
            "messages": [(message, feedback.get(message.id)) for message in shown],
            "more_count": max((session.total_messages or 0) - len(shown), 0),
        }
        return SafeString(render_to_string("admin/customers/chatsession/messages.html", context))

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[ChatSession], search_term: str
    ) -> tuple[QuerySet[ChatSession], bool]:
        """Return the sessions whose redacted messages contain every word."""
        return sessions_with_words(queryset, search_term.split()), False

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Return the page; log the access."""
        session = self.get_object(request, object_id)
        if session is not None and self.has_view_permission(request, session):
            chats.read_session(session=session, by=f"user:{request.user.get_username()}")
        return super().change_view(request, object_id, *args, **kwargs)  # type: ignore[no-any-return]
