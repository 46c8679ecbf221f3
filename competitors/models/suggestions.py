"""Suggested prices of our products, and outcomes of approved prices."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from competitors.models.guards import PriceApproval


def _price(comment: str) -> models.DecimalField:
    return models.DecimalField(max_digits=10, decimal_places=2, db_comment=comment)


class PriceSuggestion(models.Model):
    """
    A price that the model suggests, inside the price guards (table `price_suggestions`).

    Prices are those of the package as our stores show them, but `cost`.
    """

    class Status(models.TextChoices):
        """State of a suggestion."""

        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        SUPERSEDED = "superseded", _("superseded")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    product = models.ForeignKey(
        "catalog.Product",
        on_delete=models.CASCADE,
        related_name="price_suggestions",
        db_comment="product",
    )
    status = models.CharField(
        max_length=10,
        choices=Status,
        default=Status.PENDING,
        db_default=Status.PENDING,
        db_comment="pending, approved, rejected or superseded by a later run",
    )
    provinces = ArrayField(
        models.CharField(max_length=2),
        default=list,
        db_default=Value("{}"),
        db_comment="provinces whose market was estimated",
    )
    current_price = _price("our price when it was suggested, CAD")
    suggested_price = _price("suggested price, CAD")
    market_low = _price("lower end of the estimated market price, CAD")
    market_price = _price("estimated market price, CAD")
    market_high = _price("upper end of the estimated market price, CAD")
    cost = _price("wholesale cost without tax, CAD")
    margin_percent = models.DecimalField(
        max_digits=6, decimal_places=2, db_comment="margin at the suggested price, without tax"
    )
    current_margin_percent = models.DecimalField(
        max_digits=6, decimal_places=2, db_comment="margin at the current price, without tax"
    )
    limited_by = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        db_comment="price guard that keeps it from the market price; empty: none",
    )
    reasons = models.JSONField(
        default=list, db_comment="what the estimate follows from: code, percent, value"
    )
    evidence = models.JSONField(default=list, db_comment="offers of competitors that were used")
    elasticity = models.JSONField(
        default=dict,
        db_comment="of units sold: value, low, high; empty: too little price variation",
    )
    model_version = models.ForeignKey(
        "mlops.ModelVersion",
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="version of the price model",
    )
    suggested_at = models.DateTimeField(db_default=Now(), db_comment="when it was suggested")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who decided; NULL: pending or superseded",
    )
    decided_at = models.DateTimeField(null=True, db_comment="when it was decided or superseded")
    reason = models.TextField(
        blank=True, default="", db_default="", db_comment="reason given by the person"
    )
    approval = models.OneToOneField(
        PriceApproval,
        null=True,
        on_delete=models.CASCADE,
        related_name="suggestion",
        db_comment="record of the decision with guards and evidence at that time",
    )

    class Meta:
        db_table = "price_suggestions"
        db_table_comment = "Prices that the model suggests, and what staff decided about them"
        ordering = ("-suggested_at", "id")
        permissions = [("decide_pricesuggestion", "Can approve and reject price suggestions")]
        constraints = [
            models.UniqueConstraint(
                fields=["product"],
                condition=models.Q(status="pending"),
                name="price_suggestions_one_pending",
            )
        ]
        indexes = [
            models.Index(fields=["status", "-suggested_at"], name="price_suggestions_queue"),
            models.Index(fields=["-suggested_at", "id"], name="price_suggestions_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.current_price} → {self.suggested_price}"


class PriceOutcome(models.Model):
    """
    Sales before and after an approved price, over the same number of days (`price_outcomes`).

    Written from a week after the approval on, until its period is complete.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    approval = models.OneToOneField(
        PriceApproval,
        on_delete=models.CASCADE,
        related_name="outcome",
        db_comment="approved price",
    )
    days = models.PositiveSmallIntegerField(
        db_comment="days that are compared on either side of the approval"
    )
    units_before = models.IntegerField(db_comment="units sold in the days before, less returns")
    units_after = models.IntegerField(db_comment="units sold in the days after, less returns")
    revenue_before = models.DecimalField(
        max_digits=12, decimal_places=2, db_comment="revenue of the days before, CAD"
    )
    revenue_after = models.DecimalField(
        max_digits=12, decimal_places=2, db_comment="revenue of the days after, CAD"
    )
    is_complete = models.BooleanField(
        db_comment="whether the period is over, or ended with the next approved price"
    )
    measured_at = models.DateTimeField(db_default=Now(), db_comment="when it was last measured")

    class Meta:
        db_table = "price_outcomes"
        db_table_comment = "Units and revenue before and after approved prices"
        ordering = ("-measured_at",)

    def __str__(self) -> str:
        return f"{self.units_before} → {self.units_after} units in {self.days} days"
