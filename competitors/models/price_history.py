"""Price and stock observations of competitors' offers."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from competitors.models.offers import CompetitorOffer


class PriceHistory(models.Model):
    """
    One observation of a competitor's offer (table `price_history`).

    A row for each change of price or stock, and one a day without a change.
    """

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    product = models.ForeignKey(
        "catalog.Product",
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        db_comment="product the offer was matched to",
    )
    competitor = models.CharField(
        max_length=100, null=True, db_comment="code of the competitor, or its name in an event"
    )
    price = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        db_comment="price that anyone gets: the sale price, else the regular price",
    )
    in_stock = models.BooleanField(null=True, db_comment="whether the competitor has it")
    scraped_at = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when it was observed"
    )
    offer = models.ForeignKey(
        CompetitorOffer,
        null=True,
        on_delete=models.CASCADE,
        related_name="history",
        db_index=False,
        db_comment="offer; NULL: reported by an event",
    )
    regular_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="price without promotions"
    )
    sale_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="lower price that anyone gets"
    )
    currency = models.CharField(
        max_length=3, default="CAD", db_default="CAD", db_comment="ISO 4217"
    )
    is_tax_included = models.BooleanField(null=True, db_comment="NULL: unknown")
    unit_price = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        db_comment="price per gram-equivalent of dried flower, without tax",
    )
    stock = models.CharField(
        max_length=10,
        choices=CompetitorOffer.Stock,
        default=CompetitorOffer.Stock.UNKNOWN,
        db_default="unknown",
        db_comment="stock status",
    )
    capture_hash = models.CharField(
        max_length=64, blank=True, default="", db_default="", db_comment="sha256 of the page"
    )
    extractor_version = models.CharField(
        max_length=20, blank=True, default="", db_default="", db_comment="version of the parser"
    )
    confidence = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, db_comment="of the price, 0 to 1"
    )

    class Meta:
        db_table = "price_history"
        db_table_comment = "Observations of competitors' prices and stock"
        verbose_name_plural = "price history"
        indexes = [
            models.Index(fields=["-scraped_at"], name="idx_price_history_scraped_at"),
            models.Index(fields=["product", "scraped_at"], name="price_history_product"),
            models.Index(fields=["offer", "scraped_at"], name="price_history_offer"),
        ]

    def __str__(self) -> str:
        return f"{self.competitor} {self.price}"
