"""Doors: ask a selector, write its answer."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from catalog.api.filters import ProductFilters
from catalog.api.serializers import (
    ProductSerializer,
    ProductValuesSerializer,
    SimilarAnswerSerializer,
    SimilarProductSerializer,
)
from catalog.models import Product
from catalog.selectors import similar_products
from catalog.services.corrections import create_product, set_products
from config.api.conventions import refuse_unknown, whole_number
from config.api.keys import AgeVerified, MayReadCatalog, MayWriteCatalog, client_of
from config.errors import BadInput, Conflict

_LIMIT = OpenApiParameter("limit", int, description="1–100")


class ProductViewSet(ReadOnlyModelViewSet):
    """List, show and compare products."""

    queryset = Product.objects.current().defer("search_document")
    serializer_class = ProductSerializer
    filterset_class = ProductFilters
    permission_classes = (IsAuthenticated, MayReadCatalog, AgeVerified)
    lookup_value_regex = "[^/]+"

    def get_object(self) -> Product:
        """
        Return the product; that into which it was merged, if it was: ids that others keep go on working.

        Raises BadInput when the id is no UUID, Http404 when there is none.
        """
        value = _uuid(self.kwargs["pk"])
        either = Product.objects.filter(Q(pk=value) | Q(merged__pk=value), merged_into=None)
        product: Product | None = either.defer("search_document").first()
        if product is None:
            raise Http404
        self.check_object_permissions(self.request, product)
        return product

    def get_permissions(self) -> list[Any]:
        """Ask more of those who write."""
        return [
            *super().get_permissions(),
            *([MayWriteCatalog()] if self.request.method in ("POST", "PATCH") else []),
        ]

    @extend_schema(
        request=ProductValuesSerializer, responses={201: ProductSerializer}, filters=False
    )
    def create(self, request: Request) -> Response:
        """Make a product that no source lists."""
        values, why = _told(request)
        product = create_product(values=values, by=None, **why)
        return Response(self.get_serializer(self._again(product)).data, status=201)

    @extend_schema(request=ProductValuesSerializer, responses=ProductSerializer, filters=False)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Set values of a product. One that staff have locked is not overwritten: 409 names it, and nothing is written."""
        product = self.get_object()
        values, why = _told(request)
        with transaction.atomic():
            kept = set_products(changes={product.pk: values}, by=None, **why).kept
            if kept:
                errors = [(field, "is locked by staff") for _, field in kept]
                raise Conflict(
                    "Staff have locked some of these fields; nothing was written.", errors
                )
        return Response(self.get_serializer(self._again(product)).data)

    @extend_schema(parameters=[_LIMIT], responses=SimilarAnswerSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def similar(self, request: Request, pk: str) -> Response:
        """Find products like this one by what they are: text, potency, terpenes, type, category, price."""
        refuse_unknown(request.query_params, known={"limit"})
        limit = whole_number(
            request.query_params.get("limit"), field="limit", default=20, low=1, high=100
        )
        found = similar_products(product=self.get_object(), limit=limit)
        context = {
            **self.get_serializer_context(),
            "likeness": {str(one.product.pk): one for one in found},
        }
        results = SimilarProductSerializer(
            [one.product for one in found], many=True, context=context
        ).data
        return Response({"count": len(found), "results": results})

    def _again(self, product: Product) -> Product:
        return Product.objects.defer("search_document").get(pk=product.pk)


def _told(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values sent, and who sent them and why."""
    if not isinstance(request.data, dict):
        raise BadInput("", "must be an object")
    values = dict(request.data)
    reason, client = values.pop("reason", ""), client_of(request)
    if not isinstance(reason, str):
        raise BadInput("reason", "must be a text")
    return values, {"client": client.key.name if client else "", "reason": reason}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("id", "must be a UUID") from None
