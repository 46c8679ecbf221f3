"""Offers of competitors, as last observed."""

from decimal import Decimal
from typing import ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from competitors.models.competitors import Competitor, CompetitorLocation


class CompetitorOffer(models.Model):
    """
    An item that a competitor sells, as last observed (table `competitor_offers`).

    Its earlier prices are in `price_history`.
    """

    class Stock(models.TextChoices):
        """Stock status."""

        IN_STOCK = "in_stock", _("in stock")
        LOW = "low", _("low")
        OUT = "out", _("out of stock")
        UNKNOWN = "unknown", _("unknown")

    class MatchStatus(models.TextChoices):
        """How the offer is matched to a product."""

        UNMATCHED = "unmatched", _("no product found")
        PROPOSED = "proposed", _("to be confirmed")
        AUTOMATIC = "automatic", _("matched by the engine")
        CONFIRMED = "confirmed", _("confirmed by a person")
        NOT_SOLD = "not_sold", _("not in our assortment")

    MATCHED: ClassVar = (MatchStatus.AUTOMATIC, MatchStatus.CONFIRMED)
    """Statuses of offers that have a product."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    competitor = models.ForeignKey(
        Competitor,
        on_delete=models.CASCADE,
        related_name="offers",
        db_index=False,
        db_comment="shop",
    )
    location = models.ForeignKey(
        CompetitorLocation,
        null=True,
        on_delete=models.CASCADE,
        related_name="offers",
        db_comment="location; NULL: the shop has one menu",
    )
    external_id = models.CharField(
        max_length=200, db_comment="the platform's id of the item or variant"
    )
    name = models.CharField(max_length=500, db_comment="name as written")
    brand = models.CharField(max_length=200, blank=True, db_comment="brand as written")
    category = models.CharField(
        max_length=40, blank=True, db_comment="our category; empty: unknown"
    )
    size = models.CharField(max_length=200, blank=True, db_comment="size as written")
    language = models.CharField(max_length=2, blank=True, db_comment="language of the name")
    gtin = models.CharField(
        max_length=14, blank=True, db_index=True, db_comment="valid GTIN, 14 digits"
    )
    sku = models.CharField(max_length=100, blank=True, db_comment="the shop's SKU")
    url = models.URLField(max_length=1000, blank=True, db_comment="page of the item")
    thc = models.CharField(max_length=100, blank=True, db_comment="THC as written")
    cbd = models.CharField(max_length=100, blank=True, db_comment="CBD as written")
    weight_grams = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, db_comment="net weight of the package"
    )
    unit_count = models.IntegerField(null=True, db_comment="units in the package")
    volume_ml = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, db_comment="volume in milliliters"
    )
    thc_mg = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="milligrams of THC in the package"
    )
    dried_equivalent_grams = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, db_comment="equivalent in grams of dried flower"
    )

    regular_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="price without promotions"
    )
    sale_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="lower price that anyone gets now"
    )
    member_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="price for members only"
    )
    promotions = models.JSONField(
        default=list, db_comment="conditional prices as stated, for example 2 for 50"
    )
    net_price = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        db_comment="price that anyone gets, without tax; NULL: not in CAD, or tax unknown",
    )
    currency = models.CharField(max_length=3, default="CAD", db_comment="ISO 4217")
    is_tax_included = models.BooleanField(null=True, db_comment="NULL: unknown")
    stock = models.CharField(
        max_length=10, choices=Stock, default=Stock.UNKNOWN, db_comment="stock status"
    )
    stock_quantity = models.IntegerField(null=True, db_comment="units, where stated")
    confidence = models.DecimalField(
        max_digits=3, decimal_places=2, default=1, db_comment="of the price, 0 to 1"
    )

    product = models.ForeignKey(
        "catalog.Product",
        null=True,
        on_delete=models.SET_NULL,
        related_name="competitor_offers",
        db_comment="product it is matched to; NULL: none, or not confirmed yet",
    )
    match_status = models.CharField(
        max_length=10,
        choices=MatchStatus,
        default=MatchStatus.UNMATCHED,
        db_comment="unmatched, proposed, automatic, confirmed or not_sold",
    )
    match_score = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, db_comment="0 to 100, of the best candidate"
    )
    matched_at = models.DateTimeField(
        null=True, db_comment="when it was last compared with our products; NULL: due"
    )

    content_hash = models.CharField(max_length=64, db_comment="hash of what was read")
    capture_hash = models.CharField(
        max_length=64, blank=True, db_comment="sha256 of the page it was last read from"
    )
    extractor_version = models.CharField(
        max_length=20, blank=True, db_comment="version of the parser that read it"
    )
    run = models.ForeignKey(
        "mlops.Run",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_comment="crawl that last wrote the row",
    )
    first_seen_at = models.DateTimeField(db_default=Now(), db_comment="when it was first observed")
    last_seen_at = models.DateTimeField(db_comment="when it was last observed")
    price_changed_at = models.DateTimeField(null=True, db_comment="when its price last changed")
    previous_price = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        db_comment="price that anyone got before that change",
    )
    restocked_at = models.DateTimeField(
        null=True, db_comment="when it was last observed to be back in stock"
    )
    missed_crawls = models.PositiveSmallIntegerField(
        default=0, db_comment="consecutive complete crawls that did not list it"
    )
    gone_at = models.DateTimeField(
        null=True, db_comment="when the third such crawl ended; NULL: offered"
    )

    class Meta:
        db_table = "competitor_offers"
        db_table_comment = "Items that competitors sell, as last observed"
        ordering = ("name", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["competitor", "location", "external_id"],
                nulls_distinct=False,
                name="competitor_offers_natural_key",
            )
        ]
        indexes = [
            models.Index(fields=["match_status", "name", "id"], name="competitor_offers_queue"),
            models.Index(
                fields=["id"],
                condition=models.Q(matched_at=None),
                name="competitor_offers_due",
            ),
            models.Index(fields=["name", "id"], name="competitor_offers_by_name"),
            models.Index(
                fields=["match_status", "competitor"],
                condition=models.Q(gone_at=None),
                name="competitor_offers_listed",
            ),
            GinIndex(
                OpClass(Upper("name"), name="gin_trgm_ops"),
                OpClass(Upper("brand"), name="gin_trgm_ops"),
                OpClass(Upper("sku"), name="gin_trgm_ops"),
                name="competitor_offers_search",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.size}".strip()

    @property
    def price(self) -> Decimal | None:
        """The price that anyone gets: the sale price, else the regular price."""
        return self.regular_price if self.sale_price is None else self.sale_price
