"""Console pages of experiments: draft, start and stop with confirmation, result."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from config.admin.labels import ColoredLabel
from config.errors import CultivarError
from mlops.experiments import (
    EXPERIMENT_SUBJECTS,
    VariantPlan,
    experiment_result,
    find_subject,
    plan_problems,
    save_variants,
    scope_choices,
    start_experiment,
    stop_experiment,
)
from mlops.models import Experiment, ExperimentVariant

_STATUS_LABELS = {"draft": "info", "running": "warning", "stopped": "success"}


class StopForm(forms.Form):
    """Reason of the end of an experiment."""

    reason = forms.CharField(
        label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), max_length=1_000
    )


class ExperimentForm(forms.ModelForm):
    """Draft of an experiment; its metric must be measured in its scope."""

    hypothesis = forms.CharField(
        label=_("Hypothesis"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("what should become better, and why"),
    )
    scope = forms.ChoiceField(
        label=_("Scope"),
        choices=scope_choices,
        widget=UnfoldAdminSelectWidget,
        help_text=_("one experiment runs in a scope at a time"),
    )
    metric = forms.ChoiceField(
        label=_("Metric"),
        choices=lambda: [
            (metric.name, metric.title)
            for subject in EXPERIMENT_SUBJECTS.all()
            for metric in subject.metrics
        ],
        widget=UnfoldAdminSelectWidget,
        help_text=_("decides, per visitor; the others are shown and guard"),
    )

    def clean(self) -> dict[str, Any]:
        """Reject a metric that is not measured in the scope."""
        values: dict[str, Any] = super().clean() or {}
        scope, metric = values.get("scope"), values.get("metric")
        if scope and metric:
            known = {each.name for each in find_subject(scope).metrics}
            if metric not in known:
                self.add_error("metric", _("This metric is not measured in the scope."))
        return values


class VariantFormSet(BaseInlineFormSet):
    """Variants of a draft, the control first."""

    def clean(self) -> None:
        """Reject variants that could not be started."""
        super().clean()
        if any(self.errors):
            return
        plans = [
            VariantPlan(
                name=form.cleaned_data["name"],
                share=form.cleaned_data["share"],
                settings=form.cleaned_data.get("settings") or {},
            )
            for form in self._used_forms()
        ]
        if problems := plan_problems(self.instance.scope, plans):
            raise forms.ValidationError(problems)

    def variants(self) -> list[ExperimentVariant]:
        """Return the variants in the order of the page, without those that are removed."""
        return [form.instance for form in self._used_forms()]

    def _used_forms(self) -> list[Any]:
        return [
            form
            for form in self.forms
            if form.cleaned_data.get("name") and not form.cleaned_data.get("DELETE")
        ]


class VariantForm(forms.ModelForm):
    """A variant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "settings" in self.fields:
            self.fields["settings"].widget.attrs["rows"] = 2

    def clean_settings(self) -> dict[str, Any]:
        """Return the settings; empty for a control."""
        settings = self.cleaned_data.get("settings") or {}
        if not isinstance(settings, dict):
            raise forms.ValidationError(_("Must be a JSON object."))
        return settings


class VariantInline(TabularInline):
    """Variants of an experiment, the control first."""

    model = ExperimentVariant
    form = VariantForm
    formset = VariantFormSet
    fields = ("name", "share", "settings")
    ordering = ("position",)
    extra = 0
    min_num = 2
    max_num = 5
    tab = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Variants are added to drafts."""
        return _is_draft(obj) and bool(request.user.has_perm("mlops.change_experiment"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Variants of drafts are changed."""
        return self.has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Variants of drafts are removed."""
        return self.has_add_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Whoever sees the experiment sees its variants."""
        return bool(request.user.has_perm("mlops.view_experiment"))


@admin.register(Experiment)
class ExperimentAdmin(ModelAdmin):
    """Experiments: drafts are edited; those that have started are only shown."""

    warn_unsaved_form = True
    form = ExperimentForm
    list_display = ("name", "scope_title", "status_label", "started_at", "ends_at", "created_by")
    list_filter = ("status",)
    search_fields = ("name", "hypothesis")
    fields = (
        "name",
        "hypothesis",
        ("scope", "metric"),
        ("min_effect", "days"),
    )
    inlines = (VariantInline,)
    change_form_before_template = "admin/mlops/experiment/result.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """Show who started and stopped it, once it has started."""
        if obj is None or _is_draft(obj):
            return self.fields
        fields = (
            "name",
            "hypothesis",
            ("scope_title", "metric_title"),
            ("min_effect", "days"),
            ("started_by", "started_at", "ends_at"),
        )
        return (*fields, ("stopped_by", "stop_reason")) if obj.stop_reason else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return what is recorded when it starts and stops."""
        if obj is None or _is_draft(obj):
            return ()
        recorded = ("started_by", "started_at", "ends_at", "stopped_by", "stop_reason")
        return ("scope_title", "metric_title", *recorded)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only drafts can be changed."""
        return bool(super().has_change_permission(request, obj)) and (obj is None or _is_draft(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only drafts can be deleted."""
        return bool(super().has_delete_permission(request, obj)) and (
            obj is not None and _is_draft(obj)
        )

    @admin.display(description=_("scope"), ordering="scope")
    def scope_title(self, experiment: Experiment) -> str:
        """Show the title of the scope."""
        return dict(scope_choices()).get(experiment.scope, experiment.scope)

    @admin.display(description=_("metric"))
    def metric_title(self, experiment: Experiment) -> str:
        """Show the title of the deciding metric."""
        return str(find_subject(experiment.scope).metric(experiment.metric).title)

    @display(description=_("status"), ordering="status", label=_STATUS_LABELS)
    def status_label(self, experiment: Experiment) -> ColoredLabel:
        """Show the status as a colored label."""
        return ColoredLabel(experiment.status, experiment.get_status_display())

    def save_model(self, request: Any, obj: Experiment, form: Any, change: bool) -> None:
        """Save the draft with its author."""
        if not change:
            obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def save_formset(self, request: Any, form: Any, formset: Any, change: Any) -> None:  # noqa: ARG002  # Django's signature
        """Save the variants in the order of the page."""
        removed = [each.instance for each in formset.deleted_forms if each.instance.pk]
        save_variants(experiment=form.instance, variants=formset.variants(), removed=removed)
        # Read by the log of the console.
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], removed

    def get_urls(self) -> list[Any]:
        """Add the confirmation pages of start and stop."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/start/", view(self.start), name="mlops_experiment_start"),
            path("<uuid:pk>/stop/", view(self.stop), name="mlops_experiment_stop"),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show the result and the next action above the fields."""
        context: dict[str, Any] = {}
        if object_id:
            experiment = get_object_or_404(Experiment, pk=object_id)
            may_change = request.user.has_perm("mlops.change_experiment")
            context = {
                "experiment": experiment,
                "result": None if _is_draft(experiment) else experiment_result(experiment),
                "may_start": may_change and _is_draft(experiment),
                "may_stop": may_change and experiment.status == Experiment.Status.RUNNING,
            }
        context["settings_help"] = [
            (subject.title, subject.settings_help) for subject in EXPERIMENT_SUBJECTS.all()
        ]
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )

    def start(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask whether to start; start on POST."""
        experiment = self._changeable(request, pk)
        if request.method != "POST":
            return self._confirm(request, experiment, _("Start the experiment"), None)
        actor = request.user.get_username()
        return self._done(
            request, experiment, lambda: start_experiment(experiment=experiment, started_by=actor)
        )

    def stop(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask why to stop; stop on POST."""
        experiment = self._changeable(request, pk)
        form = StopForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._confirm(request, experiment, _("Stop the experiment"), form)
        actor, reason = request.user.get_username(), form.cleaned_data["reason"]
        return self._done(
            request,
            experiment,
            lambda: stop_experiment(experiment=experiment, reason=reason, stopped_by=actor),
        )

    def _changeable(self, request: HttpRequest, pk: Any) -> Experiment:
        if not request.user.has_perm("mlops.change_experiment"):
            raise PermissionDenied
        return get_object_or_404(Experiment, pk=pk)

    def _confirm(
        self, request: HttpRequest, experiment: Experiment, title: Any, form: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "experiment": experiment,
            "scope_title": self.scope_title(experiment),
            "form": form,
        }
        return TemplateResponse(request, "admin/mlops/experiment/confirm.html", context)

    def _done(self, request: HttpRequest, experiment: Experiment, change: Any) -> HttpResponse:
        try:
            change()
        except CultivarError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Done."))
        return redirect(reverse("admin:mlops_experiment_change", args=[experiment.pk]))


def _is_draft(experiment: Any) -> bool:
    return experiment is None or experiment.status == Experiment.Status.DRAFT
