"""Profiles and chats, as in the schema."""

from django.contrib.postgres.fields import ArrayField, DecimalRangeField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from psqlextra.models import PostgresPartitionedModel
from psqlextra.types import PostgresPartitioningMethod


class CustomerProfile(models.Model):
    """What we know of a person, as far as they agreed (table `customer_profiles`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    external_customer_id = models.CharField(max_length=100)
    preferred_thc_range = DecimalRangeField(null=True)
    preferred_cbd_range = DecimalRangeField(null=True)
    preferred_strain_types = ArrayField(models.TextField(), null=True)
    purchase_frequency = models.IntegerField(null=True)
    avg_spending = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    created_at = models.DateTimeField(db_default=Now(), null=True)
    updated_at = models.DateTimeField(db_default=Now(), null=True)

    class Meta:
        db_table = "customer_profiles"

    def __str__(self) -> str:
        return str(self.pk)


class ChatSession(models.Model):
    """A conversation (table `chat_sessions`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    customer = models.ForeignKey(CustomerProfile, on_delete=models.CASCADE, null=True)
    session_start = models.DateTimeField(db_default=Now(), null=True)
    session_end = models.DateTimeField(null=True)
    language = models.CharField(max_length=5, null=True)
    total_messages = models.IntegerField(db_default=0, null=True)

    class Meta:
        db_table = "chat_sessions"

    def __str__(self) -> str:
        return str(self.pk)


class ChatMessage(PostgresPartitionedModel):
    """A message of a conversation, by month of `created_at` (table `chat_messages`)."""

    # PostgreSQL wants the column it partitions by in the key.
    pk = models.CompositePrimaryKey("id", "created_at")
    id = models.UUIDField(db_default=RandomUUID(), editable=False)  # type: ignore[assignment]  # there: a number
    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, null=True)
    message_text = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "chat_messages"

    class PartitioningMeta:
        method = PostgresPartitioningMethod.RANGE
        key = ["created_at"]

    def __str__(self) -> str:
        return str(self.pk)
