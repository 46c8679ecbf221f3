"""Encrypted face templates."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class CustomerBiometric(models.Model):
    """An encrypted face template with its expiry (table `customer_biometrics`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    customer = models.ForeignKey("customers.CustomerProfile", on_delete=models.CASCADE, null=True)
    encrypted_template = models.BinaryField()
    confidence_score = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    created_at = models.DateTimeField(db_default=Now(), null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "customer_biometrics"

    def __str__(self) -> str:
        return str(self.pk)
