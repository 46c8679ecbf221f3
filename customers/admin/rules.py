"""Rules of staff for recommendations: what each names, where and when it holds, why, and what it reaches now."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from customers.models import Rule
from customers.recommendations.reports import MOST_COUNTED, named_by, reach_of

_NEAR_SHOWN = 5


def _holding(now: datetime) -> dict[str, Q]:
    """Return the conditions of rules by when they hold: now, later, over."""
    over, later = Q(ends_at__lte=now), Q(starts_at__gt=now)
    return {"now": ~over & ~later, "later": later, "over": over}


def when_of(rule: Rule, now: datetime) -> str:
    """Return when a rule holds: now, later, or over."""
    if rule.ends_at and rule.ends_at <= now:
        return "over"
    return "later" if rule.starts_at and rule.starts_at > now else "now"


class WhenFilter(DropdownFilter):
    """Rules that hold now, later, or held once."""

    title, parameter_name = _("when"), "when"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        """Name the three."""
        return [("now", _("holds now")), ("later", _("holds later")), ("over", _("is over"))]

    def queryset(self, request: Any, queryset: QuerySet[Rule]) -> QuerySet[Rule]:
        """Keep one of them."""
        condition = _holding(timezone.now()).get(str(self.value()))
        return queryset.filter(condition) if condition is not None else queryset


class RuleForm(forms.ModelForm):
    """What a rule says; what it names must be there."""

    category = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    strain_type = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for name, words in (("category", CATEGORIES), ("strain_type", STRAIN_TYPES)):
            if name in self.fields:
                known = sorted({*words.values(), getattr(self.instance, name)} - {""})
                self.fields[name].choices = [("", _("any")), *((word, word) for word in known)]  # type: ignore[attr-defined]

    def clean_product(self) -> Product | None:
        """Refuse what was merged into another: nothing of it is recommended any more."""
        product: Product | None = self.cleaned_data["product"]
        if product and product.merged_into_id:
            raise forms.ValidationError(
                _("It was merged into %(other)s; name that.") % {"other": product.merged_into}
            )
        return product

    def clean_brand(self) -> str:
        """Refuse a brand that no product has, and name those spelled nearly so."""
        brand = str(self.cleaned_data["brand"]).strip()
        if brand and not named_by(Rule(brand=brand)).exists():
            rows = Product.objects.current().filter(brand__trigram_word_similar=brand)
            near = list(
                rows.order_by("brand").values_list("brand", flat=True).distinct()[:_NEAR_SHOWN]
            )
            hint = _(" Nearly so: %(near)s.") % {"near": ", ".join(map(str, near))} if near else ""
            raise forms.ValidationError(_("No product has this brand.") + str(hint))
        return brand

    def clean(self) -> dict[str, Any]:
        """Refuse what raises without a note, holds nowhere, or would have ended before anybody said so."""
        told: dict[str, Any] = super().clean() or {}
        if (
            told.get("deed") == Rule.Deed.RAISE
            and not told.get("unpaid_note")
            and "unpaid_note" not in self.errors
        ):
            self.add_error(
                "unpaid_note",
                _(
                    "Note that nobody pays for it, and how you know: promotion for money is not allowed."
                ),
            )
        store, province = told.get("store"), told.get("province")
        if store and province and store.province != province:
            self.add_error(
                "province",
                _("%(store)s is in %(other)s.") % {"store": store, "other": store.province},
            )
        ends_at = told.get("ends_at")
        if ends_at and ends_at <= timezone.now():
            self.add_error(
                "ends_at",
                _("This is over already. To end a rule at once choose “End now” in the list."),
            )
        return told


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    """Ended rather than deleted: what held once is a record."""

    form = RuleForm
    list_display = (
        "name",
        "does",
        "names",
        "where",
        "when",
        "starts_at",
        "ends_at",
        "author",
        "why",
    )
    list_filter = (
        WhenFilter,
        ("deed", ChoicesDropdownFilter),
        ("scenario", ChoicesDropdownFilter),
        ("province", ChoicesDropdownFilter),
        ("store", RelatedDropdownFilter),
    )
    list_filter_submit = True
    list_per_page = 50
    list_select_related = ("product", "store", "author")
    search_fields = ("name", "brand", "reason")
    autocomplete_fields = ("product",)
    actions = ("end_now",)
    conditional_fields = {"strength": "deed != 'hide'", "unpaid_note": "deed == 'raise'"}
    fieldsets = (
        (None, {"fields": ("name", ("deed", "strength"), "reason", "unpaid_note")}),
        (
            _("Which products"),
            {
                "fields": ("product", ("brand", "category"), ("strain_type", "least_thc")),
                "description": _("A product must meet everything that is told here."),
            },
        ),
        (
            _("Where"),
            {
                "fields": (("scenario", "store", "province"),),
                "description": _("Empty: everywhere."),
            },
        ),
        (_("When"), {"fields": ("starts_at", "ends_at")}),
    )
    _WRITTEN = (_("Who wrote it"), {"fields": (("author", "created_at"),)})
    change_form_before_template = "admin/customers/rule/reach.html"

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        """Of a rule that is not there yet nobody is the author."""
        return (*self.fieldsets, self._WRITTEN) if obj else self.fieldsets

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **named: Any
    ) -> HttpResponse:
        """Tell above the form how many products the rule names as it is saved, and in how many stores they are."""
        rule = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if rule is not None and request.method == "GET" and self.has_view_permission(request, rule):
            extra = {"reach": reach_of(rule), "most": MOST_COUNTED}
        return super().change_view(request, object_id, *args, extra_context=extra, **named)  # type: ignore[no-any-return]

    def get_readonly_fields(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        """Once it has begun, when it began is no longer a matter of choice."""
        has_begun = obj is not None and when_of(obj, timezone.now()) != "later"
        return ("author", "created_at", *(("starts_at",) if has_begun else ()))

    def has_change_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        """Nobody changes what is over."""
        is_over = obj is not None and when_of(obj, timezone.now()) == "over"
        return not is_over and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        """Only what never held is deleted."""
        may_go = obj is None or (when_of(obj, timezone.now()) == "later")
        return may_go and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> Any:
        """Leave out deleting many: it would not ask what ever held."""
        return {
            name: one
            for name, one in super().get_actions(request).items()
            if name != "delete_selected"
        }

    def save_model(self, request: Any, obj: Rule, form: Any, change: bool) -> None:
        """Note who wrote it."""
        if not change:
            obj.author = request.user
        super().save_model(request, obj, form, change)

    @admin.action(description=_("End now …"), permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Rule]) -> HttpResponse | None:
        """End what holds, once the person has seen which those are."""
        now = timezone.now()
        ending = list(queryset.filter(_holding(now)["now"]).order_by("name"))
        if not ending:
            messages.warning(
                request,
                _("None of these holds now. One that never held can be deleted on its page."),
            )
            return None
        if "confirmed" not in request.POST:
            page = {
                **self.admin_site.each_context(request),
                "title": _("End now"),
                "opts": self.opts,
                "rules": ending,
            }
            return TemplateResponse(request, "admin/customers/rule/end.html", page)
        with transaction.atomic():
            # Somebody else may have ended one of them since they were shown.
            held = Rule.objects.filter(
                _holding(now)["now"], pk__in=[rule.pk for rule in ending]
            ).select_for_update()
            ended = list(held.order_by("pk"))
            held.update(ends_at=now)
            for rule in ended:
                self.log_change(request, rule, [{"changed": {"fields": ["ends at"]}}])
        messages.success(
            request, _("Ended: %(count)s. They no longer hold anywhere.") % {"count": len(ended)}
        )
        return None

    @display(
        description=_("deed"),
        ordering="deed",
        label={"hide": "danger", "raise": "success", "lower": "warning"},
    )
    def does(self, rule: Rule) -> tuple[str, str]:
        """Show the deed in color, with its strength."""
        return (
            rule.deed,
            rule.deed if rule.deed == Rule.Deed.HIDE else f"{rule.deed} {rule.strength:.0%}",
        )

    @admin.display(description=_("names"))
    def names(self, rule: Rule) -> str:
        """Show what it names."""
        told = [str(rule.product)] if rule.product else []
        told += [value for value in (rule.brand, rule.category, rule.strain_type) if value]
        return " · ".join(
            told + ([f"THC ≥ {rule.least_thc} %"] if rule.least_thc is not None else [])
        )

    @admin.display(description=_("where"))
    def where(self, rule: Rule) -> str:
        """Show where it holds."""
        told = [str(one) for one in (rule.get_scenario_display(), rule.store, rule.province) if one]
        return " · ".join(told) or str(_("everywhere"))

    @display(description=_("when"), label={"now": "success", "later": "info", "over": "default"})
    def when(self, rule: Rule) -> str:
        """Show whether it holds."""
        return when_of(rule, timezone.now())

    @admin.display(description=_("reason"))
    def why(self, rule: Rule) -> str:
        """Show the beginning of the reason."""
        return rule.reason if len(rule.reason) <= 80 else f"{rule.reason[:79]}…"
