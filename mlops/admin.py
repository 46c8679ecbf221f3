"""Runs, raw records, quarantine, lineage, alerts: to look at, not to write."""

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from mlops.models import Alert, LineageEntry, QuarantinedRecord, RawRecord, Run


class ReadOnlyAdmin(ModelAdmin):
    """What the machine wrote; people only read it."""

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """What a run did, with checksums in and out."""

    list_display = ("source", "started_at", "status", "read", "new", "changed", "unchanged", "rejected", "error")
    list_filter = ("source", "status")


@admin.register(RawRecord)
class RawRecordAdmin(ReadOnlyAdmin):
    """What was sent."""

    list_display = ("source", "bundle", "role", "size_bytes", "fetched_at", "refined_at", "content_hash")
    list_filter = ("source",)
    search_fields = ("content_hash", "url")


@admin.register(QuarantinedRecord)
class QuarantinedRecordAdmin(ReadOnlyAdmin):
    """What was rejected, and why."""

    list_display = ("source", "external_id", "field", "reason", "first_seen_at", "times_seen")
    list_filter = ("source", "field")
    search_fields = ("external_id", "reason")


@admin.register(LineageEntry)
class LineageEntryAdmin(ReadOnlyAdmin):
    """Which operation wrote which table."""

    list_display = ("occurred_at", "source", "operation", "output_table", "record_count", "checksum")
    list_filter = ("source", "output_table")


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What needs a person's eye."""

    list_display = ("opened_at", "code", "subject", "message", "closed_at")
    list_filter = ("code", "subject")
