"""Alerts."""

from django.db import models
from django.db.models.functions import Now

from mlops.models.runs import Run


class Alert(models.Model):
    """An incident that a person should look at; open until resolved (table `alerts`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    code = models.CharField(
        max_length=50, db_comment="kind of incident, for example source_unavailable"
    )
    subject = models.CharField(
        max_length=100, db_comment="what it is about, for example the code of a source"
    )
    message = models.TextField(db_comment="description for staff")
    run = models.ForeignKey(
        Run,
        null=True,
        on_delete=models.SET_NULL,
        related_name="alerts",
        db_comment="run that opened it",
    )
    severity = models.CharField(
        max_length=10, default="error", db_default="error", db_comment="error or warning"
    )
    notified_at = models.DateTimeField(null=True, db_comment="when e-mail and webhook were sent")
    opened_at = models.DateTimeField(db_default=Now(), db_comment="when the incident began")
    closed_at = models.DateTimeField(
        null=True, blank=True, db_comment="when its cause was gone; NULL: open"
    )

    class Meta:
        db_table = "alerts"
        db_table_comment = "Incidents; one stays open until its cause is gone"
        ordering = ("-opened_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["code", "subject"],
                condition=models.Q(closed_at=None),
                name="alerts_one_open_per_incident",
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
