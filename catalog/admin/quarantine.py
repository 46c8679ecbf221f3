"""Quarantined records in the console: inspect, fix, preview, replay, dismiss."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from catalog.admin.field_filter import FieldFilter
from catalog.admin.payload_form import JSONPayloadForm, PayloadFieldsForm
from catalog.pipelines import pipeline_by_name
from catalog.reference.field_labels import field_label
from catalog.selectors.quarantine import quarantined_records
from catalog.selectors.sources import column_of_field
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json
from mlops.admin.runs import OpenFilter
from mlops.models import QuarantinedRecord
from mlops.pipelines.errors import RecordRejected
from mlops.pipelines.remembered_fixes import (
    ABSENT,
    fixed_records,
    has_remembered_fix,
    replacements,
)
from mlops.pipelines.replay import (
    FixForgotten,
    ReplayRefused,
    dismiss,
    forget_fix,
    preview_payload,
    replay,
)
from mlops.streams.intake import PIPELINE as EVENT_PIPELINE
from mlops.streams.replay import replay_event

_TEMPLATE = "admin/mlops/quarantinedrecord/fix.html"
_OUTCOMES = {
    "replayed": _("replayed"),
    "dismissed": _("dismissed"),
    "superseded": _("superseded"),
}


class FixFilter(admin.SimpleListFilter):
    """Filter by what became of a fix."""

    title = _("fix")
    parameter_name = "fix"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states of a fix."""
        return [("remembered", _("Remembered")), ("forgotten", _("Forgotten"))]

    def queryset(self, _request: Any, queryset: QuerySet) -> QuerySet:
        """Return the records whose fix is in the chosen state."""
        if self.value() not in ("remembered", "forgotten"):
            return queryset
        return queryset.filter(
            pk__in=fixed_records().values("pk"), forgotten_at__isnull=self.value() == "remembered"
        )


@admin.register(QuarantinedRecord)
class QuarantinedRecordAdmin(ReadOnlyAdmin):
    """Rejected records with payload and reason."""

    list_display = (
        "external_id",
        "source",
        "field_name",
        "reason",
        "first_seen_at",
        "times_seen",
        "outcome_label",
    )
    list_filter = (OpenFilter, FixFilter, "source", ("field", FieldFilter))
    search_fields = ("external_id", "reason", "source")
    fields = (
        "source",
        "external_id",
        "field_name",
        "reason",
        "first_seen_at",
        "times_seen",
        "run",
        "last_run",
        "outcome_label",
        "closed_at",
        "closed_by",
        "forgotten_at",
        "forgotten_by",
        "received_payload",
        "fixed_payload_json",
    )
    readonly_fields = ("field_name", "outcome_label", "received_payload", "fixed_payload_json")
    change_form_outer_before_template = "admin/mlops/quarantinedrecord/remembered_fix.html"
    actions = ("replay_all", "dismiss_all")
    actions_detail = ("go_to_fix",)

    def get_urls(self) -> list[Any]:
        """Add the page on which a record is fixed, and the address that ends a fix."""
        fix, forget = map(self.admin_site.admin_view, (self.fix_view, self.forget_view))
        return [
            path("<uuid:pk>/fix/", fix, name="mlops_quarantinedrecord_fix"),
            path("<uuid:pk>/forget/", forget, name="mlops_quarantinedrecord_forget"),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Return whether the person may change quarantined records."""
        return request.user.has_perm("mlops.change_quarantinedrecord")

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Add the remembered fix of the record."""
        record = kwargs.get("obj")
        if record is not None and has_remembered_fix(record) and not _is_event(record):
            context = {
                **context,
                "record": record,
                "replacements": [
                    (change.name, _value_text(change.old), _value_text(change.new))
                    for change in replacements(record)
                ],
                "may_forget": self.has_replay_permission(request),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("field"), ordering="field")
    def field_name(self, record: QuarantinedRecord) -> str:
        """Show the label of the field."""
        return field_label(record.field)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_label(self, record: QuarantinedRecord) -> str:
        """Show the outcome in the language of the user."""
        return str(_OUTCOMES.get(record.outcome, "–"))

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
            "outcome": _OUTCOMES.get(record.outcome, ""),
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
            messages.error(request, _refusal_text(refused))
        return TemplateResponse(request, _TEMPLATE, context)

    def forget_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """End the remembered fix of a record."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        record = get_object_or_404(quarantined_records(), pk=pk)
        if not self.has_replay_permission(request):
            raise PermissionDenied
        by: Any = request.user
        try:
            forget_fix(record=record, by=by)
        except FixForgotten as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, _("The fix is forgotten. The next run rejects the record again.")
            )
        return redirect("admin:mlops_quarantinedrecord_change", pk)

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
        "rejected": [_rejection_text(rejection) for _payload, rejection in batch.rejected],
    }


def _field_values(listing: Any) -> list[tuple[str, str]]:
    """Return label and value of each field of a clean record, without empty ones."""
    names = getattr(listing, "__dataclass_fields__", {})
    values = [(name, getattr(listing, name)) for name in names]
    return [
        (field_label(name), str(value)) for name, value in values if value not in (None, "", (), [])
    ]


def _rejection_text(rejection: RecordRejected) -> str:
    """Return field and reason of a rejection, for people."""
    label = f"{field_label(rejection.field)}: " if rejection.field else ""
    return f"{label}{rejection.reason}"


def _refusal_text(refused: ReplayRefused) -> str:
    """Return why a replay is refused, with the label of the rejected field."""
    if refused.rejection is None:
        return str(refused)
    return gettext("Still rejected:") + f" {_rejection_text(refused.rejection)}"


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
        return gettext("The event was applied.")
    replay(pipeline_by_name(record.run.pipeline), record=record, by=by, payload=payload)
    message = gettext("%(record)s was saved as a listing and merged.") % {
        "record": record.external_id or record.source
    }
    if payload is None or payload == record.payload:
        return message
    later = gettext("Later runs apply the same fix.")
    return f"{message} {later}"


def _value_text(value: Any) -> str:
    """Return a replaced value for display; a dash where there is none."""
    if value is ABSENT or value in (None, ""):
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
