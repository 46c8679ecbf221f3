"""A page for trying questions: how each is understood, what answers and why, and what was left out by which rule."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product
from catalog.search.attribute_scoring import narrow
from catalog.search.pipeline import Question, Ranking, answer
from catalog.selectors import products_in_order

_SHOWN = 20


def _choices(words: dict[str, str]) -> list[tuple[str, str]]:
    return [("", "any"), *((word, word) for word in sorted(set(words.values())))]


class PlaygroundForm(forms.Form):
    """A question and the filters of a client."""

    q = forms.CharField(
        label="Question", max_length=500, required=False, widget=UnfoldAdminTextInputWidget
    )
    category = forms.ChoiceField(
        required=False, choices=_choices(CATEGORIES), widget=UnfoldAdminSelectWidget
    )
    strain_type = forms.ChoiceField(
        required=False, choices=_choices(STRAIN_TYPES), widget=UnfoldAdminSelectWidget
    )
    price_max = forms.DecimalField(required=False, min_value=0, widget=UnfoldAdminTextInputWidget)
    ignore = forms.CharField(
        label="Not to be understood",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Keys of what was understood, comma separated.",
    )


def playground(request: HttpRequest) -> HttpResponse:
    """Show what answers a question, how its score is made, and which rule removed what."""
    if not request.user.has_perm("catalog.view_product"):
        raise PermissionDenied
    form = PlaygroundForm(request.GET or None)
    page: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Search playground",
        "form": form,
    }
    if form.is_valid() and (form.cleaned_data["q"] or any(form.cleaned_data.values())):
        asked = form.cleaned_data
        filters = {name: asked[name] for name in ("category", "strain_type") if asked[name]}
        if asked["price_max"] is not None:
            filters["price__lte"] = asked["price_max"]
        rows = Product.objects.current()
        ignored = frozenset(key.strip() for key in asked["ignore"].split(",") if key.strip())
        ranking = answer(Question(text=asked["q"], within=rows.filter(**filters), ignore=ignored))
        page |= {
            "ranking": ranking,
            "found": _found(ranking),
            "removed": _removed(asked["q"], ranking, filters),
            "terms": [
                (term, _without(request, term.key, ignored)) for term in ranking.understood.terms
            ],
        }
    return TemplateResponse(request, "admin/catalog/playground.html", page)


def _without(request: HttpRequest, key: str, ignored: frozenset[str]) -> str:
    """Return the query of this page that does not understand one term more."""
    query = request.GET.copy()
    query["ignore"] = ",".join(sorted({*ignored, key}))
    return query.urlencode()


def _found(ranking: Ranking) -> list[dict[str, Any]]:
    best = ranking.candidates[:_SHOWN]
    products = {str(product.pk): product for product in products_in_order([c.id for c in best])}
    return [
        {
            "product": products[c.id],
            "candidate": c,
            "legs": [(leg, rank, c.scores.get(leg)) for leg, rank in sorted(c.ranks.items())],
        }
        for c in best
        if c.id in products
    ]


def _removed(
    text: str, ranking: Ranking, filters: dict[str, Any]
) -> list[tuple[Product, list[str]]]:
    """Return what would have answered without filters and terms, and which of them it does not meet."""
    terms = [
        term
        for term in ranking.understood.terms
        if narrow(term) is not None and term not in ranking.relaxed
    ]
    if not filters and not terms:
        return []
    rows = Product.objects.current()
    free = answer(Question(text=text, within=rows, ignore=frozenset(term.key for term in terms)))
    answering = {candidate.id for candidate in ranking.candidates}
    out = [candidate.id for candidate in free.candidates if candidate.id not in answering][:_SHOWN]
    rules = [(term.key, narrow(term)) for term in terms]
    meets = {
        **{
            key: set(rows.filter(condition, pk__in=out).values_list("pk", flat=True))
            for key, condition in rules
            if condition
        },
        **{
            f"filter {name}": set(
                rows.filter(pk__in=out, **{name: value}).values_list("pk", flat=True)
            )
            for name, value in filters.items()
        },
    }
    return [
        (
            product,
            [key for key, met in meets.items() if product.pk not in met]
            or ["carries no word and is not near"],
        )
        for product in products_in_order(out)
    ]
