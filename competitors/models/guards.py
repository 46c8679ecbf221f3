"""Price guards: limits that a price must respect, and approvals of prices by a person."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from catalog.reference.word_labels import province_choices

_PROVINCES = province_choices()


class MinimumPrice(models.Model):
    """A provincial minimum price for a category, with its dates (table `minimum_prices`)."""

    class Basis(models.TextChoices):
        """Unit of the amount."""

        PACKAGE = "package", _("per package")
        GRAM = "gram", _("per gram")
        GRAM_EQUIVALENT = "gram_equivalent", _("per gram-equivalent of dried flower")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    province = models.CharField(max_length=2, choices=_PROVINCES, db_comment="province")
    category = models.CharField(
        max_length=40, blank=True, db_comment="our category; empty: every category"
    )
    basis = models.CharField(
        max_length=20, choices=Basis, db_comment="per package, gram or gram-equivalent"
    )
    amount = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        db_comment="minimum price without tax, CAD",
    )
    effective_on = models.DateField(db_comment="first day it applies")
    expires_on = models.DateField(null=True, blank=True, db_comment="last day; NULL: no end")
    source = models.CharField(max_length=255, db_comment="law, regulation or notice that sets it")

    class Meta:
        db_table = "minimum_prices"
        db_table_comment = "Provincial minimum prices with their dates"
        ordering = ("province", "category", "-effective_on")
        constraints = [
            models.UniqueConstraint(
                fields=["province", "category", "basis", "effective_on"],
                name="minimum_prices_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.province} {self.category or 'all'} {self.amount}"


class PriceGuardSettings(models.Model):
    """Limits of our own prices from a day on (table `price_guard_settings`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    effective_on = models.DateField(unique=True, db_comment="first day these limits apply")
    min_margin_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=15,
        validators=[MinValueValidator(0), MaxValueValidator(99)],
        db_comment="smallest margin: (price − cost) / price",
    )
    max_daily_change_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=10,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        db_comment="largest change of a price in one day",
    )
    max_evidence_age_hours = models.PositiveIntegerField(
        default=72, db_comment="older observations of competitors are not evidence"
    )
    min_evidence_confidence = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default="0.8",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        db_comment="observations with less confidence are not evidence",
    )
    min_evidence_offers = models.PositiveSmallIntegerField(
        default=2, db_comment="fewer fresh, confident offers are no evidence"
    )
    undercut_alert_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        db_comment="a competitor's price this far below ours opens an alert",
    )
    jump_alert_percent = models.DecimalField(
        max_digits=6,
        decimal_places=2,
        default=30,
        validators=[MinValueValidator(1)],
        db_comment="a change of a competitor's price in a day by this much opens an alert",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_comment="user who set them; NULL: installed",
    )

    class Meta:
        db_table = "price_guard_settings"
        db_table_comment = "Limits of our own prices, by first day"
        ordering = ("-effective_on",)
        verbose_name = "price guard settings"
        verbose_name_plural = "price guard settings"

    def __str__(self) -> str:
        return f"from {self.effective_on}"


class PriceApproval(models.Model):
    """A price that a person approved or refused, with its evidence (table `price_approvals`)."""

    class Decision(models.TextChoices):
        """Decision of the person."""

        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    product = models.ForeignKey(
        "catalog.Product",
        on_delete=models.CASCADE,
        related_name="price_approvals",
        db_comment="product",
    )
    old_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="our price before, CAD"
    )
    new_price = models.DecimalField(
        max_digits=10, decimal_places=2, db_comment="price that was put forward, CAD"
    )
    evidence = models.JSONField(
        default=dict, db_comment="offers, cost, position and limits at the time"
    )
    guard_results = models.JSONField(
        default=list, db_comment="each guard: code, passed, figures, explanation"
    )
    decision = models.CharField(max_length=10, choices=Decision, db_comment="approved or rejected")
    reason = models.TextField(blank=True, db_comment="reason given by the person")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who decided",
    )
    decided_at = models.DateTimeField(db_default=Now(), db_comment="when it was decided")

    class Meta:
        db_table = "price_approvals"
        db_table_comment = "Prices that a person approved or refused, with their evidence"
        ordering = ("-decided_at",)

    def __str__(self) -> str:
        return f"{self.product_id}: {self.new_price} {self.decision}"
