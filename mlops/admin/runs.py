"""Console pages of runs and lineage."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from config.admin.labels import ColoredLabel
from mlops.admin.dry_run_report import NEW_ROWS, read_report
from mlops.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from mlops.admin.subject_links import run_links
from mlops.models import Alert, LineageEntry, QuarantinedRecord, RawRecord, Run

_COUNTS = ("read", "new", "changed", "unchanged", "rejected", "repeated", "gone")
_DRY_RUN = "dry run"
_IN_PROGRESS = (Run.Status.RUNNING, Run.Status.LANDED)
_REFRESH_SECONDS = 3


class RawRecordInline(ReadOnlyInline):
    """Responses of the run's source."""

    model = RawRecord
    fields = ("bundle", "role", "status", "size_bytes", "fetched_at", "processed_at")
    ordering = ("bundle", "role")


class QuarantinedRecordInline(ReadOnlyInline):
    """Records that the run was the first to reject."""

    model = QuarantinedRecord
    fk_name = "run"
    fields = ("external_id", "field", "reason", "times_seen")


class LineageEntryInline(ReadOnlyInline):
    """Writes of the run."""

    model = LineageEntry
    fields = ("occurred_at", "operation", "output_table", "record_count", "checksum")


class AlertInline(ReadOnlyInline):
    """Alerts of the run."""

    model = Alert
    fields = ("code", "message", "opened_at", "closed_at")


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs with their counts and checksums."""

    list_display = ("source", "started_at", "state", "duration", *_COUNTS, "error")
    list_filter = ("source", "status", "is_dry_run", ("started_at", RangeDateTimeFilter))
    fieldsets = (
        (None, {"fields": ("source", "pipeline", "state", "started_at", "duration", "error")}),
        (
            _("Counts"),
            {
                "fields": (
                    ("read", "rejected", "repeated"),
                    ("new", "changed"),
                    ("unchanged", "gone"),
                )
            },
        ),
        (_("Checksums"), {"fields": ("checksum_in", "checksum_out", "newest_event_at")}),
    )
    readonly_fields = ("state", "duration")
    inlines = (RawRecordInline, QuarantinedRecordInline, LineageEntryInline, AlertInline)
    change_form_outer_before_template = "admin/mlops/run/links.html"

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Add links, and the report of a dry run; while the run goes on, the page refreshes."""
        run = kwargs.get("obj")
        if run is None:
            return super().render_change_form(request, context, *args, **kwargs)
        is_in_progress = run.status in _IN_PROGRESS
        context = {
            **context,
            "run": run,
            "run_links": run_links(run),
            "is_in_progress": is_in_progress,
            "refresh_seconds": _REFRESH_SECONDS,
            "report": read_report(run.report, request.GET) if run.report is not None else None,
            "new_rows": NEW_ROWS,
        }
        response = super().render_change_form(request, context, *args, **kwargs)
        if is_in_progress:
            response["Refresh"] = str(_REFRESH_SECONDS)
        return response

    @display(
        description=_("status"),
        ordering="status",
        label={
            "succeeded": "success",
            "failed": "danger",
            "interrupted": "warning",
            "running": "info",
            "landed": "info",
            _DRY_RUN: "info",
        },
    )
    def state(self, run: Run) -> ColoredLabel:
        """Show the status as a colored label."""
        if run.is_dry_run and run.status == Run.Status.SUCCEEDED:
            return ColoredLabel(_DRY_RUN, _("dry run"))
        if run.status == Run.Status.SUCCEEDED and run.finished_at is None:
            # The run of a topic receives events until the day ends.
            return ColoredLabel(Run.Status.RUNNING, Run.Status.RUNNING.label)
        return ColoredLabel(run.status, run.get_status_display())

    @admin.display(description=_("duration"))
    def duration(self, run: Run) -> str:
        """Show the seconds from start to end."""
        if run.finished_at is None:
            return gettext("in progress")
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"


@admin.register(LineageEntry)
class LineageEntryAdmin(ReadOnlyAdmin):
    """Writes of runs by table."""

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
    """Filter by state; open rows by default."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states other than the default."""
        return [("closed", _("Closed")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        """Label the default choice."""
        choices = list(super().choices(changelist))
        choices[0]["display"] = _("Open")
        return choices

    def queryset(self, _request: Any, queryset: QuerySet) -> QuerySet:
        """Return the rows in the chosen state."""
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")
