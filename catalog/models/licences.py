"""Licence holders: cultivators, processors and sellers listed by regulators."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class LicenceHolder(models.Model):
    """A holder of a federal licence in a regulator's list (table `licence_holders`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    source = models.CharField(max_length=50, db_comment="code of the source")
    external_id = models.CharField(max_length=200, db_comment="licence number")
    name = models.CharField(max_length=255, db_comment="name of the holder")
    province = models.CharField(max_length=40, null=True, db_comment="province of the site")
    licence_classes = models.TextField(null=True, db_comment="classes of the licence")
    status = models.CharField(max_length=60, null=True, db_comment="status as listed")
    effective_on = models.DateField(null=True, db_comment="first day of validity")
    expires_on = models.DateField(null=True, db_comment="last day of validity")
    content_hash = models.CharField(max_length=64, db_comment="hash of the values, to find changes")
    run = models.ForeignKey(
        "mlops.Run",
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        db_comment="run that last wrote the row",
    )
    bundle = models.CharField(
        max_length=100, null=True, db_comment="bundle of raw records in the run"
    )
    gone_at = models.DateTimeField(null=True, db_comment="when the list stopped naming it")
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")
    updated_at = models.DateTimeField(db_default=Now(), db_comment="when the row was last changed")

    class Meta:
        db_table = "licence_holders"
        db_table_comment = "Holders of federal cannabis licences, from a regulator's list"
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="licence_holders_natural_key"
            )
        ]

    def __str__(self) -> str:
        return self.name
