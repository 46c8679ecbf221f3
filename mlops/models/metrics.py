"""System metrics and log lines, and the thresholds of metrics."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from psqlextra.models import PostgresPartitionedModel
from psqlextra.types import PostgresPartitioningMethod


class SystemMetric(PostgresPartitionedModel):
    """
    A measurement or a log line (table `system_metrics`).

    Partitioned by month of `measured_at`.
    """

    pk = models.CompositePrimaryKey("id", "measured_at")
    id = models.UUIDField(default=uuid.uuid4, editable=False, db_comment="primary key")  # type: ignore[assignment]  # there: a number
    source = models.CharField(max_length=100, db_comment="machine or service")
    name = models.CharField(
        max_length=100, db_comment="name of the metric, for example disk_used_percent"
    )
    value = models.FloatField(null=True, db_comment="NULL: a log line")
    level = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        db_comment="log level; empty for measurements",
    )
    message = models.TextField(
        blank=True, default="", db_default="", db_comment="log line; empty for measurements"
    )
    measured_at = models.DateTimeField(
        db_default=Now(), db_comment="when it was measured; partition key"
    )

    class Meta:
        db_table = "system_metrics"
        db_table_comment = "Measurements and log lines of systems, partitioned by month"
        indexes = [models.Index(fields=["name", "-measured_at"], name="system_metrics_newest")]

    class PartitioningMeta:
        method = PostgresPartitioningMethod.RANGE
        key = ["measured_at"]

    def __str__(self) -> str:
        return f"{self.source} {self.name} {self.message or self.value}"


class MetricThreshold(models.Model):
    """Limit of a metric; an alert is open while it is exceeded (table `metric_thresholds`)."""

    class Side(models.TextChoices):
        """Side of the limit on which the value is out of range."""

        ABOVE = "above", _("Above")
        BELOW = "below", _("Below")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    name = models.CharField(
        max_length=100,
        help_text="name of the metric, for example disk_used_percent",
        db_comment="name of the metric",
    )
    source = models.CharField(
        max_length=100,
        blank=True,
        help_text="empty: any source",
        db_comment="machine or service; empty: all",
    )
    side = models.CharField(
        "condition",
        max_length=5,
        choices=Side,
        default=Side.ABOVE,
        db_comment="above or below: the side that opens the alert",
    )
    value = models.FloatField(db_comment="the bound")
    is_active = models.BooleanField(default=True, db_comment="whether the threshold is checked")

    class Meta:
        db_table = "metric_thresholds"
        db_table_comment = "Bounds of metrics; an alert is open while one is passed"
        ordering = ("name", "source")
        constraints = [
            models.UniqueConstraint(
                fields=["name", "source", "side"], name="metric_thresholds_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.side} {self.value:g}"
