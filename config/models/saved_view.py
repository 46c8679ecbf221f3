"""Saved views of lists of the console."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class SavedView(models.Model):
    """A named search, filter and order of a list of the console, which its owner may share."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    name = models.CharField(max_length=60, db_comment="name shown above the list")
    query = models.CharField(
        max_length=1000, db_comment="query string of the list, for example category=vapes"
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
        abstract = True
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
