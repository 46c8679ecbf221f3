"""Filters of the price board that staff have saved."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class SavedBoardFilter(models.Model):
    """A named filter of the price board (table `saved_board_filters`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    name = models.CharField(max_length=60, db_comment="name shown above the board")
    query = models.CharField(
        max_length=1000, db_comment="query string of the board, for example category=vapes"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="user who saved it",
    )
    is_shared = models.BooleanField(
        default=False, db_default=False, db_comment="whether other users see it"
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was saved")

    class Meta:
        db_table = "saved_board_filters"
        db_table_comment = "Filters of the price board that staff have saved"
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_board_filters_unique")
        ]

    def __str__(self) -> str:
        return self.name
