"""Price and stock observations of competitors' offers."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class PriceHistory(models.Model):
    """One observation of a competitor's offer (table `price_history`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    product = models.ForeignKey("catalog.Product", on_delete=models.CASCADE, null=True)
    competitor = models.CharField(max_length=100, null=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    in_stock = models.BooleanField(null=True)
    scraped_at = models.DateTimeField(db_default=Now(), null=True)

    class Meta:
        db_table = "price_history"
        verbose_name_plural = "price history"
        indexes = [models.Index(fields=["-scraped_at"], name="idx_price_history_scraped_at")]

    def __str__(self) -> str:
        return f"{self.competitor} {self.price}"
