"""Webhooks: addresses that are informed of changes, and each delivery to them."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from config.clients.address_guard import AddressRefused, check_source_url
from config.crypto import key_ring


class Webhook(models.Model):
    """An address of a client that events are posted to (table `webhooks`)."""

    class EventType(models.TextChoices):
        """Changes that clients may subscribe to."""

        PRODUCT = "product", _("A product was created, changed or merged")
        PRICE = "price", _("Our price of a product has changed")
        STOCK = "stock", _("The stock of a product in a store has changed")
        CONSENT = "consent", _("A customer has given or withdrawn a consent")
        MODEL = "model", _("A model version was deployed or ended, as for recommendations")

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, editable=False, db_comment="primary key"
    )
    name = models.CharField(_("name"), max_length=100, db_comment="name of the client")
    url = models.URLField(
        _("URL"), max_length=2048, db_comment="public address that events are posted to"
    )
    event_types = ArrayField(
        models.CharField(max_length=50),
        verbose_name=_("events"),
        db_comment="types of the events that are sent",
    )
    is_active = models.BooleanField(
        _("active"), default=True, db_comment="whether new events are sent"
    )
    sealed_secret = models.BinaryField(
        editable=False, db_comment="secret that signs deliveries, AES-GCM by the key ring"
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="when the row was created"
    )

    class Meta:
        db_table = "webhooks"
        db_table_comment = "Addresses of clients that are informed of changes"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Reject an address that leads into our own network, and unknown events."""
        try:
            check_source_url(self.url)
        except AddressRefused as error:
            raise ValidationError({"url": error.reason}) from error
        unknown = sorted(set(self.event_types or ()) - set(self.EventType.values))
        if unknown:
            raise ValidationError(
                {"event_types": _("%(type)s is not an event.") % {"type": unknown[0]}}
            )

    @property
    def secret(self) -> bytes:
        """The secret that signs deliveries."""
        return key_ring().decrypt(bytes(self.sealed_secret), context=self.id.bytes)

    @secret.setter
    def secret(self, value: bytes) -> None:
        self.sealed_secret = key_ring().encrypt(value, context=self.id.bytes)


class WebhookDelivery(models.Model):
    """One event to be posted to one webhook (table `webhook_deliveries`)."""

    class Status(models.TextChoices):
        """State of a delivery."""

        PENDING = "pending", _("pending")
        DELIVERED = "delivered", _("delivered")
        DEAD = "dead", _("dead")

    id = models.BigAutoField(primary_key=True, db_comment="primary key")
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", db_comment="receiver"
    )
    event_id = models.UUIDField(db_comment="id of the event, equal in every attempt")
    type = models.CharField(max_length=50, db_comment="event type")
    data = models.JSONField(db_comment="payload of the event")
    occurred_at = models.DateTimeField(db_comment="when the change was written")
    status = models.CharField(
        max_length=9,
        choices=Status,
        default=Status.PENDING,
        db_default=Status.PENDING,
        db_comment="pending, delivered, or dead after the last attempt",
    )
    attempts = models.IntegerField(
        default=0, db_default=0, db_comment="attempts so far, since the last replay"
    )
    next_attempt_at = models.DateTimeField(
        db_default=Now(), db_comment="when it is due; while it is sent, when it is due again"
    )
    response_status = models.IntegerField(
        null=True, db_comment="HTTP status of the last response; NULL: none"
    )
    error = models.TextField(default="", db_default="", db_comment="why the last attempt failed")
    delivered_at = models.DateTimeField(null=True, db_comment="when the receiver accepted it")

    class Meta:
        verbose_name_plural = "webhook deliveries"
        db_table = "webhook_deliveries"
        db_table_comment = "Events that are posted to webhooks, with the state of each"
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="webhook_deliveries_due",
                condition=models.Q(status="pending"),
            )
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["webhook", "event_id"], name="webhook_deliveries_once")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
