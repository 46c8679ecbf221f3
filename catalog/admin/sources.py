"""Sources in the console: switch, point, run."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from unfold.admin import ModelAdmin

from catalog.models import CatalogSource
from catalog.tasks import sync_source


@admin.register(CatalogSource)
class CatalogSourceAdmin(ModelAdmin):
    """Sources come from the code; staff switch them, point them and run them."""

    list_display = ("label", "code", "is_enabled", "base_url")
    readonly_fields = ("code", "label")
    actions = ("run_now",)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    @admin.action(description="Run now")
    def run_now(self, request: Any, queryset: QuerySet[CatalogSource]) -> None:
        """Start a sync of each."""
        for source in queryset:
            sync_source.delay(code=source.code)
        messages.success(request, f"Started: {', '.join(s.label for s in queryset)}. See Runs.")
