"""Retention sweeps, legal holds and erasure receipts."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class RetentionSweep(models.Model):
    """An application of a retention rule, with its counts (table `retention_sweeps`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    rule = models.CharField(max_length=100, db_comment="name of the retention rule")
    table = models.CharField(max_length=63, db_comment="table the rule applies to")
    cutoff_at = models.DateTimeField(db_comment="rows older than this were to be deleted")
    started_at = models.DateTimeField(db_default=Now(), db_comment="when the sweep began")
    finished_at = models.DateTimeField(
        null=True, db_comment="when it ended; NULL: interrupted or running"
    )
    deleted = models.BigIntegerField(default=0, db_comment="rows deleted")
    skipped_by_hold = models.BigIntegerField(
        default=0, db_comment="rows old enough but under a legal hold"
    )
    is_dry_run = models.BooleanField(default=False, db_comment="whether rows were only counted")
    error = models.TextField(blank=True, db_comment="message of the error that ended it")

    class Meta:
        db_table = "retention_sweeps"
        db_table_comment = "Applications of retention rules, also those that deleted nothing"
        ordering = ("-started_at", "-id")
        indexes = [models.Index(fields=["rule", "-started_at"], name="retention_sweeps_newest")]

    def __str__(self) -> str:
        return f"{self.rule} {self.started_at:%Y-%m-%d}: {self.deleted}"


class LegalHold(models.Model):
    """
    A person whose data must not be deleted until the hold is lifted (table `legal_holds`).

    It overrides erasure requests and retention rules.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False, db_comment="primary key")
    subject = models.UUIDField(help_text="id of the customer", db_comment="id of the customer")
    reason = models.TextField(db_comment="why the data must be retained")
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_comment="user who set the hold",
    )
    set_at = models.DateTimeField(db_default=Now(), db_comment="from when it applies")
    lifted_at = models.DateTimeField(
        null=True, blank=True, db_comment="when it was lifted; NULL: in force"
    )
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="user who lifted it",
    )

    class Meta:
        db_table = "legal_holds"
        db_table_comment = "Reasons for which the data of a customer must be retained"
        ordering = ("-set_at",)
        indexes = [
            models.Index(
                fields=["subject"], name="legal_holds_open", condition=models.Q(lifted_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


class Erasure(models.Model):
    """
    The receipt of an erasure: deleted items and the result of the verification (table `erasures`).

    Of the person it stores only our id, which identifies no one once their rows are deleted.
    """

    class Status(models.TextChoices):
        """Progress of an erasure; RUNNING and INCOMPLETE ones are repeated until done."""

        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        INCOMPLETE = "incomplete", _("Incomplete")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False, db_comment="primary key")
    subject = models.UUIDField(db_comment="id of the erased customer")
    status = models.CharField(
        max_length=10,
        choices=Status,
        default=Status.RUNNING,
        db_comment="running, done, incomplete or refused",
    )
    requested_by = models.CharField(
        max_length=150,
        help_text="user or API key",
        db_comment="user or API key that requested the erasure",
    )
    reason = models.CharField(max_length=200, db_comment="reason of the request")
    started_at = models.DateTimeField(db_default=Now(), db_comment="when the erasure began")
    finished_at = models.DateTimeField(null=True, db_comment="when it ended")
    deleted = models.JSONField(default=dict, db_comment="deleted items by personal data store")
    remaining = models.JSONField(
        default=dict, db_comment="items found by the verification, by personal data store"
    )
    error = models.TextField(blank=True, db_comment="message of the last error")

    class Meta:
        db_table = "erasures"
        db_table_comment = "Receipts of erasures"
        ordering = ("-started_at",)
        indexes = [models.Index(fields=["subject"], name="erasures_subject")]

    def __str__(self) -> str:
        return f"{self.subject} {self.status}"
