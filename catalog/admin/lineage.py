"""Lineage pages of the console: a field traced back, a raw record traced forward."""

from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from catalog.admin.lineage_graph import graph_of_field, graph_of_raw_record
from catalog.lineage import trace_field, trace_raw_record
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.selectors.products import all_products
from catalog.selectors.raw_records import find_raw_record


def lineage_urls(site: AdminSite) -> list[URLPattern]:
    """Return the URL patterns of both pages."""

    def field_lineage(request: HttpRequest, pk: UUID) -> HttpResponse:
        if not request.user.has_perm("catalog.view_product"):
            raise PermissionDenied
        product = get_object_or_404(all_products(), pk=pk)
        name = request.GET.get("field", "name")
        if name not in CORRECTABLE_FIELDS:
            raise Http404
        trace = trace_field(product, name)
        return render_page(
            request,
            title=_("Lineage of %(name)s: %(name2)s") % {"name": name, "name2": product.name},
            trace=trace,
            graph=graph_of_field(trace, request.user),
            fields=CORRECTABLE_FIELDS,
        )

    def raw_record_lineage(request: HttpRequest, pk: UUID) -> HttpResponse:
        if not request.user.has_perm("mlops.view_rawrecord"):
            raise PermissionDenied
        record = find_raw_record(pk)
        if record is None:
            raise Http404
        trace = trace_raw_record(record)
        return render_page(
            request,
            title=_("Data read from %(record)s") % {"record": record},
            raw_trace=trace,
            graph=graph_of_raw_record(trace, request.user),
        )

    def render_page(request: HttpRequest, **context: Any) -> HttpResponse:
        page_context = {**site.each_context(request), "opts": Product._meta, **context}
        return TemplateResponse(request, "admin/catalog/lineage.html", page_context)

    return [
        path("<uuid:pk>/lineage/", site.admin_view(field_lineage), name="catalog_product_lineage"),
        path(
            "raw-records/<uuid:pk>/lineage/",
            site.admin_view(raw_record_lineage),
            name="catalog_product_raw_lineage",
        ),
    ]
