"""What a source sent, byte for byte."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class RawRecord(models.Model):
    """One response of a source as landed in a run; the bytes lie in object storage by hash (table `raw_records`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="raw_records")
    source = models.CharField(max_length=50)
    bundle = models.CharField(
        max_length=100, db_comment="responses of a run with the same bundle are parsed together"
    )
    role = models.CharField(max_length=100)
    url = models.TextField()
    status = models.SmallIntegerField()
    content_type = models.CharField(max_length=200, blank=True)
    content_hash = models.CharField(
        max_length=64, db_index=True, db_comment="sha256 of the bytes, their storage key"
    )
    size_bytes = models.IntegerField()
    request_key = models.CharField(
        max_length=64, blank=True, db_index=True, db_comment="sha256 of what was asked"
    )
    etag = models.CharField(max_length=200, blank=True)
    last_modified = models.CharField(max_length=60, blank=True)
    is_unmodified = models.BooleanField(default=False, db_comment="the source said: as last time")
    fetched_at = models.DateTimeField()
    landed_at = models.DateTimeField(db_default=Now())
    refined_records = models.IntegerField(
        default=0, db_comment="records of the bundle that are saved: a checkpoint"
    )
    rejected_records = models.IntegerField(default=0, db_comment="how many of them were rejected")
    refined_with = models.CharField(
        max_length=20, blank=True, db_comment="version of the pipeline that refined it"
    )
    refined_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "raw_records"
        constraints = [
            models.UniqueConstraint(fields=["run", "bundle", "role"], name="raw_records_once_a_run")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.bundle} {self.role}"
