"""What of conversations leaves, and what may be sent of them."""

from typing import ClassVar

from rest_framework import serializers

from catalog.models import Store
from config.api.keys import Audience
from config.api.serializers import ModelResponseSerializer, ResponseSerializer
from customers.api.serializers import LANGUAGES
from customers.models import ChatMessage, ChatSession, CustomerProfile, MessageFeedback
from customers.services.chats import MAX_MESSAGE_LENGTH

_SESSION = ("id", "customer", "store", "language", "session_start", "session_end", "total_messages")
_MESSAGE = ("id", "role", "message_text", "language", "created_at")


class ChatSessionSerializer(ModelResponseSerializer):
    """A conversation; without a customer where they have not agreed that it be kept under them."""

    audiences: ClassVar = dict.fromkeys(_SESSION, Audience.VERIFIED)
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code", read_only=True, allow_null=True, help_text="its code"
    )
    language = serializers.ChoiceField(
        choices=LANGUAGES,
        read_only=True,
        allow_null=True,
        help_text="told by the customer's first messages",
    )

    class Meta:
        model = ChatSession
        fields = _SESSION
        read_only_fields = fields


class NewChatSessionSerializer(ResponseSerializer):
    """Whose conversation begins, and where."""

    audiences: ClassVar = {"customer": Audience.VERIFIED, "store": Audience.VERIFIED}
    customer = serializers.PrimaryKeyRelatedField(
        queryset=CustomerProfile.objects.all(),
        required=False,
        allow_null=True,
        help_text="id; kept only with their consent `chat`",
        pk_field=serializers.UUIDField(),
    )
    store: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Store.objects.all(),
        required=False,
        allow_null=True,
        help_text="its code",
    )


class ChatMessageSerializer(ModelResponseSerializer):
    """A message: the words as said; staff see the copy that is searched, too."""

    audiences: ClassVar = {
        **dict.fromkeys(_MESSAGE, Audience.VERIFIED),
        "redacted_text": Audience.STAFF,
    }
    id = serializers.UUIDField(read_only=True)
    message_text = serializers.CharField(read_only=True)

    class Meta:
        model = ChatMessage
        fields = (*_MESSAGE, "redacted_text")
        read_only_fields = fields


class NewChatMessageSerializer(ResponseSerializer):
    """What is said, and by whom."""

    audiences: ClassVar = {"message_text": Audience.VERIFIED, "role": Audience.VERIFIED}
    message_text = serializers.CharField(max_length=MAX_MESSAGE_LENGTH)
    role = serializers.ChoiceField(
        choices=ChatMessage.Role.choices, default=ChatMessage.Role.CUSTOMER
    )


class NewFeedbackSerializer(ResponseSerializer):
    """Whether an answer helped."""

    audiences: ClassVar = {"is_helpful": Audience.VERIFIED, "comment": Audience.VERIFIED}
    is_helpful = serializers.BooleanField()
    comment = serializers.CharField(max_length=500, required=False, allow_blank=True)


class FeedbackSerializer(ModelResponseSerializer):
    """Whether an answer helped; the comment without what tells who the person is."""

    audiences: ClassVar = dict.fromkeys(
        ("id", "message_id", "is_helpful", "comment", "given_at"), Audience.VERIFIED
    )

    class Meta:
        model = MessageFeedback
        fields = ("id", "message_id", "is_helpful", "comment", "given_at")
        read_only_fields = fields
