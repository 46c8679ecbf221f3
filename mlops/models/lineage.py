"""Lineage."""

from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class LineageEntry(models.Model):
    """A write of a run: source, table, row count and checksum (table `lineage_entries`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    occurred_at = models.DateTimeField(db_default=Now(), db_comment="when the rows were written")
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="lineage", db_comment="run that wrote them"
    )
    source = models.CharField(max_length=50, db_comment="code of the source")
    operation = models.CharField(max_length=100, db_comment="name of the pipeline")
    output_table = models.CharField(max_length=63, db_comment="table written")
    record_count = models.IntegerField(db_comment="rows created or changed")
    checksum = models.CharField(
        max_length=64, db_comment="checksum of the source's rows afterwards"
    )

    class Meta:
        db_table = "lineage_entries"
        db_table_comment = "Runs that wrote rows, with table, count and checksum"
        ordering = ("-occurred_at",)
        verbose_name_plural = "lineage entries"

    def __str__(self) -> str:
        return f"{self.operation} → {self.output_table} ({self.record_count})"
