"""Imports of product sheets by staff: uploaded, previewed, confirmed, imported."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.core.files.storage import default_storage
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ProductImport(models.Model):
    """
    One uploaded product sheet and what its import would change (table `product_imports`).

    A background task reads it; the person confirms; another task writes. The file is deleted when
    the import ends or its preview expires.
    """

    class State(models.TextChoices):
        """Progress of an import."""

        UPLOADED = "uploaded", _("waiting to be read")
        READING = "reading", _("being read")
        READY = "ready", _("to be confirmed")
        CONFIRMED = "confirmed", _("being imported")
        IMPORTED = "imported", _("imported")
        REFUSED = "refused", _("refused")
        EXPIRED = "expired", _("expired")

    WORKING_STATES = (State.UPLOADED, State.READING, State.CONFIRMED)
    """States in which a background task works on an import, or will."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_comment="user who uploaded the sheet and alone may confirm it",
    )
    file_name = models.CharField(max_length=255, db_comment="name of the sheet, as uploaded")
    file = models.FileField(
        upload_to="imports",
        storage=default_storage,
        blank=True,
        db_comment="the sheet; empty: deleted",
    )
    state = models.CharField(
        max_length=10,
        choices=State,
        default=State.UPLOADED,
        db_comment="uploaded, reading, ready, confirmed, imported, refused or expired",
    )
    read_rows = models.IntegerField(default=0, db_default=0, db_comment="rows read so far")
    row_count = models.IntegerField(default=0, db_default=0, db_comment="rows of the sheet")
    preview = models.JSONField(
        default=dict,
        blank=True,
        db_comment="what the import changes: counts, unknown columns, first rows",
    )
    refusal = models.TextField(blank=True, db_comment="why the import is refused")
    operation = models.ForeignKey(
        "mlops.Operation",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_comment="operation that wrote the changes, by which they are undone",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the sheet was uploaded")
    expires_at = models.DateTimeField(db_comment="when file and preview are deleted")

    class Meta:
        db_table = "product_imports"
        db_table_comment = "Product sheets that staff import, with preview and progress"
        ordering = ("-created_at",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(read_rows__gte=0, read_rows__lte=models.F("row_count")),
                name="product_imports_progress",
            )
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_in_progress(self) -> bool:
        """Whether a background task works on it, or will."""
        return self.state in self.WORKING_STATES
