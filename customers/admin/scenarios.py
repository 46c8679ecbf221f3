"""Console pages of recommendation scenarios: weights, and a preview of changes before saving."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from customers.admin.explain import (
    CANDIDATE_SOURCES,
    RecommendationRequestForm,
    ScoreComponent,
    explain_view,
    score_components,
)
from customers.admin.product_as_customer import product_as_customer
from customers.models import Scenario
from customers.recommendations import RecommendationLookupError, RecommendedProduct, recommend
from customers.selectors.scenarios import find_scenario
from customers.services.access import log_access
from customers.services.scenarios import save_scenario

_FALLBACK_REASON_LABELS = {
    "vectors_unavailable": _("vector search is unavailable"),
    "model_unavailable": _("the ranking model cannot be loaded"),
    "cache_unavailable": _("the cache is unavailable"),
    "no_consent": _("the customer has not consented to personalization"),
    "cold_start": _("the customer has no history yet"),
    "anonymous": _("the customer is not signed in"),
    "no_similar_products": _("no similar products were found"),
    "age_not_verified": _("the customer's age is not verified"),
    "scenario_disabled": _("the scenario is switched off"),
    "no_eligible_products": _("filters and rules exclude every product"),
}


class ScenarioForm(forms.ModelForm):
    """Editable settings of a scenario."""

    def clean(self) -> dict[str, Any]:
        """Reject an active scenario whose weights are all 0."""
        values: dict[str, Any] = super().clean() or {}
        weights = [values.get(source) for source in CANDIDATE_SOURCES]
        if values.get("is_active") and None not in weights and not any(weights):
            raise forms.ValidationError(
                _(
                    "Every weight is 0: nothing would be recommended. "
                    "Switch the scenario off instead."
                )
            )
        return values


@dataclass(frozen=True, slots=True)
class ComparedProduct:
    """A product in one of two compared results, with its rank from 1 in both."""

    recommendation: RecommendedProduct
    rank: int
    other_rank: int | None
    components: Sequence[ScoreComponent]

    @property
    def ranks_gained(self) -> int:
        """Ranks gained over the other result, negative for ranks lost; 0 if missing there."""
        return self.other_rank - self.rank if self.other_rank else 0

    @property
    def ranks_lost(self) -> int:
        """Ranks lost against the other result, 0 or more."""
        return max(-self.ranks_gained, 0)


@admin.register(Scenario)
class ScenarioAdmin(ModelAdmin):
    """Scenarios are defined by the code: none can be added or deleted here."""

    warn_unsaved_form = True
    form = ScenarioForm
    list_display = (
        "__str__",
        "title_en",
        "title_fr",
        "weights",
        "diversity",
        "is_active",
        "updated_by",
        "updated_at",
    )
    list_select_related = ("updated_by",)
    fieldsets = (
        (None, {"fields": (("title_en", "title_fr"), "is_active")}),
        (_("Weights of the candidate sources"), {"fields": tuple(CANDIDATE_SOURCES)}),
        (_("Variety"), {"fields": (("diversity", "max_per_brand"), "is_same_category")}),
        (_("Last change"), {"fields": (("updated_by", "updated_at"),)}),
    )
    readonly_fields = ("updated_by", "updated_at")
    change_form_after_template = "admin/customers/scenario/preview_form.html"
    change_form_show_cancel_button = True

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        """Scenarios cannot be added: the code requests each by its name."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Scenarios cannot be deleted; they can be switched off."""
        return False

    def save_model(self, request: Any, obj: Scenario, form: Any, change: bool) -> None:  # noqa: ARG002  # Django's signature
        """Save the changed fields with the user and the time of the change."""
        save_scenario(scenario=obj, changed_fields=form.changed_data, by=request.user)

    @admin.display(description=_("weights"))
    def weights(self, scenario: Scenario) -> SafeString:
        """Return the share of each candidate source as a bar."""
        weights = {source: getattr(scenario, source) for source in CANDIDATE_SOURCES}
        html = render_to_string(
            "admin/customers/scenario/score_components.html",
            {"components": score_components(weights)},
        )
        return SafeString(html)

    def get_urls(self) -> list[Any]:
        """Add the preview, the explanation page, and the page of a product as customers see it."""
        admin_view = self.admin_site.admin_view
        return [
            path("explain/", admin_view(explain_view), name="customers_scenario_explain"),
            path(
                "product/<uuid:pk>/",
                admin_view(partial(product_as_customer, self.admin_site)),
                name="customers_scenario_product_as_customer",
            ),
            path(
                "<path:pk>/preview/",
                admin_view(self.preview_view),
                name="customers_scenario_preview",
            ),
            *super().get_urls(),
        ]

    @property
    def media(self) -> forms.Media:
        """Scripts and styles, including those of the product selection."""
        product_widget = RecommendationRequestForm.base_fields["products"].widget
        media: forms.Media = super().media + product_widget.media
        return media

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the change form, with the preview form below it."""
        context: dict[str, Any] = {}
        if self._can_change_scenarios(request):
            url = reverse("admin:customers_scenario_preview", args=[object_id])
            # Without JavaScript the same button opens the preview as a separate page.
            context = {
                "preview_form": RecommendationRequestForm(request=request, prefix="sample"),
                "preview_button": {
                    "formaction": url,
                    "hx-post": url,
                    "hx-target": "#preview",
                    "hx-indicator": "#preview",
                },
            }
        return super().change_view(  # type: ignore[no-any-return]
            request, object_id, *args, extra_context=context, **kwargs
        )

    def preview_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Compare the saved scenario with the values of the form; nothing is saved or recorded."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        saved = find_scenario(pk)
        if saved is None:
            raise Http404
        if not self._can_change_scenarios(request):
            raise PermissionDenied
        request_form = RecommendationRequestForm(request.POST, prefix="sample", request=request)
        form_class = self.get_form(request, saved, change=True)
        # Validation writes the values of the form into its instance.
        scenario_form = form_class(request.POST, instance=copy(saved))
        page: dict[str, Any] = {"scenario": saved, "forms": [scenario_form, request_form]}
        if scenario_form.is_valid() and request_form.is_valid():
            page["results"] = _compare(request, request_form, saved, scenario_form.instance)
        if request.headers.get("HX-Request"):
            return TemplateResponse(request, "admin/customers/scenario/preview.html", page)
        page |= {
            **self.admin_site.each_context(request),
            "title": _("Preview (nothing is saved)"),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/customers/scenario/preview_page.html", page)

    def _can_change_scenarios(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("customers.change_scenario"))


def fallback_reasons_text(reasons: Sequence[str]) -> str:
    """Return the labels of fallback reasons, separated by commas."""
    return ", ".join(str(_FALLBACK_REASON_LABELS.get(reason, reason)) for reason in reasons)


def _compare(
    request: HttpRequest,
    request_form: RecommendationRequestForm,
    saved: Scenario,
    unsaved: Scenario,
) -> list[dict[str, Any]]:
    """Return the results of the saved and the unsaved scenario; empty if the customer is gone."""
    if customer := request_form.cleaned_data["customer"]:
        log_access(
            customer=customer,
            actor=f"user:{request.user.get_username()}",
            action="recommendations.preview",
        )
    recommendation_request = request_form.to_request(scenario=saved.name)
    try:
        before = recommend(recommendation_request, scenario=saved, record=False)
        after = recommend(recommendation_request, scenario=unsaved, record=False)
    except RecommendationLookupError as error:  # erased since the form was validated
        request_form.add_error("customer", str(error))
        return []
    return [
        {
            "title": title,
            "result": result,
            "fallback_reasons": fallback_reasons_text(result.fallback_reasons),
            "rows": _compare_products(result.recommendations, other.recommendations),
        }
        for title, result, other in (
            (_("Saved settings"), before, after),
            (_("Unsaved settings"), after, before),
        )
    ]


def _compare_products(
    recommendations: Sequence[RecommendedProduct], others: Sequence[RecommendedProduct]
) -> list[ComparedProduct]:
    other_ranks = {other.product.pk: rank for rank, other in enumerate(others, start=1)}
    return [
        ComparedProduct(
            recommendation,
            rank,
            other_ranks.get(recommendation.product.pk),
            score_components(recommendation.score_components),
        )
        for rank, recommendation in enumerate(recommendations, start=1)
    ]
