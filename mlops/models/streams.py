"""Inbox and outbox of events."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _


class InboxEvent(models.Model):
    """
    An applied event (table `event_inbox`).

    Its id prevents that the same event is applied again.
    """

    class Channel(models.TextChoices):
        """Channel by which an event arrived."""

        KAFKA = "kafka", _("Kafka")
        REST = "rest", _("REST")
        REPLAY = "replay", _("Replay")

    id = models.UUIDField(
        primary_key=True,
        default=uuid.uuid4,
        editable=False,
        db_comment="id of the event, chosen by its producer",
    )
    topic = models.CharField(max_length=100, db_comment="topic the event was sent on")
    type = models.CharField(max_length=50, db_comment="event type")
    channel = models.CharField(max_length=6, choices=Channel, db_comment="kafka, rest or replay")
    occurred_at = models.DateTimeField(db_comment="when it happened, according to the producer")
    received_at = models.DateTimeField(db_default=Now(), db_comment="when it was applied")
    content_hash = models.UUIDField(
        null=True,
        db_comment="hash of type, version, time and data; NULL: applied before hashes were stored",
    )

    class Meta:
        db_table = "event_inbox"
        db_table_comment = "Ids of applied events, so that each is applied once"
        indexes = [models.Index(fields=["received_at"], name="event_inbox_received")]

    def __str__(self) -> str:
        return f"{self.topic} {self.type} {self.pk}"


class OutboxEvent(models.Model):
    """
    An event of ours that is to be published (table `event_outbox`).

    It is written in the transaction of the change that it reports.
    """

    id = models.BigAutoField(primary_key=True, db_comment="primary key")
    event_id = models.UUIDField(
        db_default=RandomUUID(), unique=True, editable=False, db_comment="id of the published event"
    )
    topic = models.CharField(max_length=100, db_comment="topic to publish on")
    key = models.CharField(max_length=100, db_comment="message key, which determines the partition")
    type = models.CharField(max_length=50, db_comment="event type")
    data = models.JSONField(db_comment="payload of the event")
    recorded_at = models.DateTimeField(db_default=Now(), db_comment="when the cause was written")
    request_id = models.CharField(
        max_length=64,
        blank=True,
        db_default=Coalesce(
            models.Func(
                models.Value("cultivar.request_id"), models.Value(True), function="current_setting"
            ),
            models.Value(""),
            output_field=models.CharField(),
        ),
        db_comment="request_id of the logs, of the request that caused it",
    )
    published_at = models.DateTimeField(
        null=True, db_comment="when the broker acknowledged it; NULL: due"
    )

    class Meta:
        db_table = "event_outbox"
        db_table_comment = "Events to be published, written in the transaction that caused them"
        indexes = [
            models.Index(
                fields=["id"], name="event_outbox_due", condition=models.Q(published_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.type} {self.key}"
