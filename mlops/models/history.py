"""Audit trail: operations and the row changes that belong to them."""

from django.conf import settings
from django.contrib.postgres.fields import HStoreField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mlops.models.runs import Run


class Operation(models.Model):
    """A named change of any number of rows by one actor (table `operations`)."""

    class Kind(models.TextChoices):
        """Kind of change."""

        EDIT = "edit", _("edit")
        BULK_EDIT = "bulk_edit", _("bulk edit")
        IMPORT = "import", _("import of a file")
        REVIEW = "review", _("decision of a review item")
        MERGE = "merge", _("merge")
        UNMERGE = "unmerge", _("unmerge")
        MATCH = "match", _("automatic matching")
        RUN = "run", _("run of a source")
        REPLAY = "replay", _("replay from quarantine")
        UNDO = "undo", _("undo")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    kind = models.CharField(
        max_length=12,
        choices=Kind,
        db_comment="edit, bulk_edit, import, review, merge, unmerge, match, run, replay or undo",
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="NULL: an automated process",
    )
    client = models.CharField(max_length=60, blank=True, db_comment="name of the API key")
    reason = models.TextField(blank=True, db_comment="reason given by the actor")
    request_id = models.CharField(max_length=64, blank=True, db_comment="request_id of the logs")
    run = models.ForeignKey(
        Run,
        null=True,
        on_delete=models.PROTECT,
        related_name="operations",
        db_comment="run whose changes these are",
    )
    undoes = models.OneToOneField(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="undone_by",
        db_comment="operation that this one reverts",
    )
    started_at = models.DateTimeField(db_default=Now(), db_comment="when the operation began")

    class Meta:
        db_table = "operations"
        db_table_comment = "Named changes of rows by one actor, each with its undo"
        ordering = ("-started_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=models.Q(kind="run"), name="operations_one_per_run"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.started_at:%Y-%m-%d %H:%M}"


class RowChange(models.Model):
    """One change of one row of an audited table, written by triggers (table `row_changes`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    operation = models.ForeignKey(
        Operation,
        null=True,
        on_delete=models.PROTECT,
        related_name="changes",
        db_comment="operation the change belongs to; NULL: made outside of any",
    )
    table_name = models.CharField(max_length=63, db_comment="table of the changed row")
    row_id = models.UUIDField(db_comment="id of the changed row")
    action = models.CharField(max_length=6, db_comment="insert, update or delete")
    before = HStoreField(
        null=True, db_comment="values that were replaced, as PostgreSQL writes them; NULL: inserted"
    )
    after = HStoreField(
        null=True, db_comment="values that replaced them; NULL: inserted or deleted"
    )
    changed_at = models.DateTimeField(db_default=Now(), db_comment="when the statement ran")

    class Meta:
        db_table = "row_changes"
        db_table_comment = (
            "History of fields: one row per changed row and statement, written by triggers"
        )
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["table_name", "row_id", "-id"], name="row_changes_by_row"),
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id} {self.action}"
