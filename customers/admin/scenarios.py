"""Scenarios: what each is mixed of, tried on somebody before it is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from customers.admin.explain import LEGS, Part, SampleForm, parts_of, why
from customers.models import Scenario
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import Unknown
from customers.recommendations.result import Pick
from customers.services.access import note

_WHY = {
    "vectors-silent": _("vectors do not answer"),
    "cache-silent": _("the cache does not answer"),
    "no-consent": _("they did not agree to be profiled"),
    "cold-start": _("nothing is known of what they do"),
    "nobody-known": _("asked for nobody we know"),
    "nothing-alike": _("nothing is like what is looked at"),
    "age-not-proven": _("their age is not proven"),
    "scenario-off": _("the scenario is switched off"),
    "nothing-fits": _("filters and rules leave nothing"),
}


class ScenarioForm(forms.ModelForm):
    """What staff set."""

    def clean(self) -> dict[str, Any]:
        """Refuse a scenario that is on and mixed of nothing."""
        told: dict[str, Any] = super().clean() or {}
        weights = [told.get(leg) for leg in LEGS]
        if told.get("is_active") and None not in weights and not any(weights):
            raise forms.ValidationError(
                _("Every weight is 0: nothing would be recommended. Switch it off instead.")
            )
        return told


@dataclass(frozen=True, slots=True)
class Row:
    """A product in one of two answers: its place here and there, and how far it moved up (down where negative)."""

    pick: Pick
    place: int
    other: int | None
    parts: Sequence[Part]

    @property
    def moved(self) -> int:
        """Return places won; 0 also of what is in one answer only."""
        return self.other - self.place if self.other else 0

    @property
    def fell(self) -> int:
        """Return places lost."""
        return max(-self.moved, 0)


@admin.register(Scenario)
class ScenarioAdmin(ModelAdmin):
    """As many as there are places to show products in: none is added, none deleted."""

    form = ScenarioForm
    list_display = (
        "__str__",
        "title_en",
        "title_fr",
        "mixed_of",
        "diversity",
        "is_active",
        "updated_by",
        "updated_at",
    )
    list_select_related = ("updated_by",)
    fieldsets = (
        (None, {"fields": (("title_en", "title_fr"), "is_active")}),
        (_("Weights: from where products come"), {"fields": tuple(LEGS)}),
        (_("Variety"), {"fields": (("diversity", "most_of_a_brand"), "is_same_category")}),
        (_("Last change"), {"fields": (("updated_by", "updated_at"),)}),
    )
    readonly_fields = ("updated_by", "updated_at")
    change_form_after_template = "admin/customers/scenario/sample.html"
    change_form_show_cancel_button = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one: code asks for each by its name."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one either; it can be switched off."""
        return False

    def save_model(self, request: Any, obj: Scenario, form: Any, change: bool) -> None:
        """Note who changed it, and when."""
        obj.updated_by, obj.updated_at = request.user, timezone.now()
        super().save_model(request, obj, form, change)

    @admin.display(description=_("mixed of"))
    def mixed_of(self, scenario: Scenario) -> SafeString:
        """Show each leg's share."""
        parts = parts_of({leg: getattr(scenario, leg) for leg in LEGS})
        return SafeString(render_to_string("admin/customers/scenario/parts.html", {"parts": parts}))

    def get_urls(self) -> list[Any]:
        """Add the preview, and the page that tells why."""
        site = self.admin_site.admin_view
        return [
            path("why/", site(why), name="customers_scenario_why"),
            path("<path:pk>/preview/", site(self.preview), name="customers_scenario_preview"),
            *super().get_urls(),
        ]

    @property
    def media(self) -> forms.Media:
        """What a form for choosing products wants, too."""
        media: forms.Media = super().media + SampleForm.base_fields["products"].widget.media
        return media

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **named: Any
    ) -> HttpResponse:
        """Show the page, with the choice of whom to try it on."""
        extra: dict[str, Any] = {}
        if self._may_change(request):
            address = reverse("admin:customers_scenario_preview", args=[object_id])
            # Without scripts the same button opens the preview as a page of its own.
            button = {
                "formaction": address,
                "hx-post": address,
                "hx-target": "#preview",
                "hx-indicator": "#preview",
            }
            extra = {
                "sample": SampleForm(request=request, prefix="sample"),
                "preview_button": button,
            }
        return super().change_view(request, object_id, *args, extra_context=extra, **named)  # type: ignore[no-any-return]

    def preview(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Show what is answered now beside what would be by the values of the form; nothing is saved, nothing kept."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        saved = get_object_or_404(Scenario, pk=pk)
        if not self._may_change(request):
            raise PermissionDenied
        sample = SampleForm(request.POST, prefix="sample", request=request)
        form = self.get_form(request, saved, change=True)(
            request.POST, instance=Scenario.objects.get(pk=pk)
        )
        page: dict[str, Any] = {"scenario": saved, "forms": [form, sample]}
        if form.is_valid() and sample.is_valid():
            page |= _compared(request, sample, saved, form.save(commit=False))
        if request.headers.get("HX-Request"):
            return TemplateResponse(request, "admin/customers/scenario/preview.html", page)
        page |= {
            **self.admin_site.each_context(request),
            "title": _("Preview: nothing is saved"),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/customers/scenario/preview_page.html", page)

    def _may_change(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("customers.change_scenario"))


def _compared(
    request: HttpRequest, sample: SampleForm, saved: Scenario, unsaved: Scenario
) -> dict[str, Any]:
    if customer := sample.cleaned_data["customer"]:
        note(
            customer=customer,
            actor=f"user:{request.user.get_username()}",
            action="recommendations.preview",
        )
    question = sample.question(scenario=saved.name)
    try:
        now = recommend(question, scenario=saved, is_kept=False)
        then = recommend(question, scenario=unsaved, is_kept=False)
    except Unknown as error:  # erased since the form found them
        sample.add_error("customer", str(error))
        return {}
    return {
        "sides": [
            (_("Now, as saved"), now, told_why(now.why), _rows(now.picks, then.picks)),
            (_("Would be, unsaved"), then, told_why(then.why), _rows(then.picks, now.picks)),
        ]
    }


def told_why(reasons: Sequence[str]) -> str:
    """Return in words what stood between an answer and what was asked for."""
    return ", ".join(str(_WHY.get(reason, reason)) for reason in reasons)


def _rows(picks: Sequence[Pick], others: Sequence[Pick]) -> list[Row]:
    places = {pick.product.pk: place for place, pick in enumerate(others, start=1)}
    return [
        Row(pick, place, places.get(pick.product.pk), parts_of(pick.parts))
        for place, pick in enumerate(picks, start=1)
    ]
