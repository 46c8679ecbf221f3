"""Encrypted face templates."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class CustomerBiometric(models.Model):
    """An encrypted face template with its expiry (table `customer_biometrics`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    customer = models.ForeignKey(
        "customers.CustomerProfile", on_delete=models.CASCADE, null=True, db_comment="customer"
    )
    encrypted_template = models.BinaryField(db_comment="template, encrypted")
    confidence_score = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, db_comment="quality of the enrolment, 0 to 1"
    )
    created_at = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when the row was created"
    )
    expires_at = models.DateTimeField(null=True, db_comment="when the template must be deleted")

    class Meta:
        db_table = "customer_biometrics"
        db_table_comment = "Encrypted face templates"

    def __str__(self) -> str:
        return str(self.pk)
