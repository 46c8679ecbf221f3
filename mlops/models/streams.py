"""Events: what came in once, and what is to go out."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class InboxEvent(models.Model):
    """An event that was applied, by its own id, so that it is applied once however often it comes (table `event_inbox`)."""

    class Way(models.TextChoices):
        """How it came."""

        KAFKA = "kafka"
        REST = "rest"
        REPLAY = "replay"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    topic = models.CharField(max_length=100)
    type = models.CharField(max_length=50)
    way = models.CharField(max_length=6, choices=Way)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "event_inbox"
        indexes = [models.Index(fields=["received_at"], name="event_inbox_received")]

    def __str__(self) -> str:
        return f"{self.topic} {self.type} {self.pk}"


class OutgoingEvent(models.Model):
    """An event that our own rows made, written with them and published afterwards (table `event_outbox`)."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    topic = models.CharField(max_length=100)
    key = models.CharField(max_length=100)
    type = models.CharField(max_length=50)
    data = models.JSONField()
    noted_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "event_outbox"
        indexes = [
            models.Index(
                fields=["id"], name="event_outbox_due", condition=models.Q(published_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.type} {self.key}"
