"""Console pages of quality findings and integrity seals."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from mlops.admin.read_only import ReadOnlyAdmin
from mlops.admin.runs import OpenFilter
from mlops.models import IntegritySeal, QualityFinding


@admin.register(QualityFinding)
class QualityFindingAdmin(ReadOnlyAdmin):
    """Rows that violate quality rules."""

    list_display = (
        "rule",
        "severity",
        "message",
        "table_name",
        "row_id",
        "field",
        "opened_at",
        "closed_at",
    )
    list_filter = (OpenFilter, "severity", "rule")


@admin.register(IntegritySeal)
class IntegritySealAdmin(ReadOnlyAdmin):
    """Signed checksums of table blocks."""

    list_display = ("table_name", "block_number", "row_count", "sealed_at", "checksum")
    list_filter = ("table_name",)
    ordering = ("-id",)

    @admin.display(description=_("block"), ordering="block")
    def block_number(self, seal: Any) -> str:
        """Show the block in hexadecimal, as alerts do."""
        return f"{seal.block:02x}"
