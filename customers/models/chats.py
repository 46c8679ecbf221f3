"""Conversations, as in the schema."""

from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from psqlextra.models import PostgresPartitionedModel
from psqlextra.types import PostgresPartitioningMethod

from catalog.models import Store
from customers.models.profiles import CustomerProfile


class ChatSession(models.Model):
    """A conversation (table `chat_sessions`); without a customer it is somebody's who is not known."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    customer = models.ForeignKey(
        CustomerProfile, on_delete=models.CASCADE, null=True, related_name="chats"
    )
    session_start = models.DateTimeField(db_default=Now(), null=True)
    session_end = models.DateTimeField(null=True)
    language = models.CharField(max_length=5, null=True)
    total_messages = models.IntegerField(db_default=0, null=True)
    store = models.ForeignKey(Store, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "chat_sessions"
        ordering = ("-session_start",)
        indexes = [models.Index(fields=["-session_start", "id"], name="chat_sessions_newest")]

    def __str__(self) -> str:
        return str(self.pk)


class ChatMessage(PostgresPartitionedModel):
    """A message of a conversation, by month of `created_at` (table `chat_messages`)."""

    class Role(models.TextChoices):
        """Who speaks."""

        CUSTOMER = "customer"
        ASSISTANT = "assistant"
        STAFF = "staff"

    # PostgreSQL wants the column it partitions by in the key.
    pk = models.CompositePrimaryKey("id", "created_at")
    id = models.UUIDField(db_default=RandomUUID(), editable=False)  # type: ignore[assignment]  # there: a number
    session = models.ForeignKey(
        ChatSession, on_delete=models.CASCADE, null=True, related_name="messages"
    )
    message_text = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    role = models.CharField(
        max_length=9, choices=Role, default=Role.CUSTOMER, db_default="customer"
    )
    language = models.CharField(max_length=2, blank=True, default="", db_default="")
    masked_text = models.TextField(
        blank=True,
        default="",
        db_default="",
        db_comment="what may be searched: without what tells who a person is",
    )

    class Meta:
        db_table = "chat_messages"
        indexes = [
            models.Index(fields=["session", "created_at"], name="chat_messages_of_session"),
            GinIndex(OpClass(F("masked_text"), name="gin_trgm_ops"), name="chat_messages_words"),
        ]

    class PartitioningMeta:
        method = PostgresPartitioningMethod.RANGE
        key = ["created_at"]

    def __str__(self) -> str:
        return str(self.pk)


class MessageFeedback(models.Model):
    """Whether an answer helped (table `message_feedback`)."""

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="feedback")
    # No foreign key: it would have to name the partition's key, and hold old partitions back from being dropped.
    message_id = models.UUIDField()
    is_helpful = models.BooleanField()
    comment = models.CharField(
        max_length=500, blank=True, db_comment="without what tells who a person is"
    )
    given_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "message_feedback"
        constraints = [models.UniqueConstraint(fields=["message_id"], name="message_feedback_once")]

    def __str__(self) -> str:
        return f"{self.message_id}: {self.is_helpful}"
