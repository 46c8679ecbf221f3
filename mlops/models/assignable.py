"""Assignable rows, and comments on them."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Assignable(models.Model):
    """Columns of rows that one person is in charge of."""

    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_comment="user in charge; NULL: no one",
    )

    class Meta:
        abstract = True


class Comment(models.Model):
    """
    A comment of a person on a row, or what the person did to it and why (table `comments`).

    Comments stay when the row is gone: they are part of its history.
    """

    class Action(models.TextChoices):
        """Action that the comment is about."""

        COMMENT = "comment", _("Comment")
        ASSIGN = "assign", _("Assign")
        UNASSIGN = "unassign", _("Unassign")
        ACKNOWLEDGE = "acknowledge", _("Acknowledge")
        RESOLVE = "resolve", _("Resolve")

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    table_name = models.CharField(max_length=63, db_comment="table of the row")
    row_id = models.CharField(max_length=36, db_comment="primary key of the row, as text")
    action = models.CharField(
        max_length=11,
        choices=Action,
        default=Action.COMMENT,
        db_comment="comment, assign, unassign, acknowledge or resolve",
    )
    text = models.TextField(blank=True, db_comment="comment, or reason of the action")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who wrote it",
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_comment="user who was put in charge; NULL: the action is another one",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was written")

    class Meta:
        db_table = "comments"
        db_table_comment = "Comments of staff on alerts, review items and possible duplicates"
        ordering = ("created_at", "id")
        indexes = [models.Index(fields=["table_name", "row_id"], name="comments_row")]

    def __str__(self) -> str:
        return f"{self.action} {self.table_name} {self.row_id}"
