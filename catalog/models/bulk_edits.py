"""Bulk edits of products that run in the background."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class BulkEdit(models.Model):
    """
    New values of many products, written by a background task (table `bulk_edits`).

    Values and reason are removed once they are written: the operation records them.
    """

    class State(models.TextChoices):
        """Progress of a bulk edit."""

        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("being written")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")

    WORKING_STATES = (State.QUEUED, State.RUNNING)
    """States in which a background task works on it, or will."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who confirmed it",
    )
    reason = models.TextField(
        blank=True, db_comment="reason that the user gave; empty once the values are written"
    )
    review_by = models.DateField(null=True, db_comment="date on which the locks are to be reviewed")
    overrides_locks = models.BooleanField(
        default=False, db_comment="whether locked fields are written too"
    )
    changes = models.JSONField(
        encoder=DjangoJSONEncoder,
        default=dict,
        db_comment="values by field, by id of the product; empty once they are written",
    )
    product_count = models.IntegerField(db_comment="products to be written")
    skipped_count = models.IntegerField(
        default=0, db_comment="products whose field was locked already"
    )
    state = models.CharField(
        max_length=8,
        choices=State,
        default=State.QUEUED,
        db_comment="queued, running, done or refused",
    )
    refusal = models.TextField(blank=True, default="", db_comment="why it was refused")
    operation = models.ForeignKey(
        "mlops.Operation",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_comment="operation that wrote the values, by which they are undone",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was confirmed")
    finished_at = models.DateTimeField(null=True, db_comment="when it was written or refused")

    class Meta:
        db_table = "bulk_edits"
        db_table_comment = "Bulk edits of products that run in the background"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.product_count} {self.state}"
