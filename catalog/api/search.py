"""REST views of product search: by text, by image, by vector."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.api import examples
from catalog.api.filters import STOCK_FILTERS, ProductFilters
from catalog.api.permissions import CanReadCatalog, IsAgeVerified
from catalog.api.product_cache import (
    ALL_PRODUCTS,
    ALL_SEARCHES,
    ALL_STOCK,
    SEARCH_CACHE,
    keep_locally,
)
from catalog.api.search_rows import (
    SEARCH_FIELDS_PARAMETER,
    columns_of,
    parse_search_fields,
    serialize_results,
)
from catalog.api.serializers import (
    MAX_RESULTS,
    ImageQuerySerializer,
    NearestProductsSerializer,
    ProductSerializer,
    SearchedProductSerializer,
    SearchResultSerializer,
    VectorQuerySerializer,
)
from catalog.models import Product
from catalog.search import (
    FACET_NAMES,
    MAX_CANDIDATES,
    SORTS,
    Facets,
    SearchQuery,
    SearchResult,
    count_facets,
    products_similar_to_image,
    search_products,
)
from catalog.selectors.products import current_products, product_rows, products_in_order
from config.api.etags import ConditionalView, rendered_response
from config.api.json_responses import render_response
from config.api.keys import audience_of, client_of
from config.api.local_entries import find_locally
from config.api.local_responses import serve_locally
from config.api.pagination import (
    CURSOR_PARAMETER,
    DEFAULT_PAGE_SIZE,
    InvalidCursor,
    link_headers,
)
from config.api.parameters import parse_integer, reject_unknown_parameters
from config.api.permissions import IsStaffClient
from config.errors import BadInput
from config.languages import LANGUAGES, parse_language
from vectors import search as vector_search

MAX_QUERY_LENGTH = 500
MAX_REFERENCES = 10
_MAX_OFFSET = MAX_CANDIDATES * 1000
# Seconds for which a result without one of its retrievers is kept, so that it is soon tried again.
_DEGRADED_LIFETIME = 5.0
_PARAMETERS = [
    OpenApiParameter(
        "q",
        str,
        description=(
            f"Query in English or French, 1 to {MAX_QUERY_LENGTH} characters. Required unless"
            " `similar_to` or a filter is set."
        ),
    ),
    OpenApiParameter(
        "language",
        str,
        enum=LANGUAGES,
        description="Language of the query; both languages are recognized without it.",
    ),
    OpenApiParameter(
        "similar_to",
        str,
        description=(
            f"Ids of products that results should resemble, at most {MAX_REFERENCES},"
            " comma-separated."
        ),
    ),
    OpenApiParameter(
        "not_similar_to",
        str,
        description=(
            f"Ids of products that results should not resemble, at most {MAX_REFERENCES},"
            " comma-separated."
        ),
    ),
    OpenApiParameter(
        "ignore_interpretations",
        str,
        description=(
            "Keys from `interpreted_query` to search for as words instead, comma-separated."
        ),
    ),
    OpenApiParameter(
        "sort",
        str,
        enum=["relevance", *SORTS],
        description="Sort order, descending with `-`; `relevance` by default.",
    ),
    OpenApiParameter(
        "facets",
        str,
        description=(
            f"Facets to count, comma-separated, of {', '.join(FACET_NAMES)}; `none` for none,"
            " all by default."
        ),
    ),
    SEARCH_FIELDS_PARAMETER,
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": DEFAULT_PAGE_SIZE},
        description="Maximum number of products on the page.",
    ),
    OpenApiParameter(
        CURSOR_PARAMETER,
        str,
        description="`next_cursor` or `previous_cursor` of another page of the same query.",
    ),
]
_PARAMETER_NAMES = {parameter.name for parameter in _PARAMETERS}
# Facet of each filter: a facet is counted without its own filters, so that a client can show the
# alternatives.
_FACET_OF_FILTER = {
    "strain_type": "strain_type",
    "category": "category",
    "brand": "brand",
    "terpene": "terpene",
    "store_code": "store_code",
    "thc_percentage_min": "thc_percentage",
    "thc_percentage_max": "thc_percentage",
    "cbd_percentage_min": "cbd_percentage",
    "cbd_percentage_max": "cbd_percentage",
    "price_min": "price",
    "price_max": "price",
}


class ProductSearchViewSet(ConditionalView, GenericViewSet):
    """Product search by text, by image, and by vector."""

    queryset = current_products()
    serializer_class = SearchedProductSerializer
    permission_classes = (IsAuthenticated, CanReadCatalog, IsAgeVerified)
    filterset_class = ProductFilters
    pagination_class = None

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view, preceded by a look-up in the local cache of the process."""
        return serve_locally(super().as_view(actions, **initkwargs), SEARCH_CACHE)

    @extend_schema(
        summary="Search products",
        description=(
            "Search products by words and by meaning, in English or French, within the filters."
            " Prices, potencies, sizes, types and formats in the query act as filters and are"
            " returned in `interpreted_query`. A facet is counted without its own filters. Required"
            " scope: `catalog:read`."
        ),
        parameters=_PARAMETERS,
        responses=SearchResultSerializer,
        filters=True,
        examples=[examples.SEARCH_RESULT],
        tags=["search"],
    )
    def list(self, request: Request) -> HttpResponse:
        """Return a page of search results with facets and the interpretation of the query."""
        cached = find_locally(request, client_of(request), SEARCH_CACHE)
        if cached is not None:
            return cached
        # Read before any data, so that a change in the meantime prevents caching.
        generation = SEARCH_CACHE.generation()
        params = request.query_params
        reject_unknown_parameters(params, known=_PARAMETER_NAMES | set(ProductFilters.base_filters))
        query = self._build_query(params)
        sort = params.get("sort", "relevance")
        if sort != "relevance" and sort not in SORTS:
            raise BadInput(
                "sort",
                gettext("must be one of relevance, %(choices)s") % {"choices": ", ".join(SORTS)},
            )
        facet_names = _parse_facet_names(params.get("facets"))
        limit = parse_integer(
            params.get("limit"),
            field="limit",
            default=DEFAULT_PAGE_SIZE,
            minimum=1,
            maximum=MAX_RESULTS,
        )
        offset = _parse_cursor(params)
        fields = parse_search_fields(params, audience=audience_of(request))
        filtered_facets = {
            facet for name, facet in _FACET_OF_FILTER.items() if params.get(name)
        } & set(facet_names)
        unfiltered_facets = tuple(name for name in facet_names if name not in filtered_facets)
        result = search_products(replace(query, facets=unfiltered_facets))
        facets, lifetime = result.facets, _max_lifetime(result)
        for counted, max_lifetime in self._search_filtered_facets(params, filtered_facets):
            facets |= counted
            lifetime = min(lifetime, max_lifetime)
        rows, total_count = _load_page(result, columns_of(fields), sort, offset, limit)
        end = offset + len(rows)
        last = total_count if sort != "relevance" else min(total_count, len(result.candidates))
        next_cursor = _sign_cursor(params, end) if rows and end < last else None
        previous_cursor = _sign_cursor(params, max(0, offset - limit)) if offset else None
        results = serialize_results(
            rows,
            fields,
            query_words=result.parsed.words,
            candidates={candidate.id: candidate for candidate in result.candidates},
        )
        rendered = render_response(
            {
                "total_count": total_count,
                "next_cursor": next_cursor,
                "previous_cursor": previous_cursor,
                "retrievers": result.retrievers,
                "interpreted_query": [term.as_dict() for term in result.parsed.terms],
                "relaxed_filters": [term.key for term in result.relaxed_terms],
                "did_you_mean": result.corrected_text or None,
                "facets": facets,
                "results": results,
            },
            dependencies=_dependencies(result, params, facet_names),
            headers=link_headers(
                request.build_absolute_uri(),
                next_cursor=next_cursor,
                previous_cursor=previous_cursor,
            ),
        )
        if lifetime < rendered.lifetime:
            rendered = replace(rendered, lifetime=lifetime)
        keep_locally(request, SEARCH_CACHE, rendered, generation)
        return rendered_response(request, rendered)

    @extend_schema(
        summary="Search products by image",
        description=(
            "Return the products nearest to an image, within the filters. The image is not"
            " stored. 503 where the image encoder is not installed. Required scope: `catalog:read`."
        ),
        request={"multipart/form-data": ImageQuerySerializer},
        responses=NearestProductsSerializer,
        filters=True,
        examples=[examples.IMAGE_QUERY, examples.NEAREST_PRODUCTS],
        tags=["search"],
    )
    @action(detail=False, methods=["post"], parser_classes=[MultiPartParser])
    def image(self, request: Request) -> Response:
        """Return the products nearest to an image."""
        reject_unknown_parameters(request.query_params, known=set(ProductFilters.base_filters))
        serializer = ImageQuerySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        filters = self._valid_filters(request.query_params)
        products = products_similar_to_image(
            serializer.validated_data["image"],
            products=filters.qs,
            filters=filters.vector_filters(),
            limit=serializer.validated_data["limit"],
        )
        return self._nearest_response(products)

    @extend_schema(
        summary="Search products by vector",
        description=(
            "Return the products nearest to a vector, within the filters. A vector with another"
            " dimension or index version than the index is refused. Requires a staff key. Required"
            " scope: `catalog:read`."
        ),
        request=VectorQuerySerializer,
        responses=NearestProductsSerializer,
        filters=True,
        examples=[examples.VECTOR_QUERY, examples.NEAREST_PRODUCTS],
        tags=["search"],
    )
    @action(
        detail=False,
        methods=["post"],
        parser_classes=[JSONParser],
        permission_classes=[IsAuthenticated, CanReadCatalog, IsStaffClient],
    )
    def vector(self, request: Request) -> Response:
        """Return the products nearest to a vector."""
        reject_unknown_parameters(request.query_params, known=set(ProductFilters.base_filters))
        serializer = VectorQuerySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        filters = self._valid_filters(request.query_params)
        with np.errstate(over="ignore"):
            vector = np.array(values["vector"], np.float32)
        if not np.isfinite(vector).all():
            raise BadInput("vector", gettext("must contain finite numbers only"))
        result = vector_search.nearest(
            collection=values["collection"],
            vector=vector,
            limit=values["limit"],
            filters=filters.vector_filters(),
            fingerprint=values["index_version"],
        )
        ids = [hit.id for hit in result.hits]
        allowed_ids = {str(pk) for pk in filters.qs.filter(pk__in=ids).values_list("pk", flat=True)}
        return self._nearest_response(products_in_order([pk for pk in ids if pk in allowed_ids]))

    def _nearest_response(self, products: Sequence[Product]) -> Response:
        context = self.get_serializer_context()
        results = ProductSerializer(products, many=True, context=context).data
        return Response({"results": results})

    def _build_query(self, params: Mapping[str, str]) -> SearchQuery:
        text = " ".join(params.get("q", "").split())
        # Validating filters takes longer than parsing the query; most requests have none.
        has_filters = any(params.get(name) for name in ProductFilters.base_filters)
        filters = self._valid_filters(params) if has_filters else None
        similar_to = _parse_ids(params, "similar_to")
        not_similar_to = _parse_ids(params, "not_similar_to")
        if len(text) > MAX_QUERY_LENGTH or "\x00" in text:
            raise BadInput(
                "q",
                gettext("must have 1 to %(maximum)s characters") % {"maximum": MAX_QUERY_LENGTH},
            )
        if not text and not similar_to and not filters:
            raise BadInput(
                "q",
                gettext(
                    "must have 1 to %(maximum)s characters, unless a filter or `similar_to` is set"
                )
                % {"maximum": MAX_QUERY_LENGTH},
            )
        parse_language(params.get("language", "en"))
        ignored = params.get("ignore_interpretations", "").split(",")
        return SearchQuery(
            text=text,
            products=filters.qs if filters else self.get_queryset(),
            vector_filters=filters.vector_filters() if filters else (),
            similar_to=similar_to,
            not_similar_to=not_similar_to,
            ignored_keys=frozenset(key for key in ignored if key),
            store_code=params.get("store_code", ""),
        )

    def _valid_filters(self, params: Mapping[str, str]) -> ProductFilters:
        filters = ProductFilters(
            dict(params.items()), queryset=self.get_queryset(), request=self.request
        )
        if not filters.is_valid():
            field, reasons = next(iter(filters.errors.items()))
            raise BadInput(field, str(reasons[0]))
        return filters

    def _search_filtered_facets(
        self, params: Mapping[str, str], filtered_facets: set[str]
    ) -> Iterator[tuple[Facets, float]]:
        """Yield each facet that has a filter as if that were not set, and its maximum lifetime."""
        for facet in sorted(filtered_facets):
            other_params = {
                name: str(value)
                for name, value in params.items()
                if _FACET_OF_FILTER.get(name) != facet
            }
            if other_params.get("q", "").strip() or other_params.get("similar_to"):
                query = replace(self._build_query(other_params), facets=(facet,))
                result = search_products(query)
                yield result.facets, _max_lifetime(result)
            else:
                products = self._valid_filters(other_params).qs
                yield count_facets(products, names=(facet,)), math.inf


def _dependencies(
    result: SearchResult, params: Mapping[str, str], facet_names: Sequence[str]
) -> set[str]:
    """Return what a result depends on; on stock, only if it is counted, filtered or boosted."""
    dependencies = {ALL_PRODUCTS, ALL_SEARCHES}
    is_boosted = any(candidate.boost for candidate in result.candidates)
    if "store_code" in facet_names or STOCK_FILTERS & set(params) or is_boosted:
        dependencies.add(ALL_STOCK)
    return dependencies


def _max_lifetime(result: SearchResult) -> float:
    """Return the seconds for which a result may be kept: none where newer vectors were read."""
    if not result.is_current:
        return 0.0
    return _DEGRADED_LIFETIME if result.unavailable_retrievers else math.inf


def _load_page(
    result: SearchResult, columns: Sequence[str], sort: str, offset: int, limit: int
) -> tuple[list[Any], int]:
    """Return the columns of the products of a page, with `id`, and the total count."""
    if sort == "relevance":
        ids = [UUID(candidate.id) for candidate in result.candidates[offset : offset + limit]]
        rows = product_rows(ids, columns)
        return [rows[pk] for pk in ids if pk in rows], result.total_count
    products = result.matches.order_by(*SORTS[sort]).values_list("id", *columns, named=True)
    return list(products[offset : offset + limit]), result.matches.count()


def _parse_facet_names(value: str | None) -> tuple[str, ...]:
    if value is None:
        return FACET_NAMES
    names = tuple(name for name in value.split(",") if name and name != "none")
    if any(name not in FACET_NAMES for name in names):
        raise BadInput(
            "facets",
            gettext("must be some of %(choices)s, or none") % {"choices": ", ".join(FACET_NAMES)},
        )
    return names


def _parse_ids(params: Mapping[str, str], name: str) -> tuple[UUID, ...]:
    values = [value for value in params.get(name, "").split(",") if value]
    if len(values) > MAX_REFERENCES:
        raise BadInput(
            name, gettext("must be %(maximum)s ids at most") % {"maximum": MAX_REFERENCES}
        )
    try:
        return tuple(map(UUID, values))
    except ValueError:
        raise BadInput(name, gettext("must be UUIDs, comma-separated")) from None


def _parse_cursor(params: Mapping[str, str]) -> int:
    """Return the offset of a page. Raises InvalidCursor, also for another query's cursor."""
    cursor = params.get(CURSOR_PARAMETER)
    if not cursor:
        return 0
    try:
        offset, query_hash = signing.Signer(salt="search").unsign_object(cursor)
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidCursor from None
    if query_hash != _query_hash(params):
        raise InvalidCursor(gettext("belongs to another query"))
    return min(int(offset), _MAX_OFFSET)


def _sign_cursor(params: Mapping[str, str], offset: int) -> str:
    # No timestamp, so that the same page has the same response.
    return signing.Signer(salt="search").sign_object([offset, _query_hash(params)])


def _query_hash(params: Mapping[str, str]) -> str:
    relevant = sorted(
        (name, value)
        for name, value in params.items()
        if name not in (CURSOR_PARAMETER, "limit", "facets", SEARCH_FIELDS_PARAMETER.name)
    )
    return hashlib.blake2b(repr(relevant).encode(), digest_size=8).hexdigest()
