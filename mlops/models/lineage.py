"""Lineage."""

from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class LineageEntry(models.Model):
    """A write of a run: source, table, row count and checksum (table `lineage_entries`)."""

    occurred_at = models.DateTimeField(db_default=Now())
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="lineage")
    source = models.CharField(max_length=50)
    operation = models.CharField(max_length=100)
    output_table = models.CharField(max_length=63)
    record_count = models.IntegerField()
    checksum = models.CharField(max_length=64)

    class Meta:
        db_table = "lineage_entries"
        ordering = ("-occurred_at",)
        verbose_name_plural = "lineage entries"

    def __str__(self) -> str:
        return f"{self.operation} → {self.output_table} ({self.record_count})"
