"""Console pages of models: versions with gates and actions, training runs, deployments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from config.admin.labels import ColoredLabel
from config.errors import CultivarError
from mlops.admin.charts import chart_data, chart_options, line
from mlops.admin.read_only import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    monospaced,
    preformatted,
    pretty_json,
)
from mlops.models import Deployment, ModelVersion, TrainingRun
from mlops.registry import (
    approve,
    compare_versions,
    deploy,
    deployed_models,
    deployment_at,
    metric_table,
    other_versions,
    possible_actions,
    rollback,
    running_roles,
    shadow_reports,
    start_canary,
    start_shadow,
)

_OUTCOME_LABELS = {"passed": "success", "failed": "danger", "inconclusive": "warning"}
_RUN_LABELS = {
    "succeeded": "success",
    "failed": "danger",
    "refused": "danger",
    "interrupted": "warning",
    "running": "info",
}
_EVERYWHERE = "*"


class ReasonForm(forms.Form):
    """Reason of an action, which the record shows."""

    reason = forms.CharField(
        label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), max_length=1_000
    )


class ScopeForm(ReasonForm):
    """Where a version serves."""

    scope = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        initial=_EVERYWHERE,
        max_length=100,
        help_text=_("* for everywhere, or the id of a store"),
    )


class TrialForm(ReasonForm):
    """How long a version is tried."""

    days = forms.IntegerField(
        widget=UnfoldAdminIntegerFieldWidget, initial=7, min_value=1, max_value=90
    )


class CanaryForm(TrialForm):
    """Which share of the stores a version serves, and how long."""

    share = forms.FloatField(
        widget=UnfoldAdminDecimalFieldWidget, initial=0.1, min_value=0.001, max_value=0.999
    )


class ShadowForm(TrialForm):
    """Which share of the answers is compared, and how long."""

    share = forms.FloatField(
        widget=UnfoldAdminDecimalFieldWidget,
        initial=0.1,
        min_value=0.001,
        max_value=1,
        label=_("Share of the answers that are compared"),
    )


class ServedForm(forms.Form):
    """Model, scope and time of a question to the record."""

    model = forms.ChoiceField(label=_("Model"), widget=UnfoldAdminSelectWidget)
    scope = forms.CharField(
        label=_("Scope"),
        widget=UnfoldAdminTextInputWidget,
        initial=_EVERYWHERE,
        max_length=100,
        help_text=_("* for everywhere, or the id of a store"),
    )
    at = forms.DateTimeField(
        label=_("Time"),
        widget=UnfoldAdminTextInputWidget,
        help_text=_("for example 2026-11-28 14:00"),
    )

    def __init__(self, *arguments: Any, models: Sequence[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["model"].choices = [(name, name) for name in models]  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAction:
    """Action on a version that asks for confirmation. run: gets version, form values, actor."""

    title: Any
    explanation: Any
    form: type[forms.Form]
    run: Callable[[ModelVersion, dict[str, Any], str], object]


_ACTIONS = {
    "approve": VersionAction(
        title=_("Approve"),
        explanation=_("Allows this version to be deployed. Nothing changes for customers yet."),
        form=ReasonForm,
        run=lambda version, values, actor: approve(
            version=version, approved_by=actor, reason=values["reason"]
        ),
    ),
    "deploy": VersionAction(
        title=_("Deploy"),
        explanation=_("Makes this version the champion. Processes load it without a restart."),
        form=ScopeForm,
        run=lambda version, values, actor: deploy(
            version=version, scope=values["scope"], approved_by=actor, reason=values["reason"]
        ),
    ),
    "canary": VersionAction(
        title=_("Start canary"),
        explanation=_("Lets this version serve a share of the stores for a time."),
        form=CanaryForm,
        run=lambda version, values, actor: start_canary(
            version=version,
            share=values["share"],
            duration=timedelta(days=values["days"]),
            approved_by=actor,
            reason=values["reason"],
        ),
    ),
    "shadow": VersionAction(
        title=_("Start shadow"),
        explanation=_("Lets this version compute beside the champion for a time, without serving."),
        form=ShadowForm,
        run=lambda version, values, actor: start_shadow(
            version=version,
            share=values["share"],
            duration=timedelta(days=values["days"]),
            approved_by=actor,
            reason=values["reason"],
        ),
    ),
    "roll-back": VersionAction(
        title=_("Roll back"),
        explanation=_(
            "Makes the version that served before the champion of this model its champion"
            " again. A canary of the model ends."
        ),
        form=ScopeForm,
        run=lambda version, values, actor: rollback(
            model=version.model,
            scope=values["scope"],
            approved_by=actor,
            reason=values["reason"],
        ),
    ),
}


class DeploymentInline(ReadOnlyInline):
    """Deployments of the version."""

    model = Deployment
    fields = ("role", "scope", "share", "started_at", "ended_at", "approved_by", "policy", "reason")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Versions of models with their gates, and the actions on them."""

    list_display = ("name", "result", "roles", "created_at", "approved_by")
    list_filter = ("model", "verdict")
    ordering = ("-created_at",)
    fields = (
        ("run", "champion"),
        ("approved_by", "approved_at"),
        "approval_reason",
        "features_text",
        ("artifact_format", "size_bytes"),
        "sha256_text",
        "signature_text",
        "data_checksum_text",
        "test_checksum_text",
        "created_at",
    )
    readonly_fields = (
        "features_text",
        "sha256_text",
        "signature_text",
        "data_checksum_text",
        "test_checksum_text",
    )
    inlines = (DeploymentInline,)
    change_form_before_template = "admin/mlops/modelversion/actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Read the deployments of all rows at once."""
        queryset: QuerySet = super().get_queryset(request)
        return queryset.prefetch_related("deployments")

    @admin.display(description=_("version"), ordering="number")
    def name(self, version: ModelVersion) -> str:
        """Show model and number."""
        return str(version)

    @display(description=_("gates"), ordering="verdict", label=_OUTCOME_LABELS)
    def result(self, version: ModelVersion) -> ColoredLabel:
        """Show the verdict as a colored label."""
        return ColoredLabel(version.verdict, version.get_verdict_display())

    @admin.display(description=_("serves"))
    def roles(self, version: ModelVersion) -> str:
        """Show the roles that the version has now, with their scopes."""
        return _role_text(version) or "–"

    @admin.display(description=_("inputs"))
    def features_text(self, version: ModelVersion) -> SafeString:
        """Show the names of the inputs in a scrolling box."""
        return preformatted(", ".join(version.features) or "–")

    @admin.display(description=_("sha256"))
    def sha256_text(self, version: ModelVersion) -> SafeString:
        """Show the hash of the artifact."""
        return monospaced(version.sha256)

    @admin.display(description=_("signature"))
    def signature_text(self, version: ModelVersion) -> SafeString:
        """Show the signature of the artifact."""
        return monospaced(version.signature)

    @admin.display(description=_("training set"))
    def data_checksum_text(self, version: ModelVersion) -> SafeString:
        """Show the checksum of the training set."""
        return monospaced(version.data_checksum)

    @admin.display(description=_("test set"))
    def test_checksum_text(self, version: ModelVersion) -> SafeString:
        """Show the checksum of the rows tested on."""
        return monospaced(version.test_checksum)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show actions, gates, metrics, versions to compare with and curves above the fields."""
        version = get_object_or_404(ModelVersion, pk=object_id)
        possible = possible_actions(version, at=timezone.now()) if _may_change(request) else []
        columns, metrics = metric_table(version.run.metrics or {"candidate": version.metrics})
        context = {
            "version": version,
            "role_text": _role_text(version),
            "verdict_label": _OUTCOME_LABELS[version.verdict],
            "gates": [(gate, _OUTCOME_LABELS[gate.outcome]) for gate in version.gates.all()],
            "metric_columns": columns,
            "metrics": metrics,
            "actions": {name: _ACTIONS[name] for name in possible},
            "others": other_versions(version),
            "shadow_reports": shadow_reports(list(version.deployments.select_related("version"))),
            **_curve_context(version.run),
        }
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )

    def get_urls(self) -> list[Any]:
        """Add the confirmation page of each action, and the comparison."""
        confirm = self.admin_site.admin_view(self.confirm_action)
        compare = self.admin_site.admin_view(self.compare)
        return [
            path("<uuid:pk>/actions/<slug:name>/", confirm, name="mlops_modelversion_action"),
            path("<uuid:left>/compare/<uuid:right>/", compare, name="mlops_modelversion_compare"),
            *super().get_urls(),
        ]

    def confirm_action(self, request: HttpRequest, pk: Any, name: str) -> HttpResponse:
        """Show what an action does and ask for its values; do it on POST."""
        version = get_object_or_404(ModelVersion, pk=pk)
        if not _may_change(request):
            raise PermissionDenied
        to_version = redirect(reverse("admin:mlops_modelversion_change", args=[version.pk]))
        action = _ACTIONS.get(name)
        if action is None:
            messages.error(request, _("This action does not exist."))
            return to_version
        form = action.form(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            context = {
                **admin.site.each_context(request),
                "title": f"{action.title}: {version}",
                "explanation": action.explanation,
                "form": form,
                "version": version,
            }
            return TemplateResponse(request, "admin/mlops/modelversion/confirm.html", context)
        try:
            action.run(version, form.cleaned_data, request.user.get_username())
        except CultivarError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("{action}: done.").format(action=action.title))
        return to_version

    def compare(self, request: HttpRequest, left: Any, right: Any) -> HttpResponse:
        """Show two versions side by side."""
        if not request.user.has_perm("mlops.view_modelversion"):
            raise PermissionDenied
        versions = [get_object_or_404(ModelVersion, pk=pk) for pk in (left, right)]
        context = {
            **admin.site.each_context(request),
            "title": _("%(left)s and %(right)s") % {"left": versions[0], "right": versions[1]},
            "left": versions[0],
            "right": versions[1],
            "differences": compare_versions(*versions),
        }
        return TemplateResponse(request, "admin/mlops/modelversion/compare.html", context)


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    """Training runs with progress, figures, curves and log."""

    list_display = (
        "model",
        "started_at",
        "trigger",
        "state",
        "progress_text",
        "duration",
        "memory",
        "error",
    )
    list_filter = ("model", "status", "trigger")
    fields = (
        ("model", "state"),
        "trigger",
        "asked_by",
        "progress_text",
        "error",
        ("started_at", "finished_at"),
        ("duration", "memory"),
        ("as_of", "split_at"),
        "row_count",
        ("train_row_count", "test_row_count"),
        "seed",
        "settings_text",
        "log_text",
        "data_key_text",
        "data_checksum_text",
        "test_checksum_text",
        "code_version_text",
    )
    readonly_fields = (
        "state",
        "asked_by",
        "progress_text",
        "duration",
        "memory",
        "settings_text",
        "log_text",
        "data_key_text",
        "data_checksum_text",
        "test_checksum_text",
        "code_version_text",
    )
    change_form_before_template = "admin/mlops/trainingrun/figures.html"

    @display(description=_("status"), ordering="status", label=_RUN_LABELS)
    def state(self, run: TrainingRun) -> ColoredLabel:
        """Show the status as a colored label."""
        return ColoredLabel(run.status, run.get_status_display())

    @admin.display(description=_("asked for by"))
    def asked_by(self, run: TrainingRun) -> str:
        """Show what drift or new data asked for this run with, the newest first."""
        return "; ".join(request.reason for request in run.requests.all()) or "–"

    @admin.display(description=_("progress"))
    def progress_text(self, run: TrainingRun) -> str:
        """Show the step and the share of the steps that are done."""
        return f"{run.step}, {run.progress:.0%}" if run.step else f"{run.progress:.0%}"

    @admin.display(description=_("duration"), ordering="seconds")
    def duration(self, run: TrainingRun) -> str:
        """Show the seconds of the last attempt."""
        return "–" if run.seconds is None else f"{run.seconds:.1f} s"

    @admin.display(description=_("peak memory"), ordering="peak_memory_bytes")
    def memory(self, run: TrainingRun) -> str:
        """Show the peak memory in megabytes."""
        return "–" if run.peak_memory_bytes is None else f"{run.peak_memory_bytes / 1e6:.0f} MB"

    @admin.display(description=_("parameters"))
    def settings_text(self, run: TrainingRun) -> SafeString:
        """Show the hyperparameters."""
        return pretty_json(run.parameters)

    @admin.display(description=_("training set (Parquet)"))
    def data_key_text(self, run: TrainingRun) -> SafeString:
        """Show the object key of the training set."""
        return monospaced(run.data_key)

    @admin.display(description=_("sha256 of the training set"))
    def data_checksum_text(self, run: TrainingRun) -> SafeString:
        """Show the checksum of the training set."""
        return monospaced(run.data_checksum)

    @admin.display(description=_("sha256 of the rows tested on"))
    def test_checksum_text(self, run: TrainingRun) -> SafeString:
        """Show the checksum of the rows tested on."""
        return monospaced(run.test_checksum)

    @admin.display(description=_("sha256 of the code"))
    def code_version_text(self, run: TrainingRun) -> SafeString:
        """Show the hash of the source of the trainer."""
        return monospaced(run.code_version)

    @admin.display(description=_("log"))
    def log_text(self, run: TrainingRun) -> SafeString:
        """Show the log lines."""
        return preformatted(run.log)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show metrics and curves above the fields."""
        run = get_object_or_404(TrainingRun, pk=object_id)
        columns, metrics = metric_table(run.metrics)
        context = {"metric_columns": columns, "metrics": metrics, **_curve_context(run)}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Which version served which scope in which period, and who decided."""

    list_display = (
        "version",
        "role",
        "scope",
        "share",
        "started_at",
        "ended_at",
        "approved_by",
        "policy",
        "reason",
    )
    list_filter = ("model", "role", "scope")
    list_select_related = ("version",)
    change_form_before_template = "admin/mlops/deployment/shadow.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show the agreement of a version in shadow above the fields."""
        deployment = get_object_or_404(Deployment, pk=object_id)
        context = {"shadow_reports": shadow_reports([deployment])}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **context}
        )

    def get_urls(self) -> list[Any]:
        """Add the page that says who served when."""
        view = self.admin_site.admin_view(self.served)
        return [path("served/", view, name="mlops_deployment_served"), *super().get_urls()]

    def served(self, request: HttpRequest) -> HttpResponse:
        """Show which version served a scope at a time."""
        if not request.user.has_perm("mlops.view_deployment"):
            raise PermissionDenied
        initial = {"at": timezone.localtime().strftime("%Y-%m-%d %H:%M")}
        form = ServedForm(request.GET or None, models=deployed_models(), initial=initial)
        is_valid = form.is_valid()
        context = {
            **admin.site.each_context(request),
            "title": _("Who served when"),
            "form": form,
            "is_answered": is_valid,
            "deployment": deployment_at(**form.cleaned_data) if is_valid else None,
        }
        return TemplateResponse(request, "admin/mlops/deployment/served.html", context)


def _role_text(version: ModelVersion) -> str:
    running = running_roles(version, at=timezone.now())
    return ", ".join(_describe_role(deployment) for deployment in running)


def _describe_role(deployment: Deployment) -> str:
    if deployment.share < 1:
        return _("{role} of {share:.0%}").format(role=deployment.role, share=deployment.share)
    if deployment.scope == _EVERYWHERE:
        return _("{role} everywhere").format(role=deployment.role)
    return _("{role} of {scope}").format(role=deployment.role, scope=deployment.scope)


def _may_change(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("mlops.change_modelversion"))


def _curve_context(run: TrainingRun) -> dict[str, Any]:
    """Return the data of one chart per curve."""
    charts = [
        {
            "name": name,
            "data": chart_data([x for x, _ in points], [line(name, [y for _, y in points])]),
        }
        for name, points in sorted(run.curves.items())
    ]
    return {"charts": charts, "chart_options": chart_options(has_legend=False)}
