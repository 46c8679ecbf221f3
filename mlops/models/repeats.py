"""Repeated records: what becomes of records whose identifiers stand in a feed more than once."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class RepeatedRecord(models.Model):
    """Decision on a record of a run that repeats another one (table `repeated_records`)."""

    class Action(models.TextChoices):
        """Treatment of the record."""

        REPEATED = "repeated", _("Repeated")
        REJECTED = "rejected", _("Rejected")
        COMBINED = "combined", _("Combined")

    id = models.BigAutoField(primary_key=True, db_comment="primary key")
    run = models.ForeignKey(
        "mlops.Run",
        on_delete=models.CASCADE,
        db_index=False,
        related_name="repeated_records",
        db_comment="run of the feed",
    )
    bundle = models.CharField(max_length=100, db_comment="bundle of raw records")
    position = models.IntegerField(db_comment="position of the record in its bundle, from 0")
    action = models.CharField(
        max_length=10,
        choices=Action,
        db_comment="repeated: says nothing new; rejected; combined: saved with flags or other rows",
    )
    reason = models.TextField(blank=True, db_comment="why it is rejected")
    flags = ArrayField(
        models.CharField(max_length=40), default=list, db_comment="flags of a combined record"
    )
    payloads = models.JSONField(
        default=list, db_comment="payloads of the other records that a combined record includes"
    )

    class Meta:
        db_table = "repeated_records"
        db_table_comment = "Records whose identifiers stand in a feed more than once, of last runs"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "bundle", "position"], name="repeated_records_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.bundle} {self.position}: {self.action}"
