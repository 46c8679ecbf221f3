"""Price and stock observations of competitors' offers."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class PriceHistory(models.Model):
    """One observation of a competitor's offer (table `price_history`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    product = models.ForeignKey(
        "catalog.Product",
        on_delete=models.CASCADE,
        null=True,
        db_comment="product the offer was matched to",
    )
    competitor = models.CharField(max_length=100, null=True, db_comment="competitor")
    price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="price in Canadian dollars"
    )
    in_stock = models.BooleanField(null=True, db_comment="whether the competitor has it")
    scraped_at = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when it was observed"
    )

    class Meta:
        db_table = "price_history"
        db_table_comment = "Observations of competitors' prices and stock"
        verbose_name_plural = "price history"
        indexes = [models.Index(fields=["-scraped_at"], name="idx_price_history_scraped_at")]

    def __str__(self) -> str:
        return f"{self.competitor} {self.price}"
