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

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    run = models.ForeignKey(
        Run,
        on_delete=models.PROTECT,
        related_name="raw_records",
        db_comment="run that landed the response",
    )
    source = models.CharField(max_length=50, db_comment="code of the source")
    bundle = models.CharField(
        max_length=100, db_comment="responses of a run with the same bundle are parsed together"
    )
    role = models.CharField(
        max_length=100, db_comment="part of the bundle, for example the language of a page"
    )
    url = models.TextField(db_comment="address or file the bytes came from")
    status = models.SmallIntegerField(db_comment="HTTP status")
    content_type = models.CharField(max_length=200, blank=True, db_comment="content type as sent")
    content_hash = models.CharField(
        max_length=64, db_index=True, db_comment="sha256 of the bytes, their storage key"
    )
    size_bytes = models.IntegerField(db_comment="size of the body")
    request_key = models.CharField(
        max_length=64, blank=True, db_index=True, db_comment="sha256 of the request"
    )
    etag = models.CharField(
        max_length=200, blank=True, db_comment="ETag as sent, for conditional requests"
    )
    last_modified = models.CharField(max_length=60, blank=True, db_comment="Last-Modified as sent")
    is_unmodified = models.BooleanField(
        default=False, db_comment="the source answered 304 Not Modified"
    )
    fetched_at = models.DateTimeField(db_comment="when the response was received")
    landed_at = models.DateTimeField(db_default=Now(), db_comment="when the row was written")
    processed_records = models.IntegerField(
        default=0, db_comment="saved records of the bundle: the checkpoint"
    )
    rejected_records = models.IntegerField(default=0, db_comment="rejected records of the bundle")
    pipeline_version = models.CharField(
        max_length=20, blank=True, db_comment="version of the pipeline that processed it"
    )
    processed_at = models.DateTimeField(
        null=True, db_comment="when its bundle had been processed; NULL: due"
    )

    class Meta:
        db_table = "raw_records"
        db_table_comment = "Responses of sources as received; the bytes lie in object storage"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "bundle", "role"], name="raw_records_unique_per_run"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.bundle} {self.role}"
