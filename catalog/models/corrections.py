"""A person's word on a field, and what sources have said against it since."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from catalog.models.products import Product

CORRECTABLE = (
    "name",
    "name_fr",
    "brand",
    "sku",
    "gtin",
    "category",
    "strain_type",
    "strain",
    "lineage",
    "thc_percentage_low",
    "thc_percentage_high",
    "thc_percentage",
    "cbd_percentage_low",
    "cbd_percentage_high",
    "cbd_percentage",
    "thc_mg",
    "cbd_mg",
    "mg_unit",
    "weight_grams",
    "volume_ml",
    "pieces",
    "dried_grams",
    "price",
    "terpenes",
    "effects",
)
"""Fields on which a person may have a word."""


class ProductLock(models.Model):
    """One field of one product that no sync, enrichment, import or merge overwrites (table `product_locks`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="locks")
    field = models.CharField(max_length=63)
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    locked_at = models.DateTimeField(db_default=Now())
    reason = models.TextField(blank=True)
    review_by = models.DateField(
        null=True, blank=True, db_comment="when a person should look at it again"
    )
    said = models.JSONField(
        default=dict, db_comment="what each source said of the field then, or when last asked"
    )

    came_with = models.ForeignKey(
        Product,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="the merged product it was said of",
    )

    class Meta:
        db_table = "product_locks"
        constraints = [
            models.UniqueConstraint(fields=["product", "field"], name="product_locks_once")
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.product_id}"


class ReviewItem(models.Model):
    """A source has changed its mind about a locked field; a person decides (table `review_items`)."""

    class Outcome(models.TextChoices):
        """What the person decided."""

        KEPT = "kept", "our value kept"
        TAKEN = "taken", "the source's value taken"
        WITHDRAWN = "withdrawn", "the source took it back"

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="review_items")
    field = models.CharField(max_length=63)
    source = models.CharField(max_length=50)
    said_before = models.JSONField(null=True)
    says_now = models.JSONField(null=True)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)

    class Meta:
        db_table = "review_items"
        ordering = ("-opened_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["product", "field", "source"],
                condition=models.Q(closed_at=None),
                name="review_items_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.product_id}: {self.source}"
