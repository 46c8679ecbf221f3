"""Runs of pipelines."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Run(models.Model):
    """One execution of a pipeline for one source, with its counts and checksums (table `runs`)."""

    class Status(models.TextChoices):
        """Progress of a run."""

        RUNNING = "running", _("Running")
        LANDED = "landed", _("Landed")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    pipeline = models.CharField(
        max_length=100, db_comment="name of the pipeline, for example catalog.supplier_products"
    )
    source = models.CharField(max_length=50, db_comment="code of the source")
    status = models.CharField(
        max_length=12,
        choices=Status,
        default=Status.RUNNING,
        db_comment="running, landed, succeeded, failed or interrupted",
    )
    error = models.TextField(blank=True, db_comment="message of the error that ended the run")
    started_at = models.DateTimeField(db_default=Now(), db_comment="when fetching began")
    finished_at = models.DateTimeField(
        null=True, db_comment="when the run ended; NULL while it runs"
    )
    read = models.IntegerField("rows read", default=0, db_comment="records read")
    new = models.IntegerField(default=0, db_comment="rows created")
    changed = models.IntegerField(default=0, db_comment="rows changed")
    unchanged = models.IntegerField(default=0, db_comment="records equal to their row")
    rejected = models.IntegerField(default=0, db_comment="records put into quarantine")
    repeated = models.IntegerField(
        default=0, db_default=0, db_comment="records that repeat another record of the feed"
    )
    gone = models.IntegerField(
        "removed", default=0, db_comment="rows that the source no longer lists"
    )
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
        db_table_comment = "Executions of pipelines, one per source and start"
        ordering = ("-started_at",)
        indexes = [
            models.Index(fields=["source", "-started_at"], name="runs_source_started"),
            models.Index(fields=["-started_at"], name="runs_started"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M} {self.status}"
