"""REST views of products."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from catalog.api import examples
from catalog.api.filters import STOCK_FILTERS, ProductFilters, check_store
from catalog.api.permissions import CanReadCatalog, CanWriteCatalog, IsAgeVerified
from catalog.api.product_cache import ALL_PRODUCTS, ALL_SEARCHES, PRODUCT_CACHE, keep_locally
from catalog.api.product_rows import (
    FIELDS_PARAMETER,
    INCLUDE_PARAMETER,
    SELECTION_PARAMETERS,
    Selection,
    fetched_columns,
    parse_selection,
    serialize_products,
    visible_columns,
)
from catalog.api.serializers import (
    MAX_RESULTS,
    ProductFieldStatesSerializer,
    ProductLookupResultsSerializer,
    ProductLookupSerializer,
    ProductSerializer,
    ProductValuesSerializer,
    SimilarProductsSerializer,
)
from catalog.api.similar_rows import serialize_similar_products
from catalog.audiences import SIMILAR_PRODUCT_FIELDS
from catalog.models import Product
from catalog.selectors.product_fields import product_field_states
from catalog.selectors.products import (
    current_product_ids,
    current_products,
    find_current_product,
    first_product_rows,
    get_product,
    product_rows,
)
from catalog.selectors.similarity import similar_products, similarity_components
from catalog.services.corrections import create_product, lock_product, update_products
from config.api.bodies import parse_body
from config.api.etags import ConditionalView, rendered_response, require_if_match
from config.api.json_responses import json_response, render_response
from config.api.keys import audience_of, binding_of, client_of
from config.api.local_entries import find_locally
from config.api.local_responses import serve_locally
from config.api.locations import location_of
from config.api.openapi import IF_MATCH_PARAMETER
from config.api.pagination import DEFAULT_PAGE_SIZE, ApiCursorPagination
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

_STORE_CODE = OpenApiParameter(
    "store_code", str, description="Code of the store whose stock and price are added."
)
_SORTS = (
    "-created_at",
    "created_at",
    "-updated_at",
    "updated_at",
    "name",
    "-name",
    "price",
    "-price",
    "thc_percentage",
    "-thc_percentage",
)
_SORT = OpenApiParameter(
    "sort",
    str,
    enum=_SORTS,
    default=_SORTS[0],
    description="Sort order, descending with `-`; products without the value come last.",
)
_LIST_PARAMETERS = {*SELECTION_PARAMETERS, *ProductFilters.base_filters, "sort", "cursor", "limit"}
_DETAIL_PARAMETERS = {*SELECTION_PARAMETERS, "store_code"}

_FIELD_LOCKED = documented_problem(
    409,
    "conflict",
    "Staff have locked some of these fields; nothing was written.",
    [("price", "is locked by staff")],
    description="Staff have locked some of the fields; `errors` names them.",
)


class ProductPagination(ApiCursorPagination):
    """
    Pages of products as named tuples, sorted by the parameter `sort`.

    columns: those of each row, besides `id`. is_filtered: whether the rows are only some products.
    """

    nulls_last = True
    columns: tuple[str, ...] = ()
    is_filtered = True

    def fetch_rows(
        self, queryset: Any, position: tuple[Any, str] | None, *, sort: str, **page: Any
    ) -> list[Any]:
        """Return the rows of a page; those of the first page of all products without the ORM."""
        if position is None and not self.is_filtered:
            return first_product_rows(self.columns, sort=sort, limit=page["limit"])
        rows = queryset.values_list("id", *self.columns, named=True)
        return super().fetch_rows(rows, position, sort=sort, **page)

    def get_ordering(self, request: Request, _queryset: Any, _view: Any) -> tuple[str, str]:
        """Return the sort column and the unique one. Raises BadInput."""
        return parse_sort(request.query_params), "id"


@extend_schema_view(
    list=extend_schema(
        summary="List products",
        description=(
            "Return the products that meet the filters, the newest first, in pages. A filter takes"
            " several values, comma-separated. With `store_code`, the products in stock in that"
            " store, each with its stock and price there. To follow changes, keep the greatest"
            " `updated_at` and send it as `updated_since`, sorted by `updated_at`. Required scope:"
            " `catalog:read`."
        ),
        parameters=[FIELDS_PARAMETER, INCLUDE_PARAMETER, _SORT],
        examples=[examples.PRODUCT],
        tags=["products"],
    ),
    retrieve=extend_schema(
        summary="Get a product",
        description=(
            "Return a product. The id of a product that was merged into another returns the other."
            " Required scope: `catalog:read`."
        ),
        parameters=[_PRODUCT_ID, FIELDS_PARAMETER, INCLUDE_PARAMETER, _STORE_CODE],
        examples=[examples.PRODUCT],
        tags=["products"],
    ),
)
class ProductViewSet(ConditionalView, ReadOnlyModelViewSet):
    """Products: list, retrieve, look up, create, correct, and find similar ones."""

    queryset = current_products()
    serializer_class = ProductSerializer
    filterset_class = ProductFilters
    other_parameters = (*SELECTION_PARAMETERS, "sort")
    pagination_class = ProductPagination
    permission_classes = (IsAuthenticated, CanReadCatalog, IsAgeVerified)
    lookup_value_regex = "[^/]+"

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view, preceded by a look-up in the local cache of the process."""
        return serve_locally(super().as_view(actions, **initkwargs), PRODUCT_CACHE)

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
        if self.action in ("create", "partial_update"):
            return [*permissions, CanWriteCatalog()]
        return list(permissions)

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> HttpResponse:  # type: ignore[override]  # rendered already
        """Return a page of products."""
        cached = find_locally(request, client_of(request), PRODUCT_CACHE)
        if cached is not None:
            return cached
        params = request.query_params
        reject_unknown_parameters(params, known=_LIST_PARAMETERS)
        selection = parse_selection(params, audience=audience_of(request))
        # Read before any data, so that a change in the meantime prevents caching.
        generation = PRODUCT_CACHE.generation()
        paginator: Any = self.paginator
        paginator.columns = fetched_columns(selection, parse_sort(params).removeprefix("-"))
        # Building the form takes longer than the query; most requests have no filter.
        paginator.is_filtered = any(name in ProductFilters.base_filters for name in params)
        products = self.get_queryset()
        if paginator.is_filtered:
            products = self.filter_queryset(products)
        rows = paginator.paginate_queryset(products, request, view=self)
        page = paginator.get_paginated_response(
            serialize_products(rows, selection, binding=binding_of(request))
        )
        headers = {name: page[name] for name in ("Link",) if page.has_header(name)}
        rendered = render_response(page.data, dependencies={ALL_PRODUCTS}, headers=headers)
        if not selection.has_stock and not STOCK_FILTERS & set(params):
            keep_locally(request, PRODUCT_CACHE, rendered, generation)
        return rendered_response(request, rendered)

    def retrieve(self, request: Request, *_args: Any, **_kwargs: Any) -> HttpResponse:  # type: ignore[override]  # rendered already
        """Return a product, also by the id of one that was merged into it."""
        cached = find_locally(request, client_of(request), PRODUCT_CACHE)
        if cached is not None:
            return cached
        params = request.query_params
        reject_unknown_parameters(params, known=_DETAIL_PARAMETERS)
        selection = parse_selection(params, audience=audience_of(request))
        if selection.store_code:
            check_store(request, selection.store_code)
        generation = PRODUCT_CACHE.generation()
        product = self.get_object()
        (body,) = serialize_products([product], selection, binding=binding_of(request))
        rendered = render_response(body, dependencies={str(product.pk), self.kwargs["pk"]})
        if not selection.has_stock:
            keep_locally(request, PRODUCT_CACHE, rendered, generation)
        return rendered_response(request, rendered)

    @extend_schema(
        summary="Look up products",
        description=(
            "Return the products with ids, SKUs or GTINs, up to 500 at once, in the order of the"
            " request. Ids and numbers of merged products return the product that they were merged"
            " into. Required scope: `catalog:read`."
        ),
        parameters=[FIELDS_PARAMETER, INCLUDE_PARAMETER, _STORE_CODE],
        request=ProductLookupSerializer,
        responses=ProductLookupResultsSerializer,
        filters=False,
        examples=[examples.LOOKUP, examples.LOOKUP_RESULTS],
        tags=["products"],
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def lookup(self, request: Request) -> HttpResponse:
        """Return the products with ids, SKUs or GTINs."""
        params = request.query_params
        body = parse_body(ProductLookupSerializer, request, parameters=_DETAIL_PARAMETERS)
        selection = parse_selection(params, audience=audience_of(request))
        if selection.store_code:
            check_store(request, selection.store_code)
        ids = _look_up(body["items"])
        rows = product_rows({pk for pk in ids if pk}, fetched_columns(selection))
        bodies = serialize_products(list(rows.values()), selection, binding=binding_of(request))
        products = dict(zip(rows, bodies, strict=True))
        results = [
            {
                "index": index,
                "status": "found" if pk in products else "not_found",
                "product": products.get(pk) if pk else None,
            }
            for index, pk in enumerate(ids)
        ]
        return json_response(request, {"results": results})

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
        location = location_of("product-detail", product.pk)
        return Response(
            _representation(get_product(product.pk), request),
            status=201,
            headers=location,
        )

    @extend_schema(
        summary="Correct a product",
        description=(
            "Set values of a product. Values that staff have locked are not overwritten: the"
            " response is 409 and names them, and nothing is written. Requires `If-Match` with the"
            " `ETag` of the product as it was read, without `fields`, `include` and `store_code`."
            " Requires a staff key. Required scopes: `catalog:read` and `catalog:write`."
        ),
        parameters=[_PRODUCT_ID, IF_MATCH_PARAMETER],
        request=ProductValuesSerializer,
        responses={200: ProductSerializer, **_FIELD_LOCKED},
        filters=False,
        examples=[examples.CORRECTION, examples.PRODUCT],
        tags=["products"],
    )
    def partial_update(self, request: Request, pk: str) -> Response:  # noqa: ARG002  # DRF's signature
        """Set values of a product; raises Conflict when one of them is locked by staff."""
        values, origin = _read_values(request)
        with transaction.atomic():
            product = lock_product(self.get_object().pk)
            require_if_match(request, _representation(product, request))
            skipped = update_products(changes={product.pk: values}, by=None, **origin).skipped
            if skipped:
                errors = [(field, gettext("is locked by staff")) for _, field in skipped]
                raise Conflict(
                    gettext("Staff have locked some of these fields; nothing was written."), errors
                )
        return Response(_representation(get_product(product.pk), request))

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
    def similar(self, request: Request, pk: str) -> HttpResponse:  # noqa: ARG002  # DRF's signature
        """Return the products most similar to this one."""
        reject_unknown_parameters(request.query_params, known={"limit"})
        limit = parse_integer(
            request.query_params.get("limit"),
            field="limit",
            default=DEFAULT_PAGE_SIZE,
            minimum=1,
            maximum=MAX_RESULTS,
        )
        # Read before any data, so that a change in the meantime prevents caching.
        generation = PRODUCT_CACHE.generation()
        audience = audience_of(request)
        columns = visible_columns(audience)
        product = self.get_object()
        similar = similar_products(product=product, limit=limit, columns=columns)
        components = None
        if audience >= SIMILAR_PRODUCT_FIELDS["score_components"]:
            ids = [str(item.product.id) for item in similar.products]
            components = similarity_components(product=product, ids=ids)
        results = serialize_similar_products(similar.products, columns, components=components)
        # Any product may come nearer.
        rendered = render_response({"results": results}, dependencies={ALL_PRODUCTS, ALL_SEARCHES})
        if similar.is_current:
            keep_locally(request, PRODUCT_CACHE, rendered, generation)
        return rendered_response(request, rendered)

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


def parse_sort(params: Mapping[str, str]) -> str:
    """Return the order of a list. Raises BadInput."""
    sort = params.get("sort", _SORTS[0])
    if sort not in _SORTS:
        raise BadInput(
            "sort", gettext("must be one of %(choices)s") % {"choices": ", ".join(_SORTS)}
        )
    return sort


def _representation(product: Product, request: Request) -> dict[str, Any]:
    """Return a product as a GET without parameters returns it."""
    selection = Selection(columns=visible_columns(audience_of(request)))
    (body,) = serialize_products([product], selection, binding=binding_of(request))
    return body


def _look_up(items: list[dict[str, Any]]) -> list[UUID | None]:
    """Return the id of the product of each item; None: there is none."""
    found: dict[str, dict[str, UUID]] = {}
    for name in ("id", "sku", "gtin"):
        values = [str(item[name]) for item in items if name in item]
        found[name] = current_product_ids(name, values) if values else {}
    ids = []
    for item in items:
        ((name, value),) = item.items()
        ids.append(found[name].get(str(value)))
    return ids


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
