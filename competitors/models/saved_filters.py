"""Filters of the price board that staff have saved."""

from django.db import models

from config.models import SavedView


class SavedBoardFilter(SavedView):
    """A named filter of the price board (table `saved_board_filters`)."""

    class Meta(SavedView.Meta):
        db_table = "saved_board_filters"
        db_table_comment = "Filters of the price board that staff have saved"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_board_filters_unique")
        ]
