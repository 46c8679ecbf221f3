"""Matches of offers to products: verdicts with their history, and aliases learned from them."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from competitors.models.offers import CompetitorOffer


class OfferMatch(models.Model):
    """
    A comparison of an offer with a product and the verdict on it (table `offer_matches`).

    The row of a pair that a person decided is never deleted: a "different" keeps the engine from
    proposing the pair again.
    """

    class Verdict(models.TextChoices):
        """Verdict on offer and product."""

        OPEN = "open", _("open")
        SAME = "same", _("same product")
        DIFFERENT = "different", _("another product")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    offer = models.ForeignKey(
        CompetitorOffer,
        on_delete=models.CASCADE,
        related_name="matches",
        db_index=False,
        db_comment="offer",
    )
    product = models.ForeignKey(
        "catalog.Product",
        on_delete=models.CASCADE,
        related_name="offer_matches",
        db_comment="product",
    )
    score = models.DecimalField(max_digits=5, decimal_places=2, db_comment="0 to 100")
    reasons = models.JSONField(default=list, db_comment="results of the comparison")
    algorithm = models.CharField(max_length=20, db_comment="version of the matching")
    verdict = models.CharField(
        max_length=10, choices=Verdict, default=Verdict.OPEN, db_comment="same, open or different"
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="NULL: decided by the matching",
    )
    decided_at = models.DateTimeField(null=True, db_comment="time of the verdict; NULL: none yet")
    history = models.JSONField(
        default=list,
        db_comment="earlier verdicts: verdict, user id, time; undone ones with who and when",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")

    class Meta:
        verbose_name_plural = "offer matches"
        db_table = "offer_matches"
        db_table_comment = "Comparisons of competitors' offers with products and the verdicts"
        ordering = ("-score", "id")
        indexes = [models.Index(fields=["-score", "id"], name="offer_matches_best")]
        constraints = [
            models.UniqueConstraint(fields=["offer", "product"], name="offer_matches_unique")
        ]

    def __str__(self) -> str:
        return f"{self.offer_id} = {self.product_id}? {self.verdict}"

    def as_history(self, *, cause: str = "") -> dict[str, Any]:
        """Return the current verdict as an entry of the history."""
        entry = {
            "verdict": str(self.verdict),
            "user": self.decided_by_id,
            "at": self.decided_at.isoformat() if self.decided_at else None,
        }
        return {**entry, "cause": cause} if cause else entry


class OfferAlias(models.Model):
    """
    A description that a person has confirmed to be a product (table `offer_aliases`).

    An offer of any competitor with the same description is matched without a question.
    """

    description_hash = models.CharField(
        primary_key=True,
        max_length=64,
        db_comment="sha256 of brand, name, size and category in normalized spelling",
    )
    product = models.ForeignKey(
        "catalog.Product",
        on_delete=models.CASCADE,
        related_name="offer_aliases",
        db_comment="product it is",
    )
    match = models.ForeignKey(
        OfferMatch,
        on_delete=models.CASCADE,
        related_name="aliases",
        db_comment="confirmation it was learned from",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was learned")

    class Meta:
        verbose_name_plural = "offer aliases"
        db_table = "offer_aliases"
        db_table_comment = "Descriptions of offers that are known to be a product"

    def __str__(self) -> str:
        return f"{self.description_hash[:8]} → {self.product_id}"
