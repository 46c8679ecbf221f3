"""Quarantine."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class QuarantinedRecord(models.Model):
    """A rejected record with payload, reason and origin (table `quarantined_records`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    source = models.CharField(max_length=50, db_comment="source or topic of the record")
    external_id = models.CharField(
        max_length=200, blank=True, db_comment="id of the record at its source"
    )
    field = models.CharField(max_length=50, blank=True, db_comment="field that was refused")
    reason = models.TextField(db_comment="why it was refused")
    payload = models.JSONField(db_comment="record as received")
    payload_hash = models.CharField(
        max_length=64, db_comment="sha256 of the payload; another one once its fix is forgotten"
    )
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="quarantined", db_comment="run that rejected it"
    )
    last_run = models.ForeignKey(
        Run,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="last run that rejected it, or fixed it as remembered",
    )
    first_seen_at = models.DateTimeField(db_default=Now(), db_comment="when it was first rejected")
    times_seen = models.IntegerField(
        default=1, db_default=1, db_comment="how often it was received"
    )

    fixed_payload = models.JSONField(
        null=True, blank=True, db_comment="payload as fixed by a person"
    )
    closed_at = models.DateTimeField(
        null=True, db_comment="when it was replayed, dismissed or superseded"
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who replayed or dismissed it",
    )
    outcome = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        db_comment="replayed, dismissed, or superseded by a later version of the record",
    )
    forgotten_at = models.DateTimeField(
        null=True, blank=True, db_comment="when later runs stopped to apply the fix"
    )
    forgotten_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who ended the fix",
    )

    class Meta:
        db_table = "quarantined_records"
        db_table_comment = "Rejected records and events with payload and reason"
        ordering = ("-first_seen_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["source", "payload_hash", "reason"], name="quarantined_records_unique"
            )
        ]
        indexes = [
            models.Index(
                fields=["source", "external_id"],
                name="quarantined_records_open",
                condition=models.Q(closed_at=None),
            ),
            models.Index(
                fields=["source"],
                name="quarantined_records_fixed",
                condition=models.Q(fixed_payload__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}: {self.reason}"
