"""Search playground: interpretation, ranking and exclusions of a search query, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.word_labels import word_choices
from catalog.search import SearchQuery, SearchResult, excluded_products, search_products
from catalog.selectors.products import current_products, products_in_order

_MAX_SHOWN = 20


def _choices(words: dict[str, str]) -> list[tuple[str, Any]]:
    return [("", _("any")), *word_choices(words.values())]


class PlaygroundForm(forms.Form):
    """A search query with the filters of an API client."""

    q = forms.CharField(
        label=_("Query"), max_length=500, required=False, widget=UnfoldAdminTextInputWidget
    )
    category = forms.ChoiceField(
        required=False, choices=_choices(CATEGORIES), widget=UnfoldAdminSelectWidget
    )
    strain_type = forms.ChoiceField(
        required=False, choices=_choices(STRAIN_TYPES), widget=UnfoldAdminSelectWidget
    )
    price_max = forms.DecimalField(required=False, min_value=0, widget=UnfoldAdminTextInputWidget)
    ignore_interpretations = forms.CharField(
        label=_("Ignored interpretations"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Keys of interpreted terms, comma-separated."),
    )


def playground(request: HttpRequest) -> HttpResponse:
    """Show the results of a query, their score components, and excluded products with the rules."""
    if not request.user.has_perm("catalog.view_product"):
        raise PermissionDenied
    form = PlaygroundForm(request.GET or None)
    page: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Search playground"),
        "form": form,
    }
    if form.is_valid() and any(form.cleaned_data.values()):
        params = form.cleaned_data
        filters = {name: params[name] for name in ("category", "strain_type") if params[name]}
        if params["price_max"] is not None:
            filters["price__lte"] = params["price_max"]
        keys = params["ignore_interpretations"].split(",")
        ignored_keys = frozenset(key.strip() for key in keys if key.strip())
        products = current_products().filter(**filters)
        result = search_products(
            SearchQuery(text=params["q"], products=products, ignored_keys=ignored_keys)
        )
        page |= {
            "result": result,
            "result_rows": _result_rows(result),
            "excluded": excluded_products(params["q"], result, filters=filters, limit=_MAX_SHOWN),
            "terms": [
                (term, _query_string_without(request, term.key, ignored_keys))
                for term in result.parsed.terms
            ],
        }
    return TemplateResponse(request, "admin/catalog/playground.html", page)


def _query_string_without(request: HttpRequest, key: str, ignored_keys: frozenset[str]) -> str:
    """Return the query string of this page with one more ignored interpretation."""
    params = request.GET.copy()
    params["ignore_interpretations"] = ",".join(sorted({*ignored_keys, key}))
    return params.urlencode()


def _result_rows(result: SearchResult) -> list[dict[str, Any]]:
    """Return the best candidates with their product and their rank and cosine by retriever."""
    best = result.candidates[:_MAX_SHOWN]
    products = {str(product.pk): product for product in products_in_order([c.id for c in best])}
    return [
        {
            "product": products[candidate.id],
            "candidate": candidate,
            "ranks": [
                (retriever, rank, candidate.scores.get(retriever))
                for retriever, rank in sorted(candidate.ranks.items())
            ],
        }
        for candidate in best
        if candidate.id in products
    ]
