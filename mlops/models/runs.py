"""Runs of pipelines."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class Run(models.Model):
    """One execution of a pipeline for one source, with its counts and checksums (table `runs`)."""

    class Status(models.TextChoices):
        """Progress of a run."""

        RUNNING = "running"
        LANDED = "landed"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        INTERRUPTED = "interrupted"

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    pipeline = models.CharField(max_length=100)
    source = models.CharField(max_length=50)
    status = models.CharField(max_length=12, choices=Status, default=Status.RUNNING)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    read = models.IntegerField(default=0)
    new = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    unchanged = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    gone = models.IntegerField(default=0, db_comment="rows that the source no longer lists")
    is_partial = models.BooleanField(
        default=False, db_comment="fetched up to a limit; does not show which rows are gone"
    )
    is_accepted = models.BooleanField(
        default=False, db_comment="a person has confirmed beforehand that large changes are right"
    )
    is_surveyed = models.BooleanField(
        default=False, db_comment="the feed was surveyed and may be processed"
    )
    is_dry_run = models.BooleanField(default=False, db_comment="nothing but the report was written")
    report = models.JSONField(null=True, db_comment="report of a dry run: objection, differences")
    newest_event_at = models.DateTimeField(
        null=True, db_comment="newest time that the records themselves name"
    )
    checksum_in = models.CharField(
        max_length=64, blank=True, db_comment="sha256 over the hashes of the raw records"
    )
    checksum_out = models.CharField(
        max_length=64, blank=True, db_comment="checksum of the source's rows after the run"
    )

    class Meta:
        db_table = "runs"
        ordering = ("-started_at",)
        indexes = [models.Index(fields=["source", "-started_at"], name="runs_source_started")]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M} {self.status}"
