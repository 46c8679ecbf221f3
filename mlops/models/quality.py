"""Findings of quality rules."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class QualityFinding(models.Model):
    """A row that violates a rule; open until it no longer does (table `quality_findings`)."""

    class Severity(models.TextChoices):
        """Severity of a violation."""

        ERROR = "error"
        WARNING = "warning"

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    rule = models.CharField(max_length=60)
    severity = models.CharField(max_length=10, choices=Severity)
    table_name = models.CharField(max_length=63)
    row_id = models.UUIDField()
    field = models.CharField(max_length=63, blank=True)
    message = models.TextField()
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "quality_findings"
        ordering = ("-opened_at",)
        indexes = [models.Index(fields=["row_id"], name="quality_findings_row")]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "row_id"],
                condition=models.Q(closed_at=None),
                name="quality_findings_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"
