"""Sources in the console: settings, column mapping, dry runs and runs."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordToggleWidget

from catalog.admin.columns import ColumnsForm, FormatForm
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.preview import load_preview, preview_rows
from catalog.models import CatalogSource
from catalog.pipelines import pipeline_for
from catalog.selectors.quarantine import count_remembered_fixes
from catalog.selectors.runs import latest_run
from catalog.selectors.sources import all_sources, has_listings, source_access
from catalog.services.pending_uploads import discard_upload, keep_upload, kept_upload
from catalog.services.sources import delete_source, save_source
from catalog.tasks import dry_run_catalog_source, sync_source
from config.admin.labels import ColoredLabel
from config.clients.address_guard import validate_source_url
from config.errors import BadInput, CultivarError
from config.uploads import scan_upload
from mlops.admin.subject_links import page_with
from mlops.models import Run
from mlops.pipelines.dry_run import start_dry_run

_MAX_PREVIEW_ROWS = 20
_SECRET_PLACEHOLDER = "•" * 12
"""Shown instead of a saved secret; submitted unchanged, the secret stays."""
_REQUIRED_BY_METHOD = _("This authentication method requires it.")
_FORMAT_FIELDS = ("sheet", "header_row", "encoding", "delimiter")
_COLUMNS_TEMPLATE = "admin/catalog/catalogsource/columns.html"
# Sources besides sheets that can be read from an uploaded file.
_FILE_SOURCES = ("ocs-wholesale",)


class SourceForm(forms.ModelForm):
    """A source, with its secret as a write-only field."""

    secret = forms.CharField(
        required=False,
        label=_("password or token"),
        max_length=500,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(render_value=True),
        help_text=_("Stored encrypted and never shown. Clear it to delete it."),
    )

    class Meta:
        model = CatalogSource
        fields = "__all__"  # noqa: DJ007  # limited by the fieldsets of the admin

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show a placeholder instead of a saved secret."""
        super().__init__(*args, **kwargs)
        if "secret" in self.fields and self.instance.sealed_secret is not None:
            self.initial["secret"] = _SECRET_PLACEHOLDER

    def clean_base_url(self) -> str:
        """Refuse an address that does not lead to a public server."""
        url: str = self.cleaned_data["base_url"]
        if url:
            validate_source_url(url)
        return url

    def clean_file(self) -> Any:
        """Refuse an uploaded file that the virus scanner refuses or cannot scan."""
        file = self.cleaned_data["file"]
        if isinstance(file, UploadedFile):
            try:
                scan_upload(file)
            except BadInput as error:
                raise forms.ValidationError(error.reason) from error
        return file

    def clean(self) -> dict[str, Any]:
        """Require complete credentials, and an address or a file for a new source."""
        cleaned: dict[str, Any] = super().clean() or {}
        methods = CatalogSource.Authentication
        method = cleaned.get("authentication", methods.NONE)
        if method != methods.NONE and not cleaned.get("secret"):
            self.add_error("secret", _REQUIRED_BY_METHOD)
        if method in (methods.BASIC, methods.HEADER) and not cleaned.get("authentication_name"):
            self.add_error("authentication_name", _REQUIRED_BY_METHOD)
        is_new = self.instance._state.adding
        if is_new and not cleaned.get("base_url") and not cleaned.get("file"):
            self.add_error("base_url", _("Enter an address or upload a file."))
        return cleaned


@admin.register(CatalogSource)
class CatalogSourceAdmin(ModelAdmin):
    """Suppliers, which are defined in code, and lists, which are added by staff."""

    warn_unsaved_form = True
    form = SourceForm
    list_display = ("label", "code", "kind", "is_enabled", "schedule_text", "last_run", "newest")
    list_filter = ("kind", "is_enabled")
    search_fields = ("label", "code")
    readonly_fields = ("kind", "last_run", "newest")
    actions = ("run_now", "dry_run_now", "run_with_large_changes")
    actions_detail = ("go_to_columns", "go_to_runs")
    change_form_outer_before_template = "admin/catalog/catalogsource/above.html"
    change_form_before_template = "admin/catalog/catalogsource/kept_file.html"
    actions_submit_line = ("save_and_run_now",)

    def get_fieldsets(self, _request: HttpRequest, obj: CatalogSource | None = None) -> Any:
        """Return the fields of the source's kind."""
        connection_fields = [
            "base_url",
            "authentication",
            "authentication_name",
            "secret",
            "requests_per_second",
        ]
        has_file = (
            obj is None
            or obj.kind == CatalogSource.Kind.SHEET
            or obj.file
            or obj.code in _FILE_SOURCES
        )
        if has_file:
            connection_fields.insert(1, "file")
        kind_fields = ["kind", "content_kind", "is_enabled"] if obj else ["content_kind"]
        schedule_fields = ["schedule", "last_run", "newest"] if obj else ["schedule"]
        return (
            (None, {"fields": ["label", "code", *kind_fields]}),
            (_("Connection"), {"fields": connection_fields}),
            (_("Schedule"), {"fields": schedule_fields}),
            (_("Safety limits"), {"fields": ["max_gone_percent", "max_price_jump_percent"]}),
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Add a link to the remembered fixes of the source."""
        source = kwargs.get("obj")
        if source is not None and request.user.has_perm("mlops.view_quarantinedrecord"):
            context = {
                **context,
                "fixes_count": count_remembered_fixes(source.code),
                "fixes_url": page_with(
                    "mlops_quarantinedrecord_changelist",
                    state="closed",
                    fix="remembered",
                    source=source.code,
                ),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_readonly_fields(self, _request: HttpRequest, obj: CatalogSource | None = None) -> Any:
        """Return also code and content kind of a saved source: listings and runs refer to them."""
        return (*self.readonly_fields, "code", "content_kind") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: CatalogSource | None = None) -> bool:
        """Allow deletion of lists without listings."""
        if obj is None or obj.kind != CatalogSource.Kind.SHEET:
            return False
        return not has_listings(obj.code) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: CatalogSource, form: Any, change: bool) -> None:
        """Save the source, its secret and its schedule."""
        if not change:
            obj.kind = CatalogSource.Kind.SHEET
        if form.cleaned_data.get("secret", _SECRET_PLACEHOLDER) != _SECRET_PLACEHOLDER:
            obj.secret = form.cleaned_data["secret"]
        by: Any = request.user
        save_source(source=obj, by=by)
        # `super().save_model` would save the row again before it runs these actions.
        for button in self.get_actions_submit_line(request, obj.pk):
            if button.action_name in request.POST:
                button.method(request, obj)

    def delete_model(self, request: HttpRequest, obj: CatalogSource) -> None:
        """Delete the source as an operation."""
        by: Any = request.user
        delete_source(source=obj, by=by)

    def response_add(
        self, request: HttpRequest, obj: CatalogSource, _post_url_continue: str | None = None
    ) -> Any:
        """Redirect to the column mapping."""
        messages.success(
            request, _("%(label)s is saved. Now map its columns.") % {"label": obj.label}
        )
        return redirect("admin:catalog_catalogsource_columns", obj.pk)

    def response_change(self, request: HttpRequest, obj: CatalogSource) -> HttpResponse:
        """Return to the source after "Save and run now", else as usual."""
        if "catalog_catalogsource_save_and_run_now" in request.POST:
            return redirect("admin:catalog_catalogsource_change", obj.pk)
        response: HttpResponse = super().response_change(request, obj)
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Keep an uploaded file while the form has errors, and take it when it is sent again."""
        form_name = f"source:{object_id or ''}"
        session = request.session
        is_posted = request.method == "POST"
        if is_posted and "keep_file" in request.POST and "file" not in request.FILES:
            if kept := kept_upload(session=session, form=form_name):
                request.FILES["file"] = kept
            else:
                messages.warning(request, _("The kept file has expired; choose it again."))
        response = super().changeform_view(request, object_id, form_url, extra_context)
        if not is_posted:
            return response
        file = request.FILES.get("file")
        form = _form_of(response)
        if file is None or form is None or "file" in form.errors:
            discard_upload(session=session, form=form_name)
        elif keep_upload(session=session, form=form_name, file=file):
            response.context_data["kept_file"] = file.name
        return response

    def get_urls(self) -> list[Any]:
        """Add the page of the column mapping, and the address that starts a dry run."""
        view = self.admin_site.admin_view(self.columns_view)
        return [
            path("<slug:pk>/columns/", view, name="catalog_catalogsource_columns"),
            path(
                "<slug:pk>/dry-run/",
                self.admin_site.admin_view(self.dry_run_view),
                name="catalog_catalogsource_dry_run",
            ),
            *super().get_urls(),
        ]

    @admin.display(description=_("runs"))
    def schedule_text(self, source: CatalogSource) -> str:
        """Show the schedule."""
        return str(source.schedule) if source.schedule else str(_("with the daily sync"))

    @display(
        description=_("last run"),
        label={
            "succeeded": "success",
            "failed": "danger",
            "interrupted": "warning",
            "never": "info",
        },
    )
    def last_run(self, source: CatalogSource) -> ColoredLabel:
        """Show status and age of the last run."""
        run = latest_run(source.code)
        if run is None:
            return ColoredLabel("never", _("never"))
        age = timesince(run.started_at, depth=1)
        text = _("%(status)s, %(age)s ago") % {
            "status": run.get_status_display(),
            "age": age,
        }
        return ColoredLabel(run.status, text)

    @admin.display(description=_("newest data"), ordering="newest_event_at")
    def newest(self, source: CatalogSource) -> str:
        """Show the age of the newest record by its own time."""
        if not source.newest_event_at:
            return "–"
        return _("%(age)s ago") % {"age": timesince(source.newest_event_at, depth=1)}

    @admin.action(description=_("Run now"), permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[CatalogSource]) -> None:
        """Start a sync of each source."""
        for source in queryset:
            self.save_and_run_now(request, source)

    @admin.action(description=_("Dry run: show what a run would change"), permissions=["change"])
    def dry_run_now(self, request: HttpRequest, queryset: QuerySet[CatalogSource]) -> None:
        """Start a dry run of each source."""
        for source in queryset:
            self._start_dry_run(request, source)

    @admin.action(description=_("Run now and accept large changes"), permissions=["change"])
    def run_with_large_changes(
        self, request: HttpRequest, queryset: QuerySet[CatalogSource]
    ) -> None:
        """Start a sync of each source that ignores the safety limits."""
        for source in queryset:
            self._start(
                request,
                source,
                sync_source,
                _("The sync of {} has started and accepts large changes"),
                accept=True,
            )

    @action(description=_("Save and run now"), permissions=["change"])
    def save_and_run_now(self, request: HttpRequest, obj: CatalogSource) -> None:
        """Start a sync of the source once its row is saved."""
        self._start(request, obj, sync_source, _("The sync of {} has started"))

    @action(description=_("Columns"), url_path="to-columns", permissions=["change"])
    def go_to_columns(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the column mapping of a list."""
        source = get_object_or_404(all_sources(), pk=object_id)
        if source.kind == CatalogSource.Kind.SHEET:
            return redirect("admin:catalog_catalogsource_columns", object_id)
        messages.info(
            request,
            _("The format of %(label)s is built in; no columns to map.") % {"label": source.label},
        )
        return redirect("admin:catalog_catalogsource_change", object_id)

    def dry_run_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Start a dry run of the source and open its page, which follows it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        source = get_object_or_404(all_sources(), pk=pk)
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        run = self._start_dry_run(request, source)
        if run is None:
            return redirect("admin:catalog_catalogsource_change", pk)
        return redirect("admin:mlops_run_change", run.pk)

    @action(description=_("Runs"), url_path="runs")
    def go_to_runs(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the runs of the source."""
        return redirect(_runs_url(object_id))

    def columns_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Show the columns of a list; preview the mapping on its first rows, or save it."""
        source = get_object_or_404(all_sources(), pk=pk, kind=CatalogSource.Kind.SHEET)
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        saved_format = {
            name: value for name, value in source.mapping.items() if name in _FORMAT_FIELDS
        }
        format_form = FormatForm(
            posted, sheets=[(posted or saved_format).get("sheet") or ""], initial=saved_format
        )
        is_format_posted = bool(posted) and format_form.is_valid()
        sheet_format = (
            format_form.cleaned_data if is_format_posted else {"header_row": 1, **saved_format}
        )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Columns of %(label)s") % {"label": source.label},
            "opts": self.opts,
            "source": source,
            "format": format_form,
        }
        try:
            preview = load_preview(
                source,
                SheetMapping(columns={"name": "–"}, **sheet_format).form,
                access=source_access(source.code),
            )
        except CultivarError as error:
            return TemplateResponse(request, _COLUMNS_TEMPLATE, {**context, "problem": str(error)})
        format_form.set_sheets(preview.sheets)
        form = ColumnsForm(
            posted, preview=preview, mapping=source.mapping, content_kind=source.content_kind
        )
        context |= {"form": form, "preview": preview}
        if not posted or not form.is_valid():
            return TemplateResponse(request, _COLUMNS_TEMPLATE, context)
        try:
            mapping = form.build_mapping(sheet_format)
        except ValidationError as error:
            form.add_error(None, error)
            return TemplateResponse(request, _COLUMNS_TEMPLATE, context)
        if "save" not in posted:
            context["row_previews"] = preview_rows(preview.rows[:_MAX_PREVIEW_ROWS], mapping)
            return TemplateResponse(request, _COLUMNS_TEMPLATE, context)
        source.mapping = mapping.model_dump(mode="json")
        by: Any = request.user
        save_source(source=source, by=by)
        messages.success(
            request,
            _("The columns of %(label)s are saved. Check a dry run, then run it.")
            % {"label": source.label},
        )
        return redirect("admin:catalog_catalogsource_change", source.pk)

    def _start_dry_run(self, request: HttpRequest, source: CatalogSource) -> Run | None:
        """Queue a dry run and return its row; None: the source cannot run."""
        if self._lacks_columns(request, source):
            return None
        run = start_dry_run(pipeline_name=pipeline_for(source).name, source=source.code)
        self._start(
            request,
            source,
            dry_run_catalog_source,
            _("The dry run of {} has started"),
            run_id=str(run.pk),
        )
        return run

    def _lacks_columns(self, request: HttpRequest, source: CatalogSource) -> bool:
        """Return whether the columns of a list are not mapped yet, with a message."""
        if source.kind != CatalogSource.Kind.SHEET or source.mapping:
            return False
        messages.error(request, _("%(label)s: map its columns first.") % {"label": source.label})
        return True

    def _start(
        self,
        request: HttpRequest,
        source: CatalogSource,
        task: Any,
        message: str | Promise,
        **kwargs: Any,
    ) -> None:
        """Queue a task after the transaction; message: with a placeholder for the source's name."""
        if self._lacks_columns(request, source):
            return
        transaction.on_commit(partial(task.delay, code=source.code, **kwargs))
        text = format_html(
            '{}: <a href="{}">{}</a>.',
            str(message).format(source.label),
            _runs_url(source.code),
            _("see its runs"),
        )
        messages.success(request, text)


def _form_of(response: Any) -> forms.ModelForm | None:
    """Return the form of a page that shows it again; None: it was saved."""
    context = getattr(response, "context_data", None) or {}
    return context["adminform"].form if "adminform" in context else None


def _runs_url(code: str) -> str:
    return f"{reverse('admin:mlops_run_changelist')}?source={code}"
