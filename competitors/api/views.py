"""REST views of competitors, their prices and our price positions; for staff keys."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Product
from catalog.selectors import find_current_product
from competitors.api import examples
from competitors.api.parameters import (
    HISTORY_PARAMETERS,
    POSITION_PARAMETERS,
    PRODUCT_ID_PARAMETER,
    bound_province,
    parse_filters,
    parse_period,
    parse_sort,
    parse_uuid,
)
from competitors.api.price_cache import COMPETITOR_PRICE_CACHE, render_prices
from competitors.api.serializers import (
    CompetitorPricesSerializer,
    CompetitorSerializer,
    PriceHistorySerializer,
    PricePositionSerializer,
)
from competitors.selectors.competitor_list import competitors_with_offers
from competitors.selectors.competitor_prices import competitor_prices, product_with_merged
from competitors.selectors.price_position import (
    Keyset,
    PositionFilters,
    PricePosition,
    price_positions,
)
from competitors.selectors.price_series import price_series
from config.api.etags import ConditionalView, rendered_response
from config.api.keys import ApiClient, Audience, client_of
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import IsStaffClient, has_scope
from config.cache import RenderedResponse

_PERMISSIONS = (IsAuthenticated, has_scope("prices:read"), IsStaffClient)
_TAGS = ["competitor prices"]


class _CompetitorPagination(ApiCursorPagination):
    ordering = ("name", "id")


class _PositionPagination(ApiCursorPagination):
    """Pages of price positions, which are no rows of a table; sorted by the parameter `sort`."""

    def get_ordering(self, request: Request, _queryset: Any, _view: Any) -> tuple[str, str]:
        """Return the sort column and the unique one. Raises BadInput."""
        return parse_sort(request.query_params), "product_id"

    def fetch_rows(
        self,
        queryset: Any,
        position: tuple[Any, str] | None,
        *,
        sort: str,
        is_backward: bool,
        limit: int,
    ) -> list[PricePosition]:
        """Return the positions of a page. queryset: their filters."""
        after = (position[0], parse_uuid(position[1], "cursor")) if position else None
        page = Keyset(limit=limit, after=after, is_backward=is_backward)
        return price_positions(queryset, sort=sort, page=page)


class CompetitorsView(ConditionalView, ListAPIView):
    """Competitors and the state of their crawls."""

    permission_classes = _PERMISSIONS
    serializer_class = CompetitorSerializer
    pagination_class = _CompetitorPagination
    filter_backends = ()
    queryset = competitors_with_offers()

    @extend_schema(
        operation_id="competitors_list",
        summary="List competitors",
        examples=[examples.COMPETITOR],
        tags=_TAGS,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """
        Return the competitors by name, with the state of their crawls and their locations.

        Requires a staff key. Required scope: `prices:read`.
        """
        reject_unknown_parameters(request.query_params, known={"cursor", "limit"})
        return self.list(request, *args, **kwargs)


class PricePositionView(ConditionalView, GenericAPIView):
    """Our price of each product beside those of competitors."""

    permission_classes = _PERMISSIONS
    serializer_class = PricePositionSerializer
    pagination_class = _PositionPagination
    filter_backends = ()

    @extend_schema(
        operation_id="price_position_list",
        summary="List price positions",
        parameters=POSITION_PARAMETERS,
        responses=PricePositionSerializer(many=True),
        examples=[examples.PRICE_POSITION],
        tags=_TAGS,
    )
    def get(self, request: Request) -> Response:
        """
        Return our price of each product beside those of competitors, in pages.

        Prices are compared without tax, in CAD. A competitor counts once for a product, by its
        lowest fresh and confident price of an offer that is not out of stock. Requires a staff
        key. Required scope: `prices:read`.
        """
        known = {parameter.name for parameter in POSITION_PARAMETERS}
        reject_unknown_parameters(request.query_params, known=known | {"cursor", "limit"})
        filters: Any = parse_filters(request.query_params, _client(request))
        rows = self.paginate_queryset(filters)
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


class CompetitorPricesView(APIView):
    """Competitors' prices of a product, cached until one is observed."""

    permission_classes = _PERMISSIONS
    has_etag = True
    """Read by the OpenAPI schema."""

    @extend_schema(
        operation_id="products_competitor_prices",
        summary="List competitors' prices of a product",
        parameters=[PRODUCT_ID_PARAMETER],
        responses=CompetitorPricesSerializer,
        examples=[examples.COMPETITOR_PRICES],
        tags=_TAGS,
    )
    def get(self, request: Request, id: str) -> HttpResponse:  # name in the URL
        """
        Return the offers of a product that competitors list, and our position among them.

        The id of a product that was merged into another returns the offers of both. A key that is
        bound to a province receives the offers there. The response has an `ETag`. Requires a staff
        key. Required scope: `prices:read`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        product_id = parse_uuid(id, "id")
        province = bound_province(_client(request), "province")
        # Read before any data, so that a change in the meantime prevents local caching.
        generation = COMPETITOR_PRICE_CACHE.generation()
        local_key = f"{province} {product_id}"
        rendered = COMPETITOR_PRICE_CACHE.get_local(local_key)
        if rendered is None:
            rendered = COMPETITOR_PRICE_CACHE.get_or_compute(
                owner=str(product_id),
                field=province,
                compute=lambda: _render_competitor_prices(product_id, province),
            )
            COMPETITOR_PRICE_CACHE.put_local(local_key, rendered, generation)
        return rendered_response(request, rendered)


class PriceHistoryView(ConditionalView):
    """Observed prices of a product over time."""

    permission_classes = _PERMISSIONS

    @extend_schema(
        operation_id="products_price_history",
        summary="List observed prices of a product over time",
        parameters=[PRODUCT_ID_PARAMETER, *HISTORY_PARAMETERS],
        responses=PriceHistorySerializer,
        examples=[examples.PRICE_HISTORY],
        tags=_TAGS,
    )
    def get(self, request: Request, id: str) -> Response:  # name in the URL
        """
        Return the lowest, highest and last price of each competitor in each day, week or month.

        Steps without an observation are left out. Prices are those that anyone gets, as listed.
        Requires a staff key. Required scope: `prices:read`.
        """
        known = {parameter.name for parameter in HISTORY_PARAMETERS}
        reject_unknown_parameters(request.query_params, known=known)
        start, end, step = parse_period(request.query_params)
        product = _find_product(parse_uuid(id, "id"))
        points = price_series(product_with_merged(product), start=start, end=end, step=step)
        history = {
            "product_id": product.pk,
            "start_date": start,
            "end_date": end,
            "step": step,
            "results": points,
        }
        return Response(PriceHistorySerializer(history, context={"request": request}).data)


def _client(request: Request) -> ApiClient:
    client = client_of(request)
    assert client is not None  # noqa: S101  # ensured by the permissions
    return client


def _find_product(product_id: UUID) -> Product:
    """Return the product, or the one it was merged into. Raises Http404."""
    product = find_current_product(product_id)
    if product is None:
        raise Http404
    return product


def _render_competitor_prices(product_id: UUID, province: str) -> RenderedResponse:
    """Return the prices of a product in a province, "": in all. Raises Http404."""
    product = _find_product(product_id)
    (position,) = price_positions(PositionFilters(product_ids=[product.pk], province=province))
    prices = [
        price
        for price in competitor_prices(product.pk)
        if not province or price.province == province
    ]
    values = {"product_id": product.pk, "position": position, "results": prices}
    serializer = CompetitorPricesSerializer(values, context={"audience": Audience.STAFF})
    body: bytes = JSONRenderer().render(serializer.data)
    return render_prices(body, {product_id, *product_with_merged(product)})
