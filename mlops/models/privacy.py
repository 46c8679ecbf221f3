"""Retention sweeps, legal holds and erasure receipts."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class RetentionSweep(models.Model):
    """An application of a retention rule, with its counts (table `retention_sweeps`)."""

    rule = models.CharField(max_length=100)
    table = models.CharField(max_length=63)
    cutoff_at = models.DateTimeField(db_comment="rows older than this were to be deleted")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    deleted = models.BigIntegerField(default=0)
    skipped_by_hold = models.BigIntegerField(
        default=0, db_comment="rows old enough but under a legal hold"
    )
    is_dry_run = models.BooleanField(default=False)
    error = models.TextField(blank=True)

    class Meta:
        db_table = "retention_sweeps"
        ordering = ("-started_at", "-id")
        indexes = [models.Index(fields=["rule", "-started_at"], name="retention_sweeps_newest")]

    def __str__(self) -> str:
        return f"{self.rule} {self.started_at:%Y-%m-%d}: {self.deleted}"


class LegalHold(models.Model):
    """
    A person whose data must not be deleted until the hold is lifted (table `legal_holds`).

    It overrides erasure requests and retention rules.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    subject = models.UUIDField(help_text="id of the customer")
    reason = models.TextField()
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    set_at = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        db_table = "legal_holds"
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

    Of the person it stores only our id, which identifies nobody once their rows are deleted.
    """

    class Status(models.TextChoices):
        """Progress of an erasure; RUNNING and INCOMPLETE ones are repeated until done."""

        RUNNING = "running"
        DONE = "done"
        INCOMPLETE = "incomplete"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    subject = models.UUIDField()
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    requested_by = models.CharField(max_length=150, help_text="user or API key")
    reason = models.CharField(max_length=200)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    deleted = models.JSONField(default=dict, db_comment="deleted items by personal data store")
    remaining = models.JSONField(
        default=dict, db_comment="items found by the verification, by personal data store"
    )
    error = models.TextField(blank=True)

    class Meta:
        db_table = "erasures"
        ordering = ("-started_at",)
        indexes = [models.Index(fields=["subject"], name="erasures_subject")]

    def __str__(self) -> str:
        return f"{self.subject} {self.status}"
