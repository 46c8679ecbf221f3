"""Console page of a product as web shops get it: what customers may see, in both languages."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from catalog.admin.product_panels import ProductLink, register_link
from catalog.api.product_rows import serialize_columns, visible_columns
from catalog.models import Product
from catalog.reference.field_labels import field_label
from catalog.reference.labels import label
from catalog.selectors.products import all_products
from config.audiences import Audience
from customers.models import Scenario
from customers.recommendations import RecommendationRequest, RecommendedProduct, recommend

_LANGUAGES = ("en", "fr")
_MAX_SIMILAR = 6
_WORD_FIELDS = ("category", "strain_type", "terpenes", "lineage")
_HIDDEN_FIELDS = ("id", "name", "name_fr", "updated_at", "terpene_source")
"""Fields of the representation that a shop does not show; the names are the title."""
_TEMPLATE = "admin/customers/product_as_customer.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """Recommended products in one language: id, name and reasons of each."""

    language: str
    title: str
    products: list[tuple[UUID, str, list[str]]]


def product_as_customer(admin_site: Any, request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show the representation of a product for customers, with the products beside it."""
    if not request.user.has_perm("catalog.view_product"):
        raise PermissionDenied
    product = get_object_or_404(all_products().select_related("merged_into"), pk=pk)
    product = product.merged_into or product
    body = _representation(product)
    context = {
        **admin_site.each_context(request),
        "title": _("%(name)s as customers see it") % {"name": product.name},
        "product": product,
        "facts": [
            (field_label(name), *(_text(name, value, language) for language in _LANGUAGES))
            for name, value in body.items()
            if name not in _HIDDEN_FIELDS and value not in (None, "", [])
        ],
        "recommended": [_recommended(product, language) for language in _LANGUAGES],
        "body": json.dumps(body, ensure_ascii=False, indent=2),
    }
    return TemplateResponse(request, _TEMPLATE, context)


def _representation(product: Product) -> dict[str, Any]:
    """Return the product as the REST API represents it to clients of customers."""
    return serialize_columns(product, visible_columns(Audience.VERIFIED))


def _recommended(product: Product, language: str) -> Recommended:
    """Return what is recommended on the product's page to an anonymous visitor; stores nothing."""
    request = RecommendationRequest(
        scenario=Scenario.Name.PRODUCT, products=(product.pk,), limit=_MAX_SIMILAR
    )
    result = recommend(request, language=language, record=False)
    return Recommended(
        language=language,
        title=result.scenario.title_fr if language == "fr" else result.scenario.title_en,
        products=[_recommendation(item, language) for item in result.recommendations],
    )


def _recommendation(item: RecommendedProduct, language: str) -> tuple[UUID, str, list[str]]:
    body = _representation(item.product)
    name = (body["name_fr"] if language == "fr" else "") or body["name"]
    return item.product.pk, name, [str(reason["text"]) for reason in item.reasons]


def _text(name: str, value: Any, language: str) -> str:
    values = value if isinstance(value, list) else [value]
    if name not in _WORD_FIELDS:
        return ", ".join(str(each) for each in values)
    return ", ".join(label(each, language).replace("_", " ") for each in values)


register_link(
    ProductLink(
        label=_("View as customer"),
        permission="catalog.view_product",
        url_name="admin:customers_scenario_product_as_customer",
    )
)
