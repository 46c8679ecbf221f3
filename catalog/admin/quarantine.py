"""Quarantine in the console: looked at, mended, tried, replayed, put away."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog.pipelines import pipeline_named
from mlops.admin.pages import OpenFilter
from mlops.admin.reading import ReadOnlyAdmin, pretty_json
from mlops.models import QuarantinedRecord
from mlops.pipelines.replay import ReplayRefused, dismiss, replay, try_payload
from mlops.streams.intake import PIPELINE as STREAMS
from mlops.streams.replay import replay_event

_PAGE = "admin/mlops/quarantinedrecord/mend.html"


class MendForm(forms.Form):
    """The payload, as JSON."""

    payload = forms.JSONField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 24, "style": "font-family: monospace"})
    )

    def clean_payload(self) -> dict[str, Any]:
        """Want an object."""
        payload = self.cleaned_data["payload"]
        if not isinstance(payload, dict):
            raise forms.ValidationError("The payload must be an object.")
        return payload


@admin.register(QuarantinedRecord)
class QuarantinedRecordAdmin(ReadOnlyAdmin):
    """What was rejected, and why."""

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
    search_fields = ("external_id", "reason")
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
        "received",
        "mended",
    )
    readonly_fields = ("received", "mended")
    actions = ("replay_all", "put_away_all")
    actions_detail = ("mend_it",)

    def get_urls(self) -> list[Any]:
        """Add the page on which a record is mended."""
        view = self.admin_site.admin_view(self.mend)
        return [
            path("<uuid:pk>/mend/", view, name="mlops_quarantinedrecord_mend"),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change quarantined records may replay them."""
        return request.user.has_perm("mlops.change_quarantinedrecord")

    @admin.display(description="payload, as received")
    def received(self, record: QuarantinedRecord) -> SafeString:
        """Show the payload."""
        return pretty_json(record.payload)

    @admin.display(description="payload, as mended")
    def mended(self, record: QuarantinedRecord) -> SafeString | str:
        """Show what a person made of it."""
        return pretty_json(record.fixed_payload) if record.fixed_payload is not None else "–"

    @action(description="Mend and replay", url_path="to-mend", permissions=["replay"])
    def mend_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page."""
        return redirect("admin:mlops_quarantinedrecord_mend", object_id)

    def mend(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take a payload, try it, and make it a product or put it away."""
        record = get_object_or_404(QuarantinedRecord.objects.select_related("run"), pk=pk)
        if not self.has_replay_permission(request):
            raise PermissionDenied
        form = MendForm(
            request.POST if "payload" in request.POST else None, initial={"payload": record.payload}
        )
        form.fields["payload"].encoder = _Indented  # type: ignore[attr-defined]  # as the widget shows it
        context = {
            **self.admin_site.each_context(request),
            "title": f"Mend {record.external_id or record.source}",
            "opts": self.opts,
            "record": record,
            "form": form,
        }
        by: Any = request.user
        try:
            if "dismiss" in request.POST:
                dismiss(record=record, by=by)
                messages.success(request, "Put away.")
                return redirect("admin:mlops_quarantinedrecord_changelist")
            if form.is_bound and form.is_valid():
                payload = form.cleaned_data["payload"]
                if "replay" in request.POST:
                    messages.success(request, _replay(record, by, payload))
                    return redirect("admin:mlops_quarantinedrecord_change", record.pk)
                if _is_event(record):
                    replay_event(record=record, by=by, payload=payload, dry_run=True)
                    messages.info(request, "It would be applied.")
                    return TemplateResponse(request, _PAGE, context)
                refined = try_payload(
                    pipeline_named(record.run.pipeline), source=record.source, payload=payload
                )
                context["accepted"] = [_told(listing) for listing in refined.accepted]
                context["rejected"] = [str(rejection) for _, rejection in refined.rejected]
        except ReplayRefused as refused:
            messages.error(request, str(refused))
        return TemplateResponse(request, _PAGE, context)

    @admin.action(description="Replay: read again by today's rules", permissions=["replay"])
    def replay_all(self, request: HttpRequest, queryset: QuerySet[QuarantinedRecord]) -> None:
        """Replay each as it was received."""
        done, refused_count = 0, 0
        by: Any = request.user
        for record in queryset.filter(closed_at=None).select_related("run"):
            try:
                _replay(record, by)
                done += 1
            except ReplayRefused:
                refused_count += 1
        messages.info(request, f"{done} replayed, {refused_count} still rejected.")

    @admin.action(description="Put away: these are no products", permissions=["replay"])
    def put_away_all(self, request: HttpRequest, queryset: QuerySet[QuarantinedRecord]) -> None:
        """Close each; they stay readable under Closed."""
        by: Any = request.user
        records = list(queryset.filter(closed_at=None))
        for record in records:
            dismiss(record=record, by=by)
        messages.success(request, f"{len(records)} put away.")


class _Indented(json.JSONEncoder):
    def __init__(self, **how: Any) -> None:
        super().__init__(**{**how, "indent": 2, "ensure_ascii": False})


def _told(listing: Any) -> list[tuple[str, str]]:
    names = getattr(listing, "__dataclass_fields__", {})
    return [
        (name, str(value))
        for name in names
        if (value := getattr(listing, name)) not in (None, "", (), [])
    ]


def _is_event(record: QuarantinedRecord) -> bool:
    """Say whether it came as an event, not in a supplier's list."""
    return record.run.pipeline == STREAMS


def _replay(record: QuarantinedRecord, by: Any, payload: Any = None) -> str:
    """Read it again, and say what it is now. Raises ReplayRefused."""
    if _is_event(record):
        replay_event(record=record, by=by, payload=payload)
        return "The event is applied now."
    replay(pipeline_named(record.run.pipeline), record=record, by=by, payload=payload)
    return f"{record.external_id or record.source} is a listing now, and its product there."
