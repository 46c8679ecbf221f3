"""Licence holders: cultivators, processors and sellers listed by regulators."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class LicenceHolder(models.Model):
    """A holder of a federal licence in a regulator's list (table `licence_holders`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    source = models.CharField(max_length=50)
    external_id = models.CharField(max_length=200)
    name = models.CharField(max_length=255)
    province = models.CharField(max_length=40, null=True)
    licence_classes = models.TextField(null=True)
    status = models.CharField(max_length=60, null=True)
    effective_on = models.DateField(null=True)
    expires_on = models.DateField(null=True)
    content_hash = models.CharField(max_length=64)
    run = models.ForeignKey(
        "mlops.Run", on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    bundle = models.CharField(
        max_length=100, null=True, db_comment="bundle of raw records in the run"
    )
    gone_at = models.DateTimeField(null=True, db_comment="when the list stopped naming it")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "licence_holders"
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="licence_holders_natural_key"
            )
        ]

    def __str__(self) -> str:
        return self.name
