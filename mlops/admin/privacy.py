"""What was forgotten and why: legal holds, receipts of erasures, sweeps of retention."""

from typing import Any

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
from unfold.admin import ModelAdmin
from unfold.decorators import display

from config.errors import CultivarError
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json
from mlops.models import Erasure, LegalHold, RetentionSweep
from mlops.privacy.legal_holds import lift_legal_holds, set_legal_hold
from mlops.privacy.personal_data import identify
from mlops.privacy.retention import RetentionRule, next_sweep, retention_rules


class OpenHoldFilter(admin.SimpleListFilter):
    """Open or lifted."""

    title, parameter_name = "state", "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the two."""
        return [("open", "Open"), ("lifted", "Lifted")]

    def queryset(self, request: Any, queryset: QuerySet) -> QuerySet:
        """Keep one of them."""
        return (
            queryset.filter(lifted_at__isnull=self.value() == "open") if self.value() else queryset
        )


class HoldForm(forms.ModelForm):
    """Whose data is kept, and why."""

    class Meta:
        model = LegalHold
        fields = ("subject", "reason")

    def clean_subject(self) -> Any:
        """Refuse somebody whom nobody knows."""
        subject = self.cleaned_data["subject"]
        if identify(subject) is None:
            raise forms.ValidationError("This is the id of no customer.")
        return subject

    def clean_reason(self) -> str:
        """Refuse a reason of spaces."""
        reason = str(self.cleaned_data["reason"]).strip()
        if not reason:
            raise forms.ValidationError("Tell why.")
        return reason


@admin.register(LegalHold)
class LegalHoldAdmin(ModelAdmin):
    """Set and lifted, never changed or deleted: who had data kept, and how long, is itself evidence."""

    form = HoldForm
    list_display = ("subject", "reason", "set_by", "set_at", "lifted_at", "lifted_by")
    list_filter = (OpenHoldFilter,)
    search_fields = ("subject", "reason")
    change_form_before_template = "admin/mlops/legalhold/lift.html"
    list_select_related = ("set_by", "lifted_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show all of what is there."""
        return (
            ("subject", "reason", "set_by", "set_at", "lifted_at", "lifted_by")
            if obj
            else ("subject", "reason")
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one."""
        return False

    def save_model(self, request: HttpRequest, obj: LegalHold, form: Any, change: bool) -> None:
        """Set it."""
        made = set_legal_hold(subject=obj.subject, reason=obj.reason, by=request.user)
        obj.pk, obj.set_at, obj.set_by = made.pk, made.set_at, made.set_by

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Say so when the person is being erased at this moment."""
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
            return answer
        except CultivarError as error:
            messages.error(request, str(error))
            return redirect(reverse("admin:mlops_legalhold_changelist"))

    def get_urls(self) -> list[Any]:
        """Add the page that asks before one is lifted."""
        view = self.admin_site.admin_view(self.lift_view)
        return [path("<uuid:pk>/lift/", view, name="mlops_legalhold_lift"), *super().get_urls()]

    def lift_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask, and on POST lift."""
        held = get_object_or_404(LegalHold, pk=pk)
        if not request.user.has_perm("mlops.change_legalhold"):
            raise PermissionDenied
        if request.method != "POST":
            page = {**admin.site.each_context(request), "title": "Lift the hold", "hold": held}
            return TemplateResponse(request, "admin/mlops/legalhold/confirm.html", page)
        if lift_legal_holds(holds=[held], by=request.user):
            messages.success(
                request,
                "The hold is lifted: rules of retention and requests of the person count again.",
            )
        else:
            messages.warning(request, "It was lifted already.")
        return redirect(reverse("admin:mlops_legalhold_changelist"))


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """Receipts: what was removed where, and what a second look found."""

    list_display = ("subject", "state", "requested_by", "reason", "started_at", "finished_at", "things")
    list_filter = ("status",)
    search_fields = ("subject",)
    fields = (
        "subject",
        "state",
        "requested_by",
        "reason",
        "started_at",
        "finished_at",
        "removed_told",
        "left_told",
        "error",
    )

    @display(
        description="status",
        ordering="status",
        label={"done": "success", "incomplete": "danger", "refused": "warning", "running": "info"},
    )
    def state(self, receipt: Erasure) -> str:
        """Show the status in color."""
        return receipt.status

    @admin.display(description="deleted")
    def things(self, receipt: Erasure) -> int:
        """Show how many things went."""
        return sum(count for place, count in receipt.deleted.items() if "retained" not in place)

    @admin.display(description="removed, by place")
    def removed_told(self, receipt: Erasure) -> SafeString:
        """Show the counts."""
        return pretty_json(receipt.deleted)

    @admin.display(description="found by a second look")
    def left_told(self, receipt: Erasure) -> SafeString | str:
        """Show what is left; what is sealed is nobody's to read."""
        return (
            pretty_json({p: n for p, n in receipt.remaining.items() if isinstance(n, int)})
            if receipt.remaining
            else "nothing"
        )


@admin.register(RetentionSweep)
class RetentionSweepAdmin(ReadOnlyAdmin):
    """The rules, when they are applied next, and what each sweep removed."""

    list_display = ("rule", "table", "started_at", "cutoff_at", "deleted", "skipped_by_hold", "state", "error")
    list_filter = ("rule", "is_dry_run")
    list_before_template = "admin/mlops/retentionsweep/rules.html"

    @display(
        description="state",
        label={"done": "success", "failed": "danger", "rehearsed": "info", "died": "warning"},
    )
    def state(self, made: RetentionSweep) -> str:
        """Show how it ended."""
        if made.error:
            return "failed"
        return "rehearsed" if made.is_dry_run else "done" if made.finished_at else "died"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Tell, above the list, the rules with their last sweeps and the next."""
        real = RetentionSweep.objects.filter(is_dry_run=False)
        newest = {
            made.rule: made for made in real.order_by("rule", "-started_at", "-id").distinct("rule")
        }
        told = [(rule, _kept(rule), newest.get(rule.name)) for rule in retention_rules()]
        page = {"rules": told, "next_sweep": next_sweep(), "holds": _holds()}
        return super().changelist_view(request, {**(extra_context or {}), **page})


def _kept(rule: RetentionRule) -> str:
    days = rule.retention_period.days
    return f"{days // 365 * 12} months" if days % 365 == 0 else f"{days} days"


def _holds() -> SafeString | str:
    count = LegalHold.objects.filter(lifted_at=None).count()
    address = reverse("admin:mlops_legalhold_changelist")
    return (
        format_html('<a class="text-primary-600" href="{}?state=open">{}</a>', address, count)
        if count
        else ""
    )
