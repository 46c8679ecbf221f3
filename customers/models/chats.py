"""Chat sessions, messages and feedback."""

from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from psqlextra.models import PostgresPartitionedModel
from psqlextra.types import PostgresPartitioningMethod

from catalog.models import Store
from customers.models.profiles import CustomerProfile


class ChatSession(models.Model):
    """A chat session (table `chat_sessions`); without a customer it is anonymous."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    customer = models.ForeignKey(
        CustomerProfile,
        on_delete=models.CASCADE,
        null=True,
        related_name="chats",
        db_comment="customer; NULL: anonymous",
    )
    session_start = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when the conversation began"
    )
    session_end = models.DateTimeField(null=True, db_comment="when it ended")
    language = models.CharField(max_length=5, null=True, db_comment="en or fr")
    total_messages = models.IntegerField(db_default=0, null=True, db_comment="number of messages")
    store = models.ForeignKey(
        Store,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_comment="store the conversation belongs to",
    )

    class Meta:
        db_table = "chat_sessions"
        db_table_comment = "Conversations; anonymous without a customer"
        ordering = ("-session_start",)
        indexes = [models.Index(fields=["-session_start", "id"], name="chat_sessions_newest")]

    def __str__(self) -> str:
        return str(self.pk)


class ChatMessage(PostgresPartitionedModel):
    """A chat message (table `chat_messages`), partitioned by month of `created_at`."""

    class Role(models.TextChoices):
        """Author of a message."""

        CUSTOMER = "customer", _("Customer")
        ASSISTANT = "assistant", _("Assistant")
        STAFF = "staff", _("Staff")

    # The primary key of a partitioned table must contain the partition key.
    pk = models.CompositePrimaryKey("id", "created_at")
    id = models.UUIDField(  # type: ignore[assignment]  # the base class declares a number
        db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    session = models.ForeignKey(
        ChatSession,
        on_delete=models.CASCADE,
        null=True,
        related_name="messages",
        db_comment="conversation",
    )
    message_text = models.TextField(null=True, db_comment="text as written")
    created_at = models.DateTimeField(
        db_default=Now(), db_comment="when it was written; partition key"
    )
    role = models.CharField(
        max_length=9,
        choices=Role,
        default=Role.CUSTOMER,
        db_default="customer",
        db_comment="who wrote it: customer or assistant",
    )
    language = models.CharField(
        max_length=2, blank=True, default="", db_default="", db_comment="en or fr"
    )
    redacted_text = models.TextField(
        blank=True,
        default="",
        db_default="",
        db_comment="text with personal data masked; the copy that may be searched",
    )

    class Meta:
        db_table = "chat_messages"
        db_table_comment = "Messages of conversations, partitioned by month"
        indexes = [
            models.Index(fields=["session", "created_at"], name="chat_messages_by_session"),
            GinIndex(
                OpClass(F("redacted_text"), name="gin_trgm_ops"),
                name="chat_messages_redacted_text",
            ),
        ]

    class PartitioningMeta:
        """Partitioning by range of creation time; one partition per month."""

        method = PostgresPartitioningMethod.RANGE
        key = ["created_at"]

    def __str__(self) -> str:
        return str(self.pk)


class MessageFeedback(models.Model):
    """Feedback on a reply: whether it was helpful (table `message_feedback`)."""

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    session = models.ForeignKey(
        ChatSession, on_delete=models.CASCADE, related_name="feedback", db_comment="conversation"
    )
    # No foreign key: it would need the partition key, and would keep old partitions from being
    # dropped.
    message_id = models.UUIDField(db_comment="message the feedback is about")
    is_helpful = models.BooleanField(db_comment="whether the reply was helpful")
    comment = models.CharField(max_length=500, blank=True, db_comment="with personal data masked")
    given_at = models.DateTimeField(db_default=Now(), db_comment="when the feedback was given")

    class Meta:
        verbose_name_plural = "message feedback"
        db_table = "message_feedback"
        db_table_comment = "Whether a reply was helpful"
        constraints = [
            models.UniqueConstraint(fields=["message_id"], name="message_feedback_unique")
        ]

    def __str__(self) -> str:
        return f"{self.message_id}: {self.is_helpful}"
