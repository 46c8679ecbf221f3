"""Alerts, and who is informed of them by e-mail."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mlops.models.assignable import Assignable
from mlops.models.runs import Run


class Alert(Assignable):
    """An incident that a person should look at; open until resolved (table `alerts`)."""

    class Severity(models.TextChoices):
        """How bad the incident is."""

        ERROR = "error", _("error")
        WARNING = "warning", _("warning")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    code = models.CharField(
        max_length=50, db_comment="kind of incident, for example source_unavailable"
    )
    subject = models.CharField(
        max_length=100, db_comment="what it is about, for example the code of a source"
    )
    message = models.TextField(db_comment="description for staff")
    run = models.ForeignKey(
        Run,
        null=True,
        on_delete=models.SET_NULL,
        related_name="alerts",
        db_comment="run that opened it",
    )
    severity = models.CharField(
        max_length=10,
        choices=Severity,
        default=Severity.ERROR,
        db_default="error",
        db_comment="error or warning",
    )
    notified_at = models.DateTimeField(null=True, db_comment="when e-mail and webhook were sent")
    opened_at = models.DateTimeField(db_default=Now(), db_comment="when the incident began")
    acknowledged_at = models.DateTimeField(
        null=True, db_comment="when a person took notice; NULL: not yet"
    )
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who took notice",
    )
    closed_at = models.DateTimeField(
        null=True,
        blank=True,
        db_comment="when its cause was gone, or a person resolved it; NULL: open",
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who resolved it; NULL: open, or its cause was gone",
    )

    class Meta:
        db_table = "alerts"
        db_table_comment = "Incidents; one stays open until its cause is gone"
        ordering = ("-opened_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["code", "subject"],
                condition=models.Q(closed_at=None),
                name="alerts_one_open_per_incident",
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class AlertSubscription(models.Model):
    """
    Alerts that a person wants by e-mail (table `alert_subscriptions`).

    Those opened from then on, of one of the kinds and at least as severe.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        editable=False,
        db_comment="receiver",
    )
    severities = ArrayField(
        models.CharField(max_length=10, choices=Alert.Severity.choices),
        default=list,
        db_comment="severities that are sent: error, warning",
    )
    codes = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        db_comment="kinds of alerts that are sent; empty: all",
    )
    language = models.CharField(
        max_length=2,
        choices=settings.LANGUAGES,
        default="en",
        db_comment="language of the messages: en or fr",
    )
    is_active = models.BooleanField(default=True, db_comment="whether messages are sent")
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="from when on alerts are sent"
    )

    class Meta:
        db_table = "alert_subscriptions"
        db_table_comment = "Alerts that staff receive by e-mail"
        ordering = ("created_at",)

    def __str__(self) -> str:
        return f"{', '.join(self.severities)}: {', '.join(self.codes) or '*'}"


class AlertEmail(models.Model):
    """A message about one alert to one person (table `alert_emails`)."""

    class Status(models.TextChoices):
        """State of a message."""

        PENDING = "pending", _("pending")
        SENT = "sent", _("sent")
        DROPPED = "dropped", _("dropped")
        DEAD = "dead", _("dead")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    alert = models.ForeignKey(
        Alert, on_delete=models.CASCADE, related_name="emails", db_comment="what it is about"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="receiver",
    )
    language = models.CharField(max_length=2, db_comment="language of the message: en or fr")
    status = models.CharField(
        max_length=7,
        choices=Status,
        default=Status.PENDING,
        db_comment="pending, sent, dropped (the alert was closed before) or dead (not sent)",
    )
    attempts = models.IntegerField(default=0, db_comment="attempts so far")
    next_attempt_at = models.DateTimeField(
        db_default=Now(), db_comment="when it is due; while it is sent, when it is due again"
    )
    error = models.CharField(
        max_length=100, blank=True, default="", db_comment="type of the last error"
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was queued")
    sent_at = models.DateTimeField(null=True, db_comment="when the mail server accepted it")

    class Meta:
        db_table = "alert_emails"
        db_table_comment = "E-mails about alerts, one for each receiver, with the state of each"
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="alert_emails_due",
                condition=models.Q(status="pending"),
            )
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["alert", "user"], name="alert_emails_once")
        ]

    def __str__(self) -> str:
        return f"{self.alert_id} {self.status}"
