"""Sources in the console: switch, point, schedule, describe, rehearse, run."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.timesince import timesince
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordToggleWidget

from catalog.admin.columns import ColumnsForm, FormatForm
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.preview import look_at, try_rows
from catalog.models import CatalogSource, SupplierListing
from catalog.services.sources import save_source
from catalog.tasks import rehearse, sync_source
from config.errors import CultivarError
from mlops.models import Run

_TRIED = 20
_KEPT = "•" * 12
_FORM_FIELDS = ("sheet", "header_row", "encoding", "delimiter")


class SourceForm(forms.ModelForm):
    """A source; its secret goes in and never comes out again."""

    secret = forms.CharField(
        required=False,
        label="password or token",
        max_length=500,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(render_value=True),
        help_text="Kept encrypted and never shown. Empty it to forget it.",
    )

    class Meta:
        model = CatalogSource
        fields = "__all__"  # the admin names them

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if "secret" in self.fields and self.instance.sealed_secret is not None:
            self.initial["secret"] = _KEPT

    def clean(self) -> dict[str, Any]:
        """Refuse half a proof of identity, and a list that lies nowhere."""
        data: dict[str, Any] = super().clean() or {}
        kind = CatalogSource.Authentication
        if data.get("authentication", kind.NONE) != kind.NONE and not data.get("secret"):
            self.add_error("secret", "is wanted for this way of authentication")
        named = data.get("authentication") in (kind.BASIC, kind.HEADER)
        if named and not data.get("authentication_name"):
            self.add_error("authentication_name", "is wanted for this way of authentication")
        if self.instance._state.adding and not data.get("base_url") and not data.get("file"):
            self.add_error("base_url", "give an address or a file")
        return data


@admin.register(CatalogSource)
class CatalogSourceAdmin(ModelAdmin):
    """Suppliers come from the code; lists of rows are added by staff."""

    form = SourceForm
    list_display = ("label", "code", "kind", "is_enabled", "when", "last_run", "newest")
    list_filter = ("kind", "is_enabled")
    search_fields = ("label", "code")
    readonly_fields = ("kind", "last_run", "newest")
    actions = ("run_now", "rehearse_now", "run_and_accept")
    actions_detail = ("map_columns_of", "rehearse_this", "see_runs")
    actions_submit_line = ("save_and_run_now",)

    def get_fieldsets(self, request: HttpRequest, obj: CatalogSource | None = None) -> Any:
        """Show what a source of this kind has."""
        reached = [
            "base_url",
            "authentication",
            "authentication_name",
            "secret",
            "requests_per_second",
        ]
        if (
            obj is None
            or obj.kind == CatalogSource.Kind.SHEET
            or obj.file
            or obj.code == "ocs-wholesale"
        ):
            reached.insert(1, "file")
        return (
            (
                None,
                {
                    "fields": [
                        "label",
                        "code",
                        *(["kind", "holds", "is_enabled"] if obj else ["holds"]),
                    ]
                },
            ),
            ("Where it is", {"fields": reached}),
            (
                "When it runs",
                {"fields": ["schedule", "last_run", "newest"] if obj else ["schedule"]},
            ),
            ("When it stops and asks", {"fields": ["most_gone_percent", "most_jumped_percent"]}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: CatalogSource | None = None) -> Any:
        """Keep a code once it is given, and what it holds: listings and runs are known by them."""
        return (*self.readonly_fields, "code", "holds") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: CatalogSource | None = None) -> bool:
        """Allow it for a list that nothing has come from."""
        if obj is None or obj.kind != CatalogSource.Kind.SHEET:
            return False
        has_come = SupplierListing.objects.filter(source=obj.code).exists()
        return not has_come and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: CatalogSource, form: Any, change: bool) -> None:
        """Save the row, its secret and its place on the clock."""
        if not change:
            obj.kind = CatalogSource.Kind.SHEET
        if form.cleaned_data.get("secret", _KEPT) != _KEPT:
            obj.secret = form.cleaned_data["secret"]
        save_source(source=obj)
        super().save_model(
            request, obj, form, change
        )  # the theme starts the actions of the submit line there

    def response_add(
        self, request: HttpRequest, obj: CatalogSource, post_url_continue: str | None = None
    ) -> Any:
        """Go on to its columns."""
        messages.success(request, f"{obj.label} is saved. Say now which of its columns says what.")
        return redirect("admin:catalog_catalogsource_columns", obj.pk)

    def get_urls(self) -> list[Any]:
        """Add the page of columns."""
        view = self.admin_site.admin_view(self.columns)
        return [
            path("<slug:pk>/columns/", view, name="catalog_catalogsource_columns"),
            *super().get_urls(),
        ]

    @admin.display(description="runs")
    def when(self, source: CatalogSource) -> str:
        """Show its schedule."""
        return str(source.schedule) if source.schedule else "with the daily sync"

    @display(
        description="last run",
        label={
            "succeeded": "success",
            "failed": "danger",
            "interrupted": "warning",
            "never": "info",
        },
    )
    def last_run(self, source: CatalogSource) -> str | tuple[str, str]:
        """Show how the last run ended, and when."""
        run = Run.objects.filter(source=source.code, is_rehearsal=False).first()
        return (
            (run.status, f"{run.status}, {timesince(run.started_at, depth=1)} ago")
            if run
            else "never"
        )

    @admin.display(description="newest data", ordering="newest_event_at")
    def newest(self, source: CatalogSource) -> str:
        """Show how old the newest of its data are, by their own time."""
        return (
            f"{timesince(source.newest_event_at, depth=1)} ago" if source.newest_event_at else "–"
        )

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[CatalogSource]) -> None:
        """Start a sync of each."""
        for source in queryset:
            self.save_and_run_now(request, source)

    @admin.action(description="Rehearse: what would a run change?", permissions=["change"])
    def rehearse_now(self, request: HttpRequest, queryset: QuerySet[CatalogSource]) -> None:
        """Start a rehearsal of each."""
        for source in queryset:
            self._start(request, source, rehearse, "rehearsed")

    @admin.action(description="Run now and accept large changes", permissions=["change"])
    def run_and_accept(self, request: HttpRequest, queryset: QuerySet[CatalogSource]) -> None:
        """Start a sync that does not stop when much has vanished or changed."""
        for source in queryset:
            self._start(request, source, sync_source, "run, large changes accepted", accept=True)

    @action(description="Save and run now", permissions=["change"])
    def save_and_run_now(self, request: HttpRequest, obj: CatalogSource) -> None:
        """Start a sync of the source once its row is saved."""
        self._start(request, obj, sync_source, "run")

    @action(description="Columns", url_path="to-columns", permissions=["change"])
    def map_columns_of(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page of columns."""
        source = get_object_or_404(CatalogSource, pk=object_id)
        if source.kind == CatalogSource.Kind.SHEET:
            return redirect("admin:catalog_catalogsource_columns", object_id)
        messages.info(
            request, f"The format of {source.label} is known; it has no columns to choose."
        )
        return redirect("admin:catalog_catalogsource_change", object_id)

    @action(description="Rehearse", url_path="rehearse", permissions=["change"])
    def rehearse_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start a rehearsal."""
        self._start(request, get_object_or_404(CatalogSource, pk=object_id), rehearse, "rehearsed")
        return redirect("admin:catalog_catalogsource_change", object_id)

    @action(description="Runs", url_path="runs")
    def see_runs(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to its runs."""
        return redirect(_runs_of(object_id))

    def columns(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Show the list's columns; try what was chosen on its first rows; save it."""
        source = get_object_or_404(CatalogSource, pk=pk, kind=CatalogSource.Kind.SHEET)
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else None
        known = {name: value for name, value in source.mapping.items() if name in _FORM_FIELDS}
        asked = FormatForm(given, sheets=[(given or known).get("sheet") or ""], initial=known)
        form = asked.cleaned_data if given and asked.is_valid() else {"header_row": 1, **known}
        context = {
            **self.admin_site.each_context(request),
            "title": f"Columns of {source.label}",
            "opts": self.opts,
            "source": source,
            "format": asked,
        }
        try:
            look = look_at(source, SheetMapping(columns={"name": "–"}, **form).form)
        except CultivarError as error:
            return TemplateResponse(request, _COLUMNS_PAGE, {**context, "problem": str(error)})
        asked.fields["sheet"].choices = [("", "the first"), *((name, name) for name in look.sheets)]  # type: ignore[attr-defined]
        chosen = ColumnsForm(given, look=look, mapping=source.mapping, holds=source.holds)
        if given and chosen.is_valid():
            try:
                mapping = chosen.mapping(form)
            except ValidationError as error:
                chosen.add_error(None, error)
            else:
                if "save" in given:
                    source.mapping = mapping.model_dump(mode="json")
                    save_source(source=source)
                    messages.success(
                        request,
                        f"The columns of {source.label} are saved. Rehearse a run, then run it.",
                    )
                    return redirect("admin:catalog_catalogsource_change", source.pk)
                context["tried"] = try_rows(look.rows[:_TRIED], mapping)
        return TemplateResponse(request, _COLUMNS_PAGE, {**context, "form": chosen, "look": look})

    def _start(
        self, request: HttpRequest, source: CatalogSource, task: Any, done: str, **more: Any
    ) -> None:
        if source.kind == CatalogSource.Kind.SHEET and not source.mapping:
            messages.error(request, f"{source.label}: say first which of its columns says what.")
            return
        transaction.on_commit(partial(task.delay, code=source.code, **more))
        text = '{} is being {}: <a href="{}">see its runs</a>.'
        messages.success(request, format_html(text, source.label, done, _runs_of(source.code)))


_COLUMNS_PAGE = "admin/catalog/catalogsource/columns.html"


def _runs_of(code: str) -> str:
    return f"{reverse('admin:mlops_run_changelist')}?source={code}"
