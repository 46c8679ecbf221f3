"""Why a product is recommended to somebody, or why it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.admin.product_search import find_products
from catalog.models import Product, Store
from catalog.reference.provinces import PROVINCES
from customers.models import CustomerProfile, Rule, Scenario
from customers.recommendations.explain import judge
from customers.recommendations.request import Question, Unknown
from customers.services.access import note

LEGS = {
    "again": "#2f7d4f",
    "alike": "#7a4fa3",
    "taste": "#b3651d",
    "popular": "#1f6f8b",
    "new": "#8a8f98",
}
"""Sources of candidates in their order, with the colors that they are drawn in."""
MOST_LOOKED_AT = 20
_MOST_CHOICES = 10
_PROVINCES = [("", _("not told")), *((code, one.name_en) for code, one in PROVINCES.items())]
FILTERS = {
    "merged": _("merged"),
    "stock": _("out of stock"),
    "province": _("law of the province"),
    "age": _("age"),
    "consent": _("consent"),
    "price": _("price"),
    "dislike": _("dislike"),
    "rule": _("rule of staff"),
    "category": _("another category"),
    "scenario": _("scenario"),
    "looked-at": _("looked at already"),
}


class SampleForm(forms.Form):
    """Who asks, where, and what they look at."""

    customer = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "A whole customer number or the id of a profile; empty: somebody we do not know."
        ),
    )
    store = forms.ModelChoiceField(
        Store.objects.all(), required=False, empty_label=_("none"), widget=UnfoldAdminSelectWidget
    )
    province = forms.ChoiceField(
        required=False,
        choices=_PROVINCES,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Where no store is chosen."),
    )
    products = forms.ModelMultipleChoiceField(
        Product.objects.current(),
        required=False,
        label=_("Looked at, or in the basket"),
        # The field lends its way of finding products only; nothing is written to it.
        widget=AutocompleteSelectMultiple(Rule._meta.get_field("product"), admin.site),
        help_text=_("By words, SKU or GTIN."),
    )

    def __init__(self, *arguments: Any, request: HttpRequest, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._may_look = request.user.has_perm("customers.view_customerprofile")

    def clean_customer(self) -> CustomerProfile | None:
        """Find the person; refuse a number that nobody has, and whoever may not look at people."""
        told = str(self.cleaned_data["customer"]).strip()
        if not told:
            return None
        if not self._may_look:
            raise forms.ValidationError(_("You may not look at customers."))
        by = Q(external_customer_id=told) | (Q(pk=pk) if (pk := _uuid(told)) else Q())
        found = CustomerProfile.objects.filter(by).first()
        if found is None:
            raise forms.ValidationError(_("Nobody has this number."))
        return found

    def clean_products(self) -> QuerySet[Product]:
        """Refuse more than anybody looks at."""
        told: QuerySet[Product] = self.cleaned_data["products"]
        if len(told) > MOST_LOOKED_AT:
            raise forms.ValidationError(_("At most %(most)s.") % {"most": MOST_LOOKED_AT})
        return told

    def question(self, *, scenario: str, limit: int = 10) -> Question:
        """Return what is asked in a scenario."""
        told = self.cleaned_data
        customer, store = told["customer"], told["store"]
        return Question(
            scenario=scenario,
            customer=customer.pk if customer else None,
            store=store,
            limit=limit,
            province="" if store else told["province"],
            products=tuple(product.pk for product in told["products"]),
        )


class WhyForm(SampleForm):
    """One product more, and where it would be shown."""

    scenario = forms.ChoiceField(choices=Scenario.Name, widget=UnfoldAdminSelectWidget)
    product = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Words of its name, SKU, GTIN or id."),
    )
    field_order = ("customer", "store", "province", "scenario", "product", "products")


def why(request: HttpRequest) -> HttpResponse:
    """Show place, score and reasons of a product for somebody, or every filter that keeps it out; note a look at a person."""
    if not request.user.has_perm("customers.view_scenario"):
        raise PermissionDenied
    # A form is posted, so that no customer number stands in an address; links name profiles and products by id.
    told = request.POST if request.method == "POST" else request.GET
    asked = told if "product" in told else None
    form = WhyForm(
        asked, request=request, initial={"customer": told.get("customer", ""), "scenario": "home"}
    )
    page: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Why, and why not"),
        "form": form,
        "media": form.media,
    }
    if form.is_valid():
        page |= _judged(request, form)
    return TemplateResponse(request, "admin/customers/scenario/why.html", page)


def _judged(request: HttpRequest, form: WhyForm) -> dict[str, Any]:
    told = form.cleaned_data
    choices = products_named(told["product"])
    if len(choices) != 1:
        found = _("Which of these?") if choices else _("No product is named so.")
        return {"choices": [(one, _address(form, one)) for one in choices], "found": found}
    customer = told["customer"]
    if customer:
        note(
            customer=customer,
            actor=f"user:{request.user.get_username()}",
            action="recommendations.why",
        )
    try:
        verdict = judge(form.question(scenario=told["scenario"]), product=choices[0].pk)
    except Unknown as error:  # erased or removed since the form found it
        form.add_error(None, str(error))
        return {}
    blocked = [(FILTERS.get(one.filter, one.filter), one.why) for one in verdict.blocked]
    return {
        "verdict": verdict,
        "blocked": blocked,
        "parts": parts_of(verdict.parts),
        "customer": customer,
    }


@dataclass(frozen=True, slots=True)
class Part:
    """What a leg gave to a score, its share of the whole in percent, and the color that it is drawn in."""

    leg: str
    value: float
    percent: float
    color: str


def parts_of(parts: Mapping[str, float]) -> list[Part]:
    """Return what each leg gave, always in one order; legs that gave nothing are left out."""
    whole = sum(parts.values())
    return [
        Part(leg, parts[leg], 100 * parts[leg] / whole, color)
        for leg, color in LEGS.items()
        if parts.get(leg)
    ]


def products_named(text: str) -> list[Product]:
    """Return the products that a text names: one by its id, SKU or GTIN, else up to ten by their words."""
    told = text.strip()
    rows = Product.objects.current().defer("search_document")
    if pk := _uuid(told):
        return list(rows.filter(Q(pk=pk) | Q(merged__pk=pk)).distinct()[:1])
    if exact := list(rows.filter(Q(sku=told) | Q(gtin=told.zfill(14)))[:_MOST_CHOICES]):
        return exact
    return list(find_products(rows, told).order_by("name", "-id")[:_MOST_CHOICES])


def _address(form: WhyForm, product: Product) -> str:
    """Return the query that asks the same of one product."""
    told = form.cleaned_data
    customer, store = told["customer"], told["store"]
    return urlencode(
        {
            "customer": customer.pk if customer else "",
            "store": store.pk if store else "",
            "province": told["province"],
            "scenario": told["scenario"],
            "product": product.pk,
            "products": [one.pk for one in told["products"]],
        },
        doseq=True,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
