"""Console pages of alerts, and of subscriptions to them by e-mail."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from config.admin.labels import ColoredLabel
from config.errors import BadInput
from mlops.admin.assignments import Action, AssignableAdmin, AssigneeFilter, RowAction
from mlops.admin.runs import OpenFilter
from mlops.admin.subject_links import subject_url
from mlops.models import Alert, AlertSubscription
from mlops.quality.alert_emails import VIEW_PERMISSION, save_subscription
from mlops.quality.alert_handling import AlertClosed, acknowledge_alert, resolve_alert
from mlops.quality.kinds import ALERT_KINDS, find_kind

ACKNOWLEDGED_PARAM = "acknowledged"
_LABEL_TYPES = {Alert.Severity.ERROR: "danger", Alert.Severity.WARNING: "warning"}
_LINK_CLASSES = "text-primary-600 underline dark:text-primary-400"


class AcknowledgedFilter(admin.SimpleListFilter):
    """Filter by whether a person has taken notice."""

    title = _("acknowledged")
    parameter_name = ACKNOWLEDGED_PARAM

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [("no", _("No")), ("yes", _("Yes"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Return the chosen alerts."""
        if self.value() in ("no", "yes"):
            return queryset.filter(acknowledged_at__isnull=self.value() == "no")
        return queryset


@admin.register(Alert)
class AlertAdmin(AssignableAdmin):
    """Incidents that a person should look at: acknowledge, assign, comment, resolve."""

    list_display = (
        "title",
        "severity_label",
        "subject_link",
        "message",
        "assigned_to",
        "acknowledged_by",
        "opened_at",
        "closed_at",
    )
    list_filter = (OpenFilter, AssigneeFilter, AcknowledgedFilter, "severity", "code", "subject")
    list_select_related = ("assigned_to", "acknowledged_by", "closed_by")
    list_before_template = "admin/mlops/alert/subscribe.html"
    fields: ClassVar[Any] = (
        ("title", "severity_badge"),
        "subject_link",
        "message",
        "advice",
        "run",
        ("opened_at", "notified_at"),
        ("acknowledged_at", "acknowledged_by"),
        "assigned_to",
        ("closed_at", "closed_by"),
    )
    readonly_fields = ("title", "severity_badge", "subject_link", "advice")
    actions = (*AssignableAdmin.actions, "acknowledge", "resolve")
    row_actions: ClassVar[dict[str, tuple[Any, RowAction]]] = {
        Action.ACKNOWLEDGE: (
            _("Acknowledge"),
            lambda alert, by, text: acknowledge_alert(alert=alert, by=by, reason=text),
        ),
        Action.RESOLVE: (
            _("Resolve"),
            lambda alert, by, text: resolve_alert(alert=alert, by=by, reason=text),
        ),
    }

    def available_actions(self, row: Alert) -> dict[str, Any]:
        """Return what may still be done to an alert."""
        if row.closed_at is not None:
            return {}
        labels = super().available_actions(row)
        if row.acknowledged_at is not None:
            labels.pop(Action.ACKNOWLEDGE)
        return labels

    @admin.display(description=_("kind"), ordering="code")
    def title(self, alert: Alert) -> str:
        """Show the title of the kind."""
        return str(find_kind(alert.code).title)

    @admin.display(description=_("what to do"))
    def advice(self, alert: Alert) -> str:
        """Show the advice of the kind."""
        return str(find_kind(alert.code).advice) or "–"

    @display(
        description=_("severity"),
        ordering="severity",
        label=_LABEL_TYPES,
    )
    def severity_label(self, alert: Alert) -> ColoredLabel:
        """Show the severity as a colored label."""
        return ColoredLabel(alert.severity, alert.get_severity_display())

    @admin.display(description=_("severity"))
    def severity_badge(self, alert: Alert) -> SafeString:
        """Show the same label on the page of an alert, where the theme shows values as they are."""
        context = {
            "text": alert.get_severity_display(),
            "type": _LABEL_TYPES[Alert.Severity(alert.severity)],
        }
        return SafeString(render_to_string("unfold/helpers/label.html", context))

    @admin.display(description=_("subject"), ordering="subject")
    def subject_link(self, alert: Alert) -> str | SafeString:
        """Link to what the alert is about."""
        url = subject_url(alert)
        if not url:
            return alert.subject
        return format_html('<a class="{}" href="{}">{}</a>', _LINK_CLASSES, url, alert.subject)

    @admin.action(description=_("Acknowledge"), permissions=["assign"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Record that the person has taken notice of the selected alerts."""
        by: Any = request.user
        open_alerts = queryset.filter(closed_at=None)
        count = sum(acknowledge_alert(alert=alert, by=by) for alert in open_alerts)
        messages.success(request, gettext("%(count)s alerts acknowledged.") % {"count": count})

    @admin.action(description=_("Resolve"), permissions=["assign"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> HttpResponse | None:
        """Close the selected alerts after a reason is given."""
        alerts = list(queryset.filter(closed_at=None))
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": _("Resolve these alerts?"),
                "opts": self.opts,
                "alerts": alerts,
                "selected_ids": [alert.pk for alert in alerts],
                "action": request.POST["action"],
            }
            return TemplateResponse(request, "admin/mlops/alert/resolve.html", context)
        resolved = 0
        for alert in alerts:
            try:
                resolve_alert(alert=alert, by=request.user, reason=request.POST.get("text", ""))
            except BadInput as error:
                messages.error(request, error.reason)
                return None
            except AlertClosed:
                continue
            resolved += 1
        messages.success(request, gettext("%(count)s alerts resolved.") % {"count": resolved})
        return None


class AlertSubscriptionForm(forms.ModelForm):
    """Severities and kinds as checkboxes."""

    severities = forms.MultipleChoiceField(
        label=_("Severities"),
        choices=Alert.Severity.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    codes = forms.MultipleChoiceField(
        label=_("Kinds"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("None chosen: all kinds, also those of later versions."),
    )
    language = forms.ChoiceField(
        label=_("Language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget
    )
    # Set by the page.
    user: Any = None

    class Meta:
        model = AlertSubscription
        fields = ("severities", "codes", "language", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = sorted((str(kind.title), kind.code) for kind in ALERT_KINDS.all())
        choices = [(code, title) for title, code in kinds]
        self.fields["codes"].choices = choices  # type: ignore[attr-defined]
        self.fields["language"].initial = get_language() or "en"

    def clean(self) -> dict[str, Any]:
        """Refuse a subscription of a person without an e-mail address."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.user.email:
            self.add_error(
                None,
                _("Your account has no e-mail address. Ask an administrator to enter it first."),
            )
        return cleaned


@admin.register(AlertSubscription)
class AlertSubscriptionAdmin(ModelAdmin):
    """Alerts that a person wants by e-mail. Everybody who may see alerts manages their own."""

    warn_unsaved_form = True
    form = AlertSubscriptionForm
    list_display = ("kinds", "severity_names", "language", "is_active", "created_at")
    list_display_links = ("kinds",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertSubscription]:
        """Return the subscriptions of the person."""
        rows: QuerySet[AlertSubscription] = super().get_queryset(request)
        return rows.filter(user=request.user.pk)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Let the form know the person."""
        form = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may see alerts."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Return whether the person may see alerts."""
        return bool(request.user.has_perm(VIEW_PERMISSION))

    has_add_permission = has_view_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002
        """Save a subscription of the person."""
        user: Any = request.user
        save_subscription(subscription=obj, user_id=user.pk)

    @admin.display(description=_("kinds"))
    def kinds(self, subscription: AlertSubscription) -> str:
        """Show the titles of the kinds."""
        titles = [str(find_kind(code).title) for code in subscription.codes]
        return ", ".join(titles) or gettext("all kinds")

    @admin.display(description=_("severities"))
    def severity_names(self, subscription: AlertSubscription) -> str:
        """Show the severities."""
        return ", ".join(str(Alert.Severity(name).label) for name in subscription.severities)
