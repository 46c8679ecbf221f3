"""Findings of quality rules."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class QualityFinding(models.Model):
    """A row that violates a rule; open until it no longer does (table `quality_findings`)."""

    class Severity(models.TextChoices):
        """Severity of a violation."""

        ERROR = "error", _("Error")
        WARNING = "warning", _("Warning")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    rule = models.CharField(max_length=60, db_comment="name of the rule")
    severity = models.CharField(max_length=10, choices=Severity, db_comment="error or warning")
    table_name = models.CharField(max_length=63, db_comment="table of the row")
    row_id = models.UUIDField(db_comment="id of the row")
    field = models.CharField(max_length=63, blank=True, db_comment="column the rule is about")
    message = models.TextField(db_comment="description for staff")
    opened_at = models.DateTimeField(db_default=Now(), db_comment="when the rule was first broken")
    closed_at = models.DateTimeField(
        null=True, db_comment="when the row was right again; NULL: open"
    )

    class Meta:
        db_table = "quality_findings"
        db_table_comment = "Rows that break a data quality rule"
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
