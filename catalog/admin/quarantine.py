"""Quarantined records in the console: inspect, fix, preview, replay, dismiss."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from catalog.admin.payload_form import JSONPayloadForm, PayloadFieldsForm
from catalog.pipelines import pipeline_by_name
from catalog.selectors.quarantine import quarantined_records
from catalog.selectors.sources import column_of_field
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json
from mlops.admin.runs import OpenFilter
from mlops.models import QuarantinedRecord
from mlops.pipelines.replay import ReplayRefused, dismiss, preview_payload, replay
from mlops.streams.intake import PIPELINE as EVENT_PIPELINE
from mlops.streams.replay import replay_event

_TEMPLATE = "admin/mlops/quarantinedrecord/fix.html"


@admin.register(QuarantinedRecord)
class QuarantinedRecordAdmin(ReadOnlyAdmin):
    """Rejected records with payload and reason."""

    list_display = (
        "external_id",
        "source",
        "field",
        "reason",
        "first_seen_at",
        "times_seen",
        "outcome",
    )
    list_filter = (OpenFilter, "source", "field")
    search_fields = ("external_id", "reason", "source")
    fields = (
        "source",
        "external_id",
        "field",
        "reason",
        "first_seen_at",
        "times_seen",
        "run",
        "outcome",
        "closed_at",
        "closed_by",
        "received_payload",
        "fixed_payload_json",
    )
    readonly_fields = ("received_payload", "fixed_payload_json")
    actions = ("replay_all", "dismiss_all")
    actions_detail = ("go_to_fix",)

    def get_urls(self) -> list[Any]:
        """Add the page on which a record is fixed."""
        view = self.admin_site.admin_view(self.fix_view)
        return [
            path("<uuid:pk>/fix/", view, name="mlops_quarantinedrecord_fix"),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Return whether the person may change quarantined records."""
        return request.user.has_perm("mlops.change_quarantinedrecord")

    @admin.display(description=_("received payload"))
    def received_payload(self, record: QuarantinedRecord) -> SafeString:
        """Show the payload as received."""
        return pretty_json(record.payload)

    @admin.display(description=_("fixed payload"))
    def fixed_payload_json(self, record: QuarantinedRecord) -> SafeString | str:
        """Show the payload as fixed by a person."""
        return pretty_json(record.fixed_payload) if record.fixed_payload is not None else "–"

    @action(description=_("Fix and replay"), url_path="to-fix", permissions=["replay"])
    def go_to_fix(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the page on which the record is fixed."""
        return redirect("admin:mlops_quarantinedrecord_fix", object_id)

    def fix_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Edit the payload of a record; preview, replay or dismiss it."""
        record = get_object_or_404(quarantined_records(), pk=pk)
        if not self.has_replay_permission(request):
            raise PermissionDenied
        form = _form(request, record)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Fix %(external_id)s")
            % {"external_id": record.external_id or record.source},
            "opts": self.opts,
            "record": record,
            "form": form,
            "is_json": isinstance(form, JSONPayloadForm),
        }
        by: Any = request.user
        try:
            if "dismiss" in request.POST:
                dismiss(record=record, by=by)
                messages.success(request, _("Record dismissed."))
                return redirect("admin:mlops_quarantinedrecord_changelist")
            if form.is_bound and form.is_valid():
                payload = form.cleaned_data["payload"]
                if "replay" in request.POST:
                    messages.success(request, _replay(record, by, payload))
                    return redirect("admin:mlops_quarantinedrecord_change", record.pk)
                context |= _preview(request, record, payload)
        except ReplayRefused as refused:
            messages.error(request, str(refused))
        return TemplateResponse(request, _TEMPLATE, context)

    @admin.action(description=_("Replay with the current rules"), permissions=["replay"])
    def replay_all(self, request: HttpRequest, queryset: QuerySet[QuarantinedRecord]) -> None:
        """Replay each open record as received."""
        by: Any = request.user
        replayed_count = 0
        rejected_count = 0
        for record in queryset.filter(closed_at=None).select_related("run"):
            try:
                _replay(record, by)
            except ReplayRefused:
                rejected_count += 1
            else:
                replayed_count += 1
        messages.info(
            request,
            _("%(replayed_count)s replayed, %(rejected_count)s still rejected.")
            % {"replayed_count": replayed_count, "rejected_count": rejected_count},
        )

    @admin.action(description=_("Dismiss"), permissions=["replay"])
    def dismiss_all(self, request: HttpRequest, queryset: QuerySet[QuarantinedRecord]) -> None:
        """Close each open record without replay; it can still be read with the filter "Closed"."""
        by: Any = request.user
        records = list(queryset.filter(closed_at=None))
        for record in records:
            dismiss(record=record, by=by)
        messages.success(
            request, _("%(records_count)s records dismissed.") % {"records_count": len(records)}
        )


def _form(request: HttpRequest, record: QuarantinedRecord) -> JSONPayloadForm | PayloadFieldsForm:
    """Return the form of the fields, or of the whole payload where the user chose JSON."""
    received = record.payload
    wants_json = "payload" in request.POST or "json" in request.GET
    if wants_json or not isinstance(received, dict):
        data = request.POST if "payload" in request.POST else None
        return JSONPayloadForm(data, initial={"payload": received})
    data = request.POST if PayloadFieldsForm.is_posted(request.POST) else None
    return PayloadFieldsForm(data, received=received, faulty=_faulty_column(record))


def _faulty_column(record: QuarantinedRecord) -> str:
    """Return the name that the rejected field has in the payload; its own where none is known."""
    return column_of_field(record.source, record.field) or record.field


def _preview(request: HttpRequest, record: QuarantinedRecord, payload: Any) -> dict[str, Any]:
    """Return what a replay would do, as context of the page. Raises ReplayRefused."""
    if _is_event(record):
        by: Any = request.user
        replay_event(record=record, by=by, payload=payload, dry_run=True)
        messages.info(request, _("The event would be accepted."))
        return {}
    batch = preview_payload(
        pipeline_by_name(record.run.pipeline), source=record.source, payload=payload
    )
    return {
        "accepted": [_field_values(listing) for listing in batch.accepted],
        "rejected": [str(rejection) for _payload, rejection in batch.rejected],
    }


def _field_values(listing: Any) -> list[tuple[str, str]]:
    """Return name and value of each field of a clean record, without empty ones."""
    names = getattr(listing, "__dataclass_fields__", {})
    values = [(name, getattr(listing, name)) for name in names]
    return [(name, str(value)) for name, value in values if value not in (None, "", (), [])]


def _is_event(record: QuarantinedRecord) -> bool:
    """Return whether a record was received as an event, not in a supplier's list."""
    return record.run.pipeline == EVENT_PIPELINE


def _replay(record: QuarantinedRecord, by: Any, payload: Any = None) -> str:
    """
    Replay a record and return a message for the person. Raises ReplayRefused.

    payload: the fixed payload; as received when None.
    """
    if _is_event(record):
        replay_event(record=record, by=by, payload=payload)
        return "The event was applied."
    replay(pipeline_by_name(record.run.pipeline), record=record, by=by, payload=payload)
    return f"{record.external_id or record.source} was saved as a listing and merged."
