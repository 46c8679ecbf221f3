"""Findings of quality, and seals."""

from typing import Any

from django.contrib import admin

from mlops.admin.read_only import ReadOnlyAdmin
from mlops.admin.runs import OpenFilter
from mlops.models import IntegritySeal, QualityFinding


@admin.register(QualityFinding)
class QualityFindingAdmin(ReadOnlyAdmin):
    """Which rows break which rule."""

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
    """What was found right, when."""

    list_display = ("table_name", "number", "row_count", "sealed_at", "checksum")
    list_filter = ("table_name",)
    ordering = ("-id",)

    @admin.display(description="block", ordering="block")
    def number(self, seal: Any) -> str:
        """Show the block as it stands in alerts."""
        return f"{seal.block:02x}"
