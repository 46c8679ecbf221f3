"""Runs, quarantine, lineage, alerts."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from mlops.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from mlops.models import Alert, LineageEntry, QuarantinedRecord, RawRecord, Run

_COUNTS = ("read", "new", "changed", "unchanged", "rejected", "gone")


class RawRecordInline(ReadOnlyInline):
    """What the source sent in the run."""

    model = RawRecord
    fields = ("bundle", "role", "status", "size_bytes", "fetched_at", "processed_at")
    ordering = ("bundle", "role")


class QuarantinedRecordInline(ReadOnlyInline):
    """What the run rejected first."""

    model = QuarantinedRecord
    fields = ("external_id", "field", "reason", "times_seen")


class LineageEntryInline(ReadOnlyInline):
    """What the run wrote."""

    model = LineageEntry
    fields = ("occurred_at", "operation", "output_table", "record_count", "checksum")


class AlertInline(ReadOnlyInline):
    """What the run made a person look at."""

    model = Alert
    fields = ("code", "message", "opened_at", "closed_at")


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """What a run read and changed, with checksums in and out."""

    list_display = ("source", "started_at", "state", "duration", *_COUNTS, "error")
    list_filter = ("source", "status", "is_dry_run", ("started_at", RangeDateTimeFilter))
    fieldsets = (
        (None, {"fields": ("source", "pipeline", "state", "started_at", "duration", "error")}),
        ("Counts", {"fields": (("read", "rejected"), ("new", "changed"), ("unchanged", "gone"))}),
        ("Checksums", {"fields": ("checksum_in", "checksum_out", "newest_event_at")}),
    )
    readonly_fields = ("state", "duration", "found")
    inlines = (RawRecordInline, QuarantinedRecordInline, LineageEntryInline, AlertInline)

    def get_fieldsets(self, request: HttpRequest, obj: Run | None = None) -> Any:
        """Show first what a rehearsal found."""
        if obj is None or not obj.is_dry_run:
            return self.fieldsets
        return (("Rehearsed: nothing was written", {"fields": ("found",)}), *self.fieldsets)

    @admin.display(description="what a run would change")
    def found(self, run: Run) -> SafeString:
        """Show what would stop a run, and some rows that it would write."""
        return SafeString(
            render_to_string(
                "admin/mlops/run/rehearsal.html", {"run": run, "report": run.report or {}}
            )
        )

    @display(
        description="status",
        ordering="status",
        label={
            "succeeded": "success",
            "failed": "danger",
            "interrupted": "warning",
            "running": "info",
            "landed": "info",
            "rehearsal": "info",
        },
    )
    def state(self, run: Run) -> str:
        """Show the status in color."""
        return "rehearsal" if run.is_dry_run else run.status

    @admin.display(description="duration")
    def duration(self, run: Run) -> str:
        """Show seconds from start to end."""
        return (
            f"{(run.finished_at - run.started_at).total_seconds():.1f} s"
            if run.finished_at
            else "under way"
        )


@admin.register(LineageEntry)
class LineageEntryAdmin(ReadOnlyAdmin):
    """Which operation wrote which table."""

    list_display = (
        "occurred_at",
        "source",
        "operation",
        "output_table",
        "record_count",
        "checksum",
    )
    list_filter = ("source", "output_table")


class OpenFilter(admin.SimpleListFilter):
    """Open or closed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the two."""
        return [("open", "Open"), ("closed", "Closed")]

    def queryset(self, request: Any, queryset: QuerySet) -> QuerySet:
        """Keep one of them."""
        return (
            queryset.filter(closed_at__isnull=self.value() == "open") if self.value() else queryset
        )


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What needs a person's eye."""

    list_display = (
        "code",
        "severity",
        "subject",
        "message",
        "opened_at",
        "notified_at",
        "closed_at",
    )
    list_filter = (OpenFilter, "code", "subject")
