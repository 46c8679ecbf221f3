"""Serializers of chat sessions, messages and feedback."""

from typing import ClassVar

from rest_framework import serializers

from catalog.selectors.stores import all_stores
from config.api.keys import Audience
from config.api.serializers import ModelResponseSerializer, ResponseSerializer
from customers.api.serializers import LANGUAGES, verified_audience
from customers.models import ChatMessage, ChatSession, MessageFeedback
from customers.selectors.profiles import all_customers
from customers.services.chats import MAX_COMMENT_LENGTH, MAX_MESSAGE_LENGTH

_SESSION_FIELDS = (
    "id",
    "customer_id",
    "store_code",
    "language",
    "started_at",
    "ended_at",
    "message_count",
)
_MESSAGE_FIELDS = ("id", "role", "text", "language", "created_at")
_FEEDBACK_FIELDS = ("id", "message_id", "helpful", "comment", "given_at")


class ChatSessionSerializer(ModelResponseSerializer):
    """A chat session; anonymous without the customer's consent `chat`."""

    audiences: ClassVar = verified_audience(*_SESSION_FIELDS)
    customer_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="Id of the customer; null if anonymous."
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        read_only=True,
        allow_null=True,
        help_text="Code of the store; null for none.",
    )
    language = serializers.ChoiceField(
        choices=LANGUAGES,
        read_only=True,
        allow_null=True,
        help_text="Language detected from the customer's first messages; null if undecided.",
    )
    started_at = serializers.DateTimeField(
        source="session_start", read_only=True, help_text="Time of the start."
    )
    ended_at = serializers.DateTimeField(
        source="session_end",
        read_only=True,
        allow_null=True,
        help_text="Time of the end; null while the session is open.",
    )
    message_count = serializers.IntegerField(
        source="total_messages", read_only=True, help_text="Number of messages."
    )

    class Meta:
        model = ChatSession
        fields = _SESSION_FIELDS
        read_only_fields = fields
        extra_kwargs: ClassVar = {"id": {"help_text": "Id of the session."}}


class ChatSessionRequestSerializer(ResponseSerializer):
    """Request to open a chat session."""

    audiences: ClassVar = verified_audience("customer_id", "store_code")
    customer_id = serializers.PrimaryKeyRelatedField(
        source="customer",
        queryset=all_customers(),
        required=False,
        allow_null=True,
        help_text="Id of the customer; stored only with their consent `chat`.",
        pk_field=serializers.UUIDField(),
    )
    store_code: serializers.SlugRelatedField = serializers.SlugRelatedField(
        source="store",
        slug_field="code",
        queryset=all_stores(),
        required=False,
        allow_null=True,
        help_text="Code of the store.",
    )


class ChatMessageSerializer(ModelResponseSerializer):
    """A message: the original text; for staff, the redacted copy for search as well."""

    audiences: ClassVar = {
        **verified_audience(*_MESSAGE_FIELDS),
        "redacted_text": Audience.STAFF,
    }
    id = serializers.UUIDField(read_only=True, help_text="Id of the message.")
    text = serializers.CharField(
        source="message_text", read_only=True, help_text="Text as it was written."
    )

    class Meta:
        model = ChatMessage
        fields = (*_MESSAGE_FIELDS, "redacted_text")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "role": {"help_text": "Author of the message."},
            "language": {"help_text": "Detected language: `en`, `fr`, or empty if undecided."},
            "created_at": {"help_text": "Time of the message."},
            "redacted_text": {"help_text": "Text with personal data masked, for search."},
        }


class ChatMessageRequestSerializer(ResponseSerializer):
    """Request to append a message."""

    audiences: ClassVar = verified_audience("text", "role")
    text = serializers.CharField(max_length=MAX_MESSAGE_LENGTH, help_text="Text of the message.")
    role = serializers.ChoiceField(
        choices=ChatMessage.Role.choices,
        default=ChatMessage.Role.CUSTOMER,
        help_text="Author of the message.",
    )


class MessageFeedbackRequestSerializer(ResponseSerializer):
    """Request to record feedback on a reply."""

    audiences: ClassVar = verified_audience("helpful", "comment")
    helpful = serializers.BooleanField(help_text="Whether the reply was helpful.")
    comment = serializers.CharField(
        max_length=MAX_COMMENT_LENGTH,
        required=False,
        allow_blank=True,
        help_text="Comment; personal data is masked before it is stored.",
    )


class MessageFeedbackSerializer(ModelResponseSerializer):
    """Feedback on a reply."""

    audiences: ClassVar = verified_audience(*_FEEDBACK_FIELDS)
    helpful = serializers.BooleanField(
        source="is_helpful", read_only=True, help_text="Whether the reply was helpful."
    )

    class Meta:
        model = MessageFeedback
        fields = _FEEDBACK_FIELDS
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "id": {"help_text": "Id of the feedback."},
            "message_id": {"help_text": "Id of the message."},
            "comment": {"help_text": "Comment with personal data masked."},
            "given_at": {"help_text": "Time of the latest feedback."},
        }
