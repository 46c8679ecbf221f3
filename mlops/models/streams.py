"""Inbox and outbox of events."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class InboxEvent(models.Model):
    """
    An applied event (table `event_inbox`).

    Its id prevents that the same event is applied again.
    """

    class Channel(models.TextChoices):
        """Channel by which an event arrived."""

        KAFKA = "kafka"
        REST = "rest"
        REPLAY = "replay"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    topic = models.CharField(max_length=100)
    type = models.CharField(max_length=50)
    channel = models.CharField(max_length=6, choices=Channel)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "event_inbox"
        indexes = [models.Index(fields=["received_at"], name="event_inbox_received")]

    def __str__(self) -> str:
        return f"{self.topic} {self.type} {self.pk}"


class OutboxEvent(models.Model):
    """
    An event of ours that is to be published (table `event_outbox`).

    It is written in the transaction of the change that it reports.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    topic = models.CharField(max_length=100)
    key = models.CharField(max_length=100)
    type = models.CharField(max_length=50)
    data = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Now())
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
