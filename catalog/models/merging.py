"""Duplicate products: match decisions, and aliases of merged products."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mlops.models import Assignable


class MatchDecision(Assignable):
    """
    A comparison of two products and the verdict on it (table `match_decisions`).

    Products are identified by their merge keys, the lesser one first, so that a decision survives
    the next sync of either.
    """

    class Verdict(models.TextChoices):
        """Verdict on the two products."""

        OPEN = "open", _("open")
        SAME = "same", _("duplicate")
        DIFFERENT = "different", _("not a duplicate")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    left_key = models.CharField(max_length=120, db_comment="merge key of the first product")
    right_key = models.CharField(max_length=120, db_comment="merge key of the second product")
    score = models.DecimalField(max_digits=5, decimal_places=2, db_comment="0 to 100")
    reasons = models.JSONField(db_comment="results of the comparison")
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
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")

    class Meta:
        db_table = "match_decisions"
        db_table_comment = "Comparisons of two products and the verdict on each"
        ordering = ("-score", "left_key")
        verbose_name = "possible duplicate"
        indexes = [
            models.Index(fields=["verdict", "-score", "left_key"], name="match_decisions_best")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["left_key", "right_key"], name="match_decisions_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(left_key__lt=models.F("right_key")), name="match_decisions_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.left_key} = {self.right_key}? {self.score}"


class ProductAlias(models.Model):
    """A merge key whose listings belong to the product of another (table `product_aliases`)."""

    merge_key = models.CharField(
        max_length=120, primary_key=True, db_comment="merge key of the merged product"
    )
    product_key = models.CharField(
        max_length=120, db_index=True, db_comment="merge key of the surviving product"
    )
    decision = models.ForeignKey(
        MatchDecision,
        on_delete=models.PROTECT,
        related_name="aliases",
        db_comment="decision that merged them",
    )
    before = models.JSONField(
        default=dict,
        db_comment="for unmerging: fields of both products, moved keys, stores",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")

    class Meta:
        verbose_name_plural = "product aliases"
        db_table = "product_aliases"
        db_table_comment = "Merge keys whose listings belong to the product of another key"

    def __str__(self) -> str:
        return f"{self.merge_key} → {self.product_key}"
