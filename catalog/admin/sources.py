"""Sources in the console: switch, point, run."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action

from catalog.models import CatalogSource
from catalog.tasks import sync_source


@admin.register(CatalogSource)
class CatalogSourceAdmin(ModelAdmin):
    """Sources come from the code; staff switch them, point them and run them."""

    list_display = ("label", "code", "is_enabled", "base_url")
    readonly_fields = ("code", "label")
    actions = ("run_now", "run_and_accept")
    actions_submit_line = ("save_and_run_now",)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: Any, queryset: QuerySet[CatalogSource]) -> None:
        """Start a sync of each."""
        for source in queryset:
            self.save_and_run_now(request, source)

    @admin.action(description="Run now and accept large changes", permissions=["change"])
    def run_and_accept(self, request: Any, queryset: QuerySet[CatalogSource]) -> None:
        """Start a sync that does not stop when much has vanished or changed."""
        for source in queryset:
            transaction.on_commit(partial(sync_source.delay, code=source.code, accept=True))
        messages.success(request, f"Being run, large changes accepted: {', '.join(s.label for s in queryset)}.")

    @action(description="Save and run now", permissions=["change"])
    def save_and_run_now(self, request: Any, obj: CatalogSource) -> None:
        """Start a sync of the source once its row is saved."""
        transaction.on_commit(partial(sync_source.delay, code=obj.code))
        runs = f"{reverse('admin:mlops_run_changelist')}?source={obj.code}"
        messages.success(request, format_html('{} is being run: <a href="{}">see its runs</a>.', obj.label, runs))
