"""Console pages of business rules: products, placement, validity, reason and current reach."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
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
from catalog.reference.word_labels import word_label
from config.admin.labels import ColoredLabel
from customers.models import BusinessRule
from customers.recommendations import MAX_COUNTED_PRODUCTS, products_matching_rule, rule_reach
from customers.selectors.products import similar_brands
from customers.selectors.rules import rule_status, rules_with_status
from customers.services.rules import create_rule, delete_rule, end_rules, update_rule

_MAX_SUGGESTED_BRANDS = 5
_MAX_REASON_LENGTH = 80
_STATUSES = {"active": _("active"), "scheduled": _("scheduled"), "ended": _("ended")}


class RuleStatusFilter(DropdownFilter):
    """Filter of rules by status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002  # Django's signature
        """Return the statuses with their labels."""
        return list(_STATUSES.items())

    def queryset(
        self,
        request: Any,  # noqa: ARG002  # Django's signature
        queryset: QuerySet[BusinessRule],
    ) -> QuerySet[BusinessRule]:
        """Return the rules with the selected status."""
        return rules_with_status(queryset, status=str(self.value()), now=timezone.now())


class BusinessRuleForm(forms.ModelForm):
    """Form of a business rule; its product criteria must match something in the catalogue."""

    category = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    strain_type = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, vocabulary in (("category", CATEGORIES), ("strain_type", STRAIN_TYPES)):
            if name in self.fields:
                values = sorted({*vocabulary.values(), getattr(self.instance, name)} - {""})
                choices = [("", _("any")), *((value, value) for value in values)]
                self.fields[name].choices = choices  # type: ignore[attr-defined]

    def clean_product(self) -> Product | None:
        """Reject a merged product: it is never recommended."""
        product: Product | None = self.cleaned_data["product"]
        if product and product.merged_into_id:
            raise forms.ValidationError(
                _("This product was merged into %(other)s; select that one.")
                % {"other": product.merged_into}
            )
        return product

    def clean_brand(self) -> str:
        """Reject a brand that no product has, and suggest similar spellings."""
        brand = str(self.cleaned_data["brand"]).strip()
        if not brand or products_matching_rule(BusinessRule(brand=brand)).exists():
            return brand
        message = str(_("No product has this brand."))
        suggestions = ", ".join(similar_brands(brand, limit=_MAX_SUGGESTED_BRANDS))
        if suggestions:
            message += str(_(" Did you mean: %(brands)s?") % {"brands": suggestions})
        raise forms.ValidationError(message)

    def clean(self) -> dict[str, Any]:
        """Reject a boost without a note, a store outside the province, and an end in the past."""
        values: dict[str, Any] = super().clean() or {}
        if (
            values.get("action") == BusinessRule.Action.BOOST
            and not values.get("unpaid_note")
            and "unpaid_note" not in self.errors
        ):
            self.add_error(
                "unpaid_note",
                _(
                    "Confirm that this boost is not paid for, and how you know: "
                    "paid promotion is not allowed."
                ),
            )
        store = values.get("store")
        province = values.get("province")
        if store and province and store.province != province:
            self.add_error(
                "province",
                _("%(store)s is in %(province)s.") % {"store": store, "province": store.province},
            )
        ends_at = values.get("ends_at")
        if ends_at and ends_at <= timezone.now():
            self.add_error(
                "ends_at",
                _("This time is in the past. To end a rule now, use “End now” in the list."),
            )
        return values


@admin.register(BusinessRule)
class BusinessRuleAdmin(ModelAdmin):
    """Business rules; a rule that has been active can be ended, but not deleted."""

    warn_unsaved_form = True
    form = BusinessRuleForm
    list_display = (
        "name",
        "action_label",
        "product_criteria",
        "placement",
        "status",
        "starts_at",
        "ends_at",
        "author",
        "short_reason",
    )
    list_filter = (
        RuleStatusFilter,
        ("action", ChoicesDropdownFilter),
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
    conditional_fields = {"strength": "action != 'hide'", "unpaid_note": "action == 'boost'"}
    fieldsets = (
        (None, {"fields": ("name", ("action", "strength"), "reason", "unpaid_note")}),
        (
            _("Which products"),
            {
                "fields": (
                    "product",
                    ("brand", "category"),
                    ("strain_type", "min_thc_percentage"),
                ),
                "description": _("A product must meet every criterion that is set here."),
            },
        ),
        (
            _("Where"),
            {
                "fields": (("scenario", "store", "province"),),
                "description": _("Leave empty to apply the rule everywhere."),
            },
        ),
        (_("When"), {"fields": ("starts_at", "ends_at")}),
    )
    _AUTHOR_FIELDSET = (_("Author"), {"fields": (("author", "created_at"),)})
    change_form_before_template = "admin/customers/businessrule/reach.html"

    def get_fieldsets(self, request: HttpRequest, obj: BusinessRule | None = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the fieldsets; an existing rule also shows its author."""
        return (*self.fieldsets, self._AUTHOR_FIELDSET) if obj else self.fieldsets

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show above the form how many products and stores the saved rule reaches."""
        rule = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if rule is not None and request.method == "GET" and self.has_view_permission(request, rule):
            context = {"reach": rule_reach(rule), "max_products": MAX_COUNTED_PRODUCTS}
        return super().change_view(  # type: ignore[no-any-return]
            request, object_id, *args, extra_context=context, **kwargs
        )

    def get_readonly_fields(self, request: HttpRequest, obj: BusinessRule | None = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the read-only fields; the start of a rule that has started cannot be changed."""
        has_started = obj is not None and rule_status(obj, timezone.now()) != "scheduled"
        return ("author", "created_at", *(("starts_at",) if has_started else ()))

    def has_change_permission(self, request: HttpRequest, obj: BusinessRule | None = None) -> bool:
        """Ended rules cannot be changed."""
        is_ended = obj is not None and rule_status(obj, timezone.now()) == "ended"
        return not is_ended and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: BusinessRule | None = None) -> bool:
        """Only rules that have not started can be deleted."""
        is_deletable = obj is None or rule_status(obj, timezone.now()) == "scheduled"
        return is_deletable and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the actions without bulk deletion, which would ignore whether a rule started."""
        actions = dict(super().get_actions(request))
        actions.pop("delete_selected", None)
        return actions

    def save_model(self, request: Any, obj: BusinessRule, form: Any, change: bool) -> None:
        """Save a rule; a new one gets the user as its author."""
        if change:
            update_rule(rule=obj, changed_fields=form.changed_data, by=request.user)
        else:
            create_rule(rule=obj, by=request.user)

    def delete_model(self, request: Any, obj: BusinessRule) -> None:
        """Delete a rule."""
        delete_rule(rule=obj, by=request.user)

    @admin.action(description=_("End now …"), permissions=["change"])
    def end_now(self, request: Any, queryset: QuerySet[BusinessRule]) -> HttpResponse | None:
        """End the active rules of the selection, after a confirmation that lists them."""
        now = timezone.now()
        active = rules_with_status(queryset, status="active", now=now)
        selected = list(active.order_by("name"))
        if not selected:
            messages.warning(
                request,
                _("No selected rule is active. A scheduled rule can be deleted on its page."),
            )
            return None
        if "confirmed" not in request.POST:
            page = {
                **self.admin_site.each_context(request),
                "title": _("End now"),
                "opts": self.opts,
                "rules": selected,
                "action": "end_now",
                "selected_ids": [rule.pk for rule in selected],
            }
            return TemplateResponse(request, "admin/customers/businessrule/end_now.html", page)
        ended = end_rules(ids=[rule.pk for rule in selected], by=request.user, now=now)
        for rule in ended:
            self.log_change(request, rule, [{"changed": {"fields": ["ends at"]}}])
        messages.success(
            request, _("%(count)s rules ended. They no longer apply.") % {"count": len(ended)}
        )
        return None

    @display(
        description=_("action"),
        ordering="action",
        label={"hide": "danger", "boost": "success", "demote": "warning"},
    )
    def action_label(self, rule: BusinessRule) -> ColoredLabel:
        """Return the action as a colored label, with its strength."""
        if rule.action == BusinessRule.Action.HIDE:
            return ColoredLabel(rule.action, rule.get_action_display())
        return ColoredLabel(rule.action, f"{rule.get_action_display()} {rule.strength:.0%}")

    @admin.display(description=_("products"))
    def product_criteria(self, rule: BusinessRule) -> str:
        """Return the product criteria of a rule."""
        criteria = [str(rule.product)] if rule.product else []
        words = (rule.brand, word_label(rule.category), word_label(rule.strain_type))
        criteria += [word for word in words if word]
        if rule.min_thc_percentage is not None:
            criteria.append(f"THC ≥ {rule.min_thc_percentage} %")
        return " · ".join(criteria)

    @admin.display(description=_("where"))
    def placement(self, rule: BusinessRule) -> str:
        """Return the scenario, store and province that a rule is limited to."""
        limits = (rule.get_scenario_display(), rule.store, rule.province)
        return " · ".join(str(limit) for limit in limits if limit) or str(_("everywhere"))

    @display(
        description=_("status"),
        label={"active": "success", "scheduled": "info", "ended": "default"},
    )
    def status(self, rule: BusinessRule) -> tuple[str, Any]:
        """Return the status of a rule as a colored label."""
        status = rule_status(rule, timezone.now())
        return status, _STATUSES[status]

    @admin.display(description=_("reason"))
    def short_reason(self, rule: BusinessRule) -> str:
        """Return the beginning of the reason."""
        if len(rule.reason) <= _MAX_REASON_LENGTH:
            return rule.reason
        return f"{rule.reason[: _MAX_REASON_LENGTH - 1]}…"
