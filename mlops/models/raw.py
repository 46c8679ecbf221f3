"""Raw responses of sources."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class RawRecord(models.Model):
    """
    One response of a source, landed in a run (table `raw_records`).

    Its bytes are in object storage under their hash.
    """

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
        max_length=64, blank=True, db_index=True, db_comment="sha256 of the request"
    )
    etag = models.CharField(max_length=200, blank=True)
    last_modified = models.CharField(max_length=60, blank=True)
    is_unmodified = models.BooleanField(
        default=False, db_comment="the source answered 304 Not Modified"
    )
    fetched_at = models.DateTimeField()
    landed_at = models.DateTimeField(db_default=Now())
    processed_records = models.IntegerField(
        default=0, db_comment="saved records of the bundle: the checkpoint"
    )
    rejected_records = models.IntegerField(default=0, db_comment="rejected records of the bundle")
    pipeline_version = models.CharField(
        max_length=20, blank=True, db_comment="version of the pipeline that processed it"
    )
    processed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "raw_records"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "bundle", "role"], name="raw_records_unique_per_run"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.bundle} {self.role}"
