"""Quarantine."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class QuarantinedRecord(models.Model):
    """A rejected record with payload, reason and origin (table `quarantined_records`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    source = models.CharField(max_length=50)
    external_id = models.CharField(max_length=200, blank=True)
    field = models.CharField(max_length=50, blank=True)
    reason = models.TextField()
    payload = models.JSONField()
    payload_hash = models.CharField(max_length=64)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="quarantined")
    first_seen_at = models.DateTimeField(db_default=Now())
    times_seen = models.IntegerField(default=1, db_default=1)

    fixed_payload = models.JSONField(
        null=True, blank=True, db_comment="payload as fixed by a person"
    )
    closed_at = models.DateTimeField(null=True, db_comment="when it was replayed or dismissed")
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    outcome = models.CharField(
        max_length=10, blank=True, default="", db_default="", db_comment="replayed or dismissed"
    )

    class Meta:
        db_table = "quarantined_records"
        ordering = ("-first_seen_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["source", "payload_hash", "reason"], name="quarantined_records_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}: {self.reason}"
