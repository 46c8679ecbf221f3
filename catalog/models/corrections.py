"""Locks of corrected product fields, and review items for changed source values."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from catalog.models.products import Product
from mlops.models import Assignable

CORRECTABLE_FIELDS = (
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
    "mg_basis",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "dried_equivalent_grams",
    "price",
    "terpenes",
    "effects",
)
"""Product fields that staff may correct."""


class ProductLock(models.Model):
    """
    Lock of one field of a product against sync, enrichment, import and merge.

    Table `product_locks`; enforced by the trigger in field_locks.sql.
    """

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="locks", db_comment="locked product"
    )
    field = models.CharField(max_length=63, db_comment="locked field")
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who made the correction",
    )
    locked_at = models.DateTimeField(db_default=Now(), db_comment="when it was made")
    reason = models.TextField(blank=True, db_comment="why it was made")
    review_by = models.DateField(
        null=True, blank=True, db_comment="date on which a person should review the lock"
    )
    source_values = models.JSONField(
        default=dict, db_comment="value by source when locked or last reviewed"
    )

    inherited_from = models.ForeignKey(
        Product,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="merged product from which the lock was copied",
    )

    class Meta:
        db_table = "product_locks"
        db_table_comment = "Staff corrections: fields that no automated writer overwrites"
        constraints = [
            models.UniqueConstraint(fields=["product", "field"], name="product_locks_unique")
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.product_id}"


class ReviewItem(Assignable):
    """
    Locked field whose value in a source has changed; a person decides (table `review_items`).

    previous_source_value and current_source_value are JSON, as in `ProductLock.source_values`. An
    item of the field IDENTITY asks whether the identifiers of a product now stand on another one;
    its values are all merged fields of the product before and after the change.
    """

    IDENTITY = "identity"

    class Outcome(models.TextChoices):
        """Decision on the source's new value."""

        REJECTED = "rejected", _("our value kept")
        ACCEPTED = "accepted", _("source value accepted")
        WITHDRAWN = "withdrawn", _("source returned to its previous value")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    product = models.ForeignKey(
        Product,
        on_delete=models.CASCADE,
        related_name="review_items",
        db_comment="product that the item is about",
    )
    field = models.CharField(
        max_length=63, db_comment="locked field; identity: all fields of a product"
    )
    source = models.CharField(max_length=50, db_comment="source whose value changed")
    previous_source_value = models.JSONField(
        null=True, db_comment="value before; of a locked field, the source's when it was locked"
    )
    current_source_value = models.JSONField(null=True, db_comment="value of the source now")
    opened_at = models.DateTimeField(db_default=Now(), db_comment="when the change was noticed")
    closed_at = models.DateTimeField(
        null=True, db_comment="when it was decided or withdrawn; NULL: open"
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who decided",
    )
    outcome = models.CharField(
        max_length=10,
        choices=Outcome,
        blank=True,
        db_comment="decision, or that the source withdrew its value",
    )

    class Meta:
        db_table = "review_items"
        db_table_comment = (
            "Locked fields whose source value has changed, and products whose identifiers may stand"
            " on another one"
        )
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

    @property
    def is_about_identity(self) -> bool:
        """Whether the item asks if the product is another one."""
        return self.field == self.IDENTITY
