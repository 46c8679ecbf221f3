"""Console page that explains why a product is recommended to a customer, or why it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.models import Product
from catalog.reference.word_labels import province_choices
from catalog.selectors.products import current_products
from catalog.selectors.stores import all_stores
from customers.models import BusinessRule, CustomerProfile, Scenario
from customers.recommendations import (
    RecommendationLookupError,
    RecommendationRequest,
    explain_product,
)
from customers.selectors.products import find_products_by_text
from customers.selectors.profiles import find_customer_by_reference
from customers.services.access import log_access

CANDIDATE_SOURCES: Mapping[str, tuple[Promise, str]] = {
    "repurchase": (_("repurchase"), "#2f7d4f"),
    "co_purchase": (_("bought together"), "#7a4fa3"),
    "embedding_similarity": (_("similarity"), "#b3651d"),
    "popularity": (_("popularity"), "#1f6f8b"),
    "newness": (_("newness"), "#8a8f98"),
}
"""Label and color of each candidate source, in the order they are drawn in."""
MAX_CONTEXT_PRODUCTS = 20
_MAX_CHOICES = 10
_PROVINCE_CHOICES = [
    ("", _("not specified")),
    *province_choices(),
]
FILTER_LABELS = {
    "merged": _("Merged product"),
    "stock": _("Out of stock"),
    "province": _("Provincial law"),
    "age": _("Age"),
    "consent": _("Consent"),
    "price": _("Price range"),
    "dislike": _("Dislike"),
    "rule": _("Staff rule"),
    "category": _("Different category"),
    "scenario": _("Scenario"),
    "viewed_or_in_basket": _("Already viewed or in the basket"),
}


class RecommendationRequestForm(forms.Form):
    """Customer, store and context products of a recommendation request."""

    customer = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "Full customer number or profile ID. Leave empty for a customer who is not signed in."
        ),
    )
    store = forms.ModelChoiceField(
        all_stores(), required=False, empty_label=_("none"), widget=UnfoldAdminSelectWidget
    )
    province = forms.ChoiceField(
        required=False,
        choices=_PROVINCE_CHOICES,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Used when no store is selected."),
    )
    products = forms.ModelMultipleChoiceField(
        current_products(),
        required=False,
        label=_("Viewed products or basket"),
        # The rule's product field provides the autocomplete query; nothing is written to it.
        widget=AutocompleteSelectMultiple(BusinessRule._meta.get_field("product"), admin.site),
        help_text=_("Search by name, SKU or GTIN."),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._can_view_customers = request.user.has_perm("customers.view_customerprofile")

    def clean_customer(self) -> CustomerProfile | None:
        """Return the customer; reject an unknown number and staff without permission."""
        text = str(self.cleaned_data["customer"]).strip()
        if not text:
            return None
        if not self._can_view_customers:
            raise forms.ValidationError(_("You do not have permission to view customers."))
        customer = find_customer_by_reference(text)
        if customer is None:
            raise forms.ValidationError(_("Customer not found."))
        return customer

    def clean_products(self) -> QuerySet[Product]:
        """Reject more than MAX_CONTEXT_PRODUCTS products."""
        products: QuerySet[Product] = self.cleaned_data["products"]
        if len(products) > MAX_CONTEXT_PRODUCTS:
            raise forms.ValidationError(
                _("Select at most %(max)s products.") % {"max": MAX_CONTEXT_PRODUCTS}
            )
        return products

    def to_request(self, *, scenario: str, limit: int = 10) -> RecommendationRequest:
        """Return the recommendation request that the form describes."""
        customer = self.cleaned_data["customer"]
        store = self.cleaned_data["store"]
        return RecommendationRequest(
            scenario=scenario,
            customer=customer.pk if customer else None,
            store=store,
            limit=limit,
            province="" if store else self.cleaned_data["province"],
            products=tuple(product.pk for product in self.cleaned_data["products"]),
        )


class ExplanationForm(RecommendationRequestForm):
    """A recommendation request, and the product to explain."""

    scenario = forms.ChoiceField(choices=Scenario.Name, widget=UnfoldAdminSelectWidget)
    product = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Name, SKU, GTIN or ID."),
    )
    field_order = ("customer", "store", "province", "scenario", "product", "products")


def explain_view(request: HttpRequest) -> HttpResponse:
    """
    Show rank, score and reasons of a product, or every filter that excludes it.

    Explaining for a customer is recorded in the access log.
    """
    if not request.user.has_perm("customers.view_scenario"):
        raise PermissionDenied
    # The form is posted to keep customer numbers out of URLs; links carry profile and product IDs.
    params = request.POST if request.method == "POST" else request.GET
    form = ExplanationForm(
        params if "product" in params else None,
        request=request,
        initial={"customer": params.get("customer", ""), "scenario": "home"},
    )
    page: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Explain a recommendation"),
        "form": form,
        "media": form.media,
    }
    if form.is_valid():
        page |= _explanation_context(request, form)
    return TemplateResponse(request, "admin/customers/scenario/explain.html", page)


def _explanation_context(request: HttpRequest, form: ExplanationForm) -> dict[str, Any]:
    products = find_products_by_text(form.cleaned_data["product"], limit=_MAX_CHOICES)
    if len(products) != 1:
        return {
            "choices": [(product, _choice_query(form, product)) for product in products],
            "choices_title": _("Which product?") if products else _("No product found."),
        }
    customer = form.cleaned_data["customer"]
    if customer:
        log_access(
            customer=customer,
            actor=f"user:{request.user.get_username()}",
            action="recommendations.explain",
        )
    try:
        explanation = explain_product(
            form.to_request(scenario=form.cleaned_data["scenario"]), product=products[0].pk
        )
    except RecommendationLookupError as error:  # erased or removed since the form was validated
        form.add_error(None, str(error))
        return {}
    return {
        "explanation": explanation,
        "blocking_reasons": [
            (FILTER_LABELS.get(reason.filter, reason.filter), reason.explanation)
            for reason in explanation.blocking_reasons
        ],
        "components": score_components(explanation.score_components),
        "customer": customer,
    }


@dataclass(frozen=True, slots=True)
class ScoreComponent:
    """The contribution of a candidate source to a score; percent: of the score, 0 to 100."""

    label: Promise
    value: float
    percent: float
    color: str


def score_components(values: Mapping[str, float]) -> list[ScoreComponent]:
    """Return the contributions by candidate source, in a fixed order, without those that are 0."""
    total = sum(values.values())
    return [
        ScoreComponent(label, values[source], 100 * values[source] / total, color)
        for source, (label, color) in CANDIDATE_SOURCES.items()
        if values.get(source)
    ]


def _choice_query(form: ExplanationForm, product: Product) -> str:
    """Return the query string that repeats the request for one product."""
    values = form.cleaned_data
    customer = values["customer"]
    store = values["store"]
    return urlencode(
        {
            "customer": customer.pk if customer else "",
            "store": store.pk if store else "",
            "province": values["province"],
            "scenario": values["scenario"],
            "product": product.pk,
            "products": [context_product.pk for context_product in values["products"]],
        },
        doseq=True,
    )
