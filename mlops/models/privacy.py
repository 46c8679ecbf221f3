"""What was forgotten and why: sweeps of retention, legal holds, receipts of erasure."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class RetentionSweep(models.Model):
    """One application of one rule of retention, also when it removed nothing (table `retention_sweeps`)."""

    rule = models.CharField(max_length=100)
    table = models.CharField(max_length=63)
    before = models.DateTimeField(db_comment="what is older was to go")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    removed = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0, db_comment="old enough, kept by a legal hold")
    is_rehearsal = models.BooleanField(default=False)
    error = models.TextField(blank=True)

    class Meta:
        db_table = "retention_sweeps"
        ordering = ("-started_at", "-id")
        indexes = [models.Index(fields=["rule", "-started_at"], name="retention_sweeps_newest")]

    def __str__(self) -> str:
        return f"{self.rule} {self.started_at:%Y-%m-%d}: {self.removed}"


class LegalHold(models.Model):
    """Whose data must be kept, whatever they or a rule ask, while it is not lifted (table `legal_holds`)."""

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
    The receipt of an erasure: what was removed where, and that a second look found nothing (table `erasures`).

    The subject is its id of ours, which means nothing once the rows are gone; nothing else of the person is kept.
    """

    class Status(models.TextChoices):
        """Where it stands; what was interrupted is begun anew."""

        RUNNING = "running"
        DONE = "done"
        INCOMPLETE = "incomplete"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    subject = models.UUIDField()
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    asked_by = models.CharField(max_length=150, help_text="who of us, or which API key")
    reason = models.CharField(max_length=200)
    began_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    removed = models.JSONField(default=dict, db_comment="what was removed, by place")
    left = models.JSONField(default=dict, db_comment="what a second look found, by place")
    error = models.TextField(blank=True)

    class Meta:
        db_table = "erasures"
        ordering = ("-began_at",)
        indexes = [models.Index(fields=["subject"], name="erasures_subject")]

    def __str__(self) -> str:
        return f"{self.subject} {self.status}"
