"""REST views of products."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from catalog.api import examples
from catalog.api.filters import ProductFilters
from catalog.api.permissions import CanReadCatalog, CanWriteCatalog, IsAgeVerified
from catalog.api.serializers import (
    MAX_RESULTS,
    ProductFieldStatesSerializer,
    ProductSerializer,
    ProductValuesSerializer,
    SimilarProductSerializer,
    SimilarProductsSerializer,
)
from catalog.models import Product
from catalog.selectors.product_fields import product_field_states
from catalog.selectors.products import current_products, find_current_product, get_product
from catalog.selectors.similarity import similar_products
from catalog.services.corrections import create_product, update_products
from config.api.keys import client_of
from config.api.pagination import DEFAULT_PAGE_SIZE
from config.api.parameters import parse_integer, reject_unknown_parameters
from config.api.permissions import IsStaffClient
from config.api.problem_responses import documented_problem
from config.errors import BadInput, Conflict

_LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": DEFAULT_PAGE_SIZE},
    description="Maximum number of products.",
)
_PRODUCT_ID = OpenApiParameter(
    "id",
    OpenApiTypes.UUID,
    OpenApiParameter.PATH,
    description="Product id; also the id of a product that was merged into another.",
)

_FIELD_LOCKED = documented_problem(
    409,
    "conflict",
    "Staff have locked some of these fields; nothing was written.",
    [("price", "is locked by staff")],
    description="Staff have locked some of the fields; `errors` names them.",
)


@extend_schema_view(
    list=extend_schema(
        summary="List products",
        description=(
            "Return the products that meet the filters, the newest first, in pages. Required"
            " scope: `catalog:read`."
        ),
        examples=[examples.PRODUCT],
        tags=["products"],
    ),
    retrieve=extend_schema(
        summary="Get a product",
        description=(
            "Return a product. The id of a product that was merged into another returns the other."
            " Required scope: `catalog:read`."
        ),
        parameters=[_PRODUCT_ID],
        examples=[examples.PRODUCT],
        tags=["products"],
    ),
)
class ProductViewSet(ReadOnlyModelViewSet):
    """Products: list, retrieve, create, correct, and find similar ones."""

    queryset = current_products()
    serializer_class = ProductSerializer
    filterset_class = ProductFilters
    permission_classes = (IsAuthenticated, CanReadCatalog, IsAgeVerified)
    lookup_value_regex = "[^/]+"

    def get_object(self) -> Product:
        """
        Return the product, or the one it was merged into, so that ids stored by clients stay valid.

        Raises BadInput when the id is not a UUID, Http404 for an unknown id.
        """
        product = find_current_product(_parse_uuid(self.kwargs["pk"]))
        if product is None:
            raise Http404
        self.check_object_permissions(self.request, product)
        return product

    def get_permissions(self) -> list[Any]:
        """Return the permissions; writing also requires the scope `catalog:write`."""
        permissions = super().get_permissions()
        if self.request.method in ("POST", "PATCH"):
            return [*permissions, CanWriteCatalog()]
        return list(permissions)

    @extend_schema(
        summary="Create a product",
        description=(
            "Create a product that no source lists. Requires a staff key. Required scopes:"
            " `catalog:read` and `catalog:write`."
        ),
        request=ProductValuesSerializer,
        responses={201: ProductSerializer},
        filters=False,
        examples=[examples.NEW_PRODUCT, examples.CREATED_PRODUCT],
        tags=["products"],
    )
    def create(self, request: Request) -> Response:
        """Create a product that no source lists."""
        values, origin = _read_values(request)
        product = create_product(values=values, by=None, **origin)
        return Response(self.get_serializer(get_product(product.pk)).data, status=201)

    @extend_schema(
        summary="Correct a product",
        description=(
            "Set values of a product. Values that staff have locked are not overwritten: the"
            " response is 409 and names them, and nothing is written. Requires a staff key."
            " Required scopes: `catalog:read` and `catalog:write`."
        ),
        parameters=[_PRODUCT_ID],
        request=ProductValuesSerializer,
        responses={200: ProductSerializer, **_FIELD_LOCKED},
        filters=False,
        examples=[examples.CORRECTION, examples.PRODUCT],
        tags=["products"],
    )
    def partial_update(self, request: Request, pk: str) -> Response:  # noqa: ARG002  # DRF's signature
        """Set values of a product; raises Conflict when one of them is locked by staff."""
        product = self.get_object()
        values, origin = _read_values(request)
        with transaction.atomic():
            skipped = update_products(changes={product.pk: values}, by=None, **origin).skipped
            if skipped:
                errors = [(field, "is locked by staff") for _, field in skipped]
                raise Conflict(
                    gettext("Staff have locked some of these fields; nothing was written."), errors
                )
        return Response(self.get_serializer(get_product(product.pk)).data)

    @extend_schema(
        summary="Find similar products",
        description=(
            "Return the products most similar to a product by text, potency, terpenes, type,"
            " category and price, with the attributes they share. Required scope: `catalog:read`."
        ),
        parameters=[_PRODUCT_ID, _LIMIT],
        responses=SimilarProductsSerializer,
        filters=False,
        examples=[examples.SIMILAR_PRODUCTS],
        tags=["products"],
    )
    @action(detail=True, pagination_class=None)
    def similar(self, request: Request, pk: str) -> Response:  # noqa: ARG002  # DRF's signature
        """Return the products most similar to this one."""
        reject_unknown_parameters(request.query_params, known={"limit"})
        limit = parse_integer(
            request.query_params.get("limit"),
            field="limit",
            default=DEFAULT_PAGE_SIZE,
            minimum=1,
            maximum=MAX_RESULTS,
        )
        similar = similar_products(product=self.get_object(), limit=limit)
        context = {
            **self.get_serializer_context(),
            "similar": {str(item.product.pk): item for item in similar},
        }
        results = SimilarProductSerializer(
            [item.product for item in similar], many=True, context=context
        ).data
        return Response({"results": results})

    @extend_schema(
        summary="List the states of a product's fields",
        description=(
            "Return value, origin and lock of every field that staff may correct. A value that no"
            " current listing states any more is unconfirmed: the response names who last stated"
            " it, and until when. Requires a staff key. Required scope: `catalog:read`."
        ),
        parameters=[_PRODUCT_ID],
        responses=ProductFieldStatesSerializer,
        filters=False,
        examples=[examples.FIELD_STATES],
        tags=["products"],
    )
    @action(
        detail=True,
        url_path="fields",
        pagination_class=None,
        permission_classes=(IsAuthenticated, CanReadCatalog, IsStaffClient),
    )
    def field_states(self, request: Request, pk: str) -> Response:  # noqa: ARG002  # DRF's signature
        """Return the state of every correctable field."""
        reject_unknown_parameters(request.query_params, known=set())
        states = product_field_states(self.get_object())
        context = self.get_serializer_context()
        return Response(ProductFieldStatesSerializer({"results": states}, context=context).data)


def _read_values(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a request body, and the client and reason of the change."""
    if not isinstance(request.data, dict):
        raise BadInput("", gettext("must be an object"))
    values = dict(request.data)
    reason = values.pop("reason", "")
    if not isinstance(reason, str):
        raise BadInput("reason", gettext("must be a string"))
    client = client_of(request)
    return values, {"client": client.key.name if client else "", "reason": reason}


def _parse_uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("id", gettext("must be a UUID")) from None
