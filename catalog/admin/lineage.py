"""Lineage in the console: the road of a field back, and of a raw record forward."""

from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from catalog.lineage import trace_field, trace_raw
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from mlops.models import RawRecord


def lineage_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of both pages."""

    def back(request: HttpRequest, pk: UUID) -> HttpResponse:
        if not request.user.has_perm("catalog.view_product"):
            raise PermissionDenied
        product = get_object_or_404(Product.objects.defer("search_document"), pk=pk)
        name = request.GET.get("field", "name")
        if name not in CORRECTABLE:
            raise Http404
        return _page(
            request,
            f"{name} of {product.name}",
            trace=trace_field(product, name),
            fields=CORRECTABLE,
        )

    def forward(request: HttpRequest, pk: UUID) -> HttpResponse:
        if not request.user.has_perm("mlops.view_rawrecord"):
            raise PermissionDenied
        record = get_object_or_404(RawRecord.objects.select_related("run"), pk=pk)
        return _page(request, f"What came of {record}", touched=trace_raw(record))

    def _page(request: HttpRequest, title: str, **more: Any) -> HttpResponse:
        context = {**site.each_context(request), "title": title, "opts": Product._meta, **more}
        return TemplateResponse(request, "admin/catalog/lineage.html", context)

    return [
        path("<uuid:pk>/lineage/", site.admin_view(back), name="catalog_product_lineage"),
        path("touched-by/<uuid:pk>/", site.admin_view(forward), name="catalog_product_touched"),
    ]
