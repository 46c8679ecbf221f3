"""Console pages of privacy: legal holds, erasure receipts, retention rules and sweeps."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from config.admin.labels import ColoredLabel
from config.errors import CultivarError
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json
from mlops.models import Erasure, LegalHold, RetentionSweep
from mlops.privacy.legal_holds import count_active_holds, lift_legal_holds, set_legal_hold
from mlops.privacy.personal_data import find_person
from mlops.privacy.receipts import receipt_counts
from mlops.privacy.retention import RetentionRule, last_sweeps, next_sweep, retention_rules

_HOLD_FIELDS = ("subject", "reason", "set_by", "set_at", "lifted_at", "lifted_by")


class ActiveHoldFilter(admin.SimpleListFilter):
    """Filter: active or lifted."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, _request: Any, _model_admin: Any) -> list[tuple[str, Any]]:
        """Return both states."""
        return [("active", _("Active")), ("lifted", _("Lifted"))]

    def queryset(self, _request: Any, queryset: QuerySet) -> QuerySet:
        """Return the holds in the chosen state."""
        if not self.value():
            return queryset
        return queryset.filter(lifted_at__isnull=self.value() == "active")


class LegalHoldForm(forms.ModelForm):
    """Person and reason of a new legal hold."""

    subject = forms.CharField(
        label=_("Customer"),
        max_length=200,
        help_text=_("Full customer number or profile ID."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = LegalHold
        fields = ("subject", "reason")

    def clean_subject(self) -> UUID:
        """Return the id of the person. Raises ValidationError: there is none."""
        person_id = find_person(self.cleaned_data["subject"].strip())
        if person_id is None:
            raise forms.ValidationError(_("No customer has this number or ID."))
        return person_id

    def clean_reason(self) -> str:
        """Reject a blank reason."""
        reason = str(self.cleaned_data["reason"]).strip()
        if not reason:
            raise forms.ValidationError(_("A reason is required."))
        return reason


@admin.register(LegalHold)
class LegalHoldAdmin(ModelAdmin):
    """Legal holds: set and lifted, never changed or deleted, because they are evidence."""

    warn_unsaved_form = True
    form = LegalHoldForm
    list_display = _HOLD_FIELDS
    list_filter = (ActiveHoldFilter,)
    search_fields = ("subject", "reason")
    change_form_before_template = "admin/mlops/legalhold/lift.html"
    list_select_related = ("set_by", "lifted_by")

    def get_fields(self, _request: HttpRequest, obj: Any = None) -> Any:
        """Show all fields of an existing hold."""
        return _HOLD_FIELDS if obj else ("subject", "reason")

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Forbid changes."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Forbid deletion."""
        return False

    def save_model(self, request: HttpRequest, obj: LegalHold, _form: Any, _change: bool) -> None:
        """Set the hold."""
        hold = set_legal_hold(subject=obj.subject, reason=obj.reason, by=request.user)
        obj.pk = hold.pk
        obj.set_at = hold.set_at
        obj.set_by = hold.set_by

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show an error message when the person is being erased at the same time."""
        try:
            response: HttpResponse = super().add_view(request, form_url, extra_context)
        except CultivarError as error:
            messages.error(request, str(error))
            return redirect(reverse("admin:mlops_legalhold_changelist"))
        else:
            return response

    def get_urls(self) -> list[Any]:
        """Add the page that confirms the lifting of a hold."""
        view = self.admin_site.admin_view(self.lift_view)
        return [path("<uuid:pk>/lift/", view, name="mlops_legalhold_lift"), *super().get_urls()]

    def lift_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask for confirmation; on POST lift the hold."""
        hold = get_object_or_404(LegalHold, pk=pk)
        if not request.user.has_perm("mlops.change_legalhold"):
            raise PermissionDenied
        if request.method != "POST":
            page = {**admin.site.each_context(request), "title": _("Lift the hold"), "hold": hold}
            return TemplateResponse(request, "admin/mlops/legalhold/confirm.html", page)
        if lift_legal_holds(holds=[hold], by=request.user):
            messages.success(
                request,
                _("The hold is lifted. Retention rules and erasure requests apply again."),
            )
        else:
            messages.warning(request, _("The hold was lifted already."))
        return redirect(reverse("admin:mlops_legalhold_changelist"))


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """Erasure receipts: deleted items by store, and the result of the verification."""

    list_display = (
        "subject",
        "state",
        "requested_by",
        "reason",
        "started_at",
        "finished_at",
        "deleted_count",
    )
    list_filter = ("status",)
    search_fields = ("subject",)
    fields = (
        "subject",
        "state",
        "requested_by",
        "reason",
        "started_at",
        "finished_at",
        "deleted_by_store",
        "remaining_by_store",
        "error",
    )

    @display(
        description=_("status"),
        ordering="status",
        label={"done": "success", "incomplete": "danger", "refused": "warning", "running": "info"},
    )
    def state(self, receipt: Erasure) -> ColoredLabel:
        """Show the status as a colored label."""
        return ColoredLabel(receipt.status, receipt.get_status_display())

    @admin.display(description=_("deleted"))
    def deleted_count(self, receipt: Erasure) -> int:
        """Show the total number of deleted items."""
        return sum(receipt_counts(receipt).deleted.values())

    @admin.display(description=_("deleted by store"))
    def deleted_by_store(self, receipt: Erasure) -> SafeString:
        """Show the numbers of deleted items."""
        return pretty_json(receipt.deleted)

    @admin.display(description=_("found by the verification"))
    def remaining_by_store(self, receipt: Erasure) -> SafeString | str:
        """Show the numbers of remaining items, without the sealed identifiers."""
        counts = {
            name: count for name, count in receipt.remaining.items() if isinstance(count, int)
        }
        return pretty_json(counts) if receipt.remaining else str(_("nothing"))


@admin.register(RetentionSweep)
class RetentionSweepAdmin(ReadOnlyAdmin):
    """Retention rules with the time of the next sweep, and the sweeps with their counts."""

    list_display = (
        "rule",
        "table",
        "started_at",
        "cutoff_at",
        "deleted",
        "skipped_by_hold",
        "state",
        "error",
    )
    list_filter = ("rule", "is_dry_run")
    list_before_template = "admin/mlops/retentionsweep/rules.html"

    @display(
        description=_("state"),
        label={
            "done": "success",
            "failed": "danger",
            "dry run": "info",
            "interrupted": "warning",
        },
    )
    def state(self, sweep: RetentionSweep) -> ColoredLabel:
        """Show the outcome as a colored label."""
        if sweep.error:
            return ColoredLabel("failed", _("Failed"))
        if sweep.is_dry_run:
            return ColoredLabel("dry run", _("dry run"))
        if sweep.finished_at:
            return ColoredLabel("done", _("Done"))
        return ColoredLabel("interrupted", _("Interrupted"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Add the rules with their last sweeps, and the time of the next sweep."""
        last_by_rule = last_sweeps()
        rows = [
            (rule, _format_period(rule), last_by_rule.get(rule.name)) for rule in retention_rules()
        ]
        page = {"rules": rows, "next_sweep": next_sweep(), "active_holds": _active_holds_link()}
        return super().changelist_view(request, {**(extra_context or {}), **page})


def _format_period(rule: RetentionRule) -> str:
    days = rule.retention_period.days
    if days % 365 == 0:
        months = days // 365 * 12
        return ngettext("%(count)s month", "%(count)s months", months) % {"count": months}
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def _active_holds_link() -> SafeString | str:
    """Return the number of active holds as a link to their list; empty if there are none."""
    count = count_active_holds()
    if not count:
        return ""
    url = reverse("admin:mlops_legalhold_changelist")
    return format_html('<a class="text-primary-600" href="{}?state=active">{}</a>', url, count)
