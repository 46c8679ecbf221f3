"""Doors of search: read what is asked, ask, write the answer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
from django.core import signing
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.api.filters import ProductFilters
from catalog.api.serializers import (
    FoundProductSerializer,
    ImageQuestionSerializer,
    NearAnswerSerializer,
    ProductSerializer,
    SearchAnswerSerializer,
    VectorQuestionSerializer,
)
from catalog.models import Product
from catalog.search.facets import NAMES, facets
from catalog.search.image_search import products_like_picture
from catalog.search.pipeline import MOST, SORTS, Facets, Question, Ranking, answer
from catalog.selectors import products_in_order
from config.api.conventions import refuse_unknown, whole_number
from config.api.keys import AgeVerified, MayReadCatalog, StaffOnly
from config.errors import BadInput
from vectors import search

LONGEST_QUERY = 500
MOST_LIKED = 10
_PARAMETERS = [
    OpenApiParameter(
        "q",
        str,
        description=f"what is looked for, in English or French, 1–{LONGEST_QUERY} characters",
    ),
    OpenApiParameter(
        "lang",
        str,
        enum=["en", "fr"],
        description="language of the question; both are read without it",
    ),
    OpenApiParameter("like", str, description="ids of products to be like, comma separated"),
    OpenApiParameter("unlike", str, description="ids of products not to be like"),
    OpenApiParameter(
        "ignore",
        str,
        description="keys of what not to understand, from `understood`, comma separated",
    ),
    OpenApiParameter(
        "sort", str, enum=["relevance", *SORTS], description="order; relevance unless told"
    ),
    OpenApiParameter(
        "facets",
        str,
        description="names of facets, comma separated; `none` for none, all unless told",
    ),
    OpenApiParameter("limit", int, description="1–100"),
    OpenApiParameter("cursor", str, description="`next` of the last page"),
]
_OWN = {parameter.name for parameter in _PARAMETERS}
# Which facet a filter is of: its counts are those without it, so that a client can show what else there is.
_FACET_OF = {
    "strain_type": "strain_type",
    "category": "category",
    "brand": "brand",
    "terpene": "terpene",
    "store": "store",
    "thc_min": "thc",
    "thc_max": "thc",
    "cbd_min": "cbd",
    "cbd_max": "cbd",
    "price_min": "price",
    "price_max": "price",
}


class ProductSearchViewSet(GenericViewSet):
    """Search by words and meaning, by a picture, by a vector."""

    queryset = Product.objects.current().defer("search_document")
    serializer_class = FoundProductSerializer
    permission_classes = (IsAuthenticated, MayReadCatalog, AgeVerified)
    filterset_class = ProductFilters
    pagination_class = None

    @extend_schema(parameters=_PARAMETERS, responses=SearchAnswerSerializer, filters=True)
    def list(self, request: Request) -> Response:
        """
        Find products by words and by meaning, in English or French, within the filters.

        What the question says of price, potency, size, type and format becomes filters, told in `understood`. A facet
        whose filter is set is counted without it. Needs `q`, `like` or a filter.
        """
        asked = request.query_params
        refuse_unknown(asked, known=_OWN | set(ProductFilters.base_filters))
        question, sort = self._question(request, asked), asked.get("sort", "relevance")
        if sort != "relevance" and sort not in SORTS:
            raise BadInput("sort", f"must be one of relevance, {', '.join(SORTS)}")
        names = _facet_names(asked.get("facets"))
        limit = whole_number(asked.get("limit"), field="limit", default=20, low=1, high=100)
        start = _start(asked)
        active = {facet for name, facet in _FACET_OF.items() if asked.get(name)}
        ranking = answer(
            replace(question, facets=tuple(name for name in names if name not in active))
        )
        page, total = _page(ranking, sort, start, limit)
        context = {
            **self.get_serializer_context(),
            "words": ranking.understood.words,
            "candidates": {candidate.id: candidate for candidate in ranking.candidates},
        }
        end = start + len(page)
        reach = total if sort != "relevance" else min(total, len(ranking.candidates))
        return Response(
            {
                "total": total,
                "count": len(page),
                "next": _cursor(asked, end) if page and end < reach else None,
                "legs": ranking.legs,
                "understood": [term.told for term in ranking.understood.terms],
                "given_up": [term.key for term in ranking.relaxed],
                "did_you_mean": ranking.mended or None,
                "facets": ranking.facets | self._freer(request, active & set(names)),
                "results": FoundProductSerializer(page, many=True, context=context).data,
            }
        )

    @extend_schema(
        request={"multipart/form-data": ImageQuestionSerializer},
        responses=NearAnswerSerializer,
        filters=True,
    )
    @action(detail=False, methods=["post"], parser_classes=[MultiPartParser])
    def image(self, request: Request) -> Response:
        """Find products like a picture. 503 where the model that sees is not installed."""
        refuse_unknown(request.query_params, known=set(ProductFilters.base_filters))
        asked = ImageQuestionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        filters = self._filters(request.query_params)
        products = products_like_picture(
            asked.validated_data["image"],
            within=filters.qs,
            where=filters.conditions(),
            limit=asked.validated_data["limit"],
        )
        return Response({"count": len(products), "results": self._told(products)})

    @extend_schema(request=VectorQuestionSerializer, responses=NearAnswerSerializer, filters=True)
    @action(
        detail=False,
        methods=["post"],
        parser_classes=[JSONParser],
        permission_classes=[IsAuthenticated, MayReadCatalog, StaffOnly],
    )
    def vector(self, request: Request) -> Response:
        """Find products near a vector; one of another dimension or stamp is refused. For staff."""
        refuse_unknown(request.query_params, known=set(ProductFilters.base_filters))
        asked = VectorQuestionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        told = asked.validated_data
        filters = self._filters(request.query_params)
        with np.errstate(over="ignore"):
            vector = np.array(told["vector"], np.float32)
        if not np.isfinite(vector).all():
            raise BadInput("vector", "must hold finite numbers")
        found = search.nearest(
            collection=told["collection"],
            vector=vector,
            limit=told["limit"],
            where=filters.conditions(),
            stamp=told["stamp"],
        )
        allowed = {
            str(pk)
            for pk in filters.qs.filter(pk__in=[hit.id for hit in found.hits]).values_list(
                "pk", flat=True
            )
        }
        products = products_in_order([hit.id for hit in found.hits if hit.id in allowed])
        return Response({"count": len(products), "results": self._told(products)})

    def _told(self, products: Sequence[Product]) -> Any:
        return ProductSerializer(products, many=True, context=self.get_serializer_context()).data

    def _question(self, request: Request, asked: Mapping[str, str]) -> Question:
        text = " ".join(asked.get("q", "").split())
        # Reading filters takes longer than understanding the question; most have none.
        has_filters = any(asked.get(name) for name in ProductFilters.base_filters)
        filters = self._filters(asked) if has_filters else None
        like, unlike = _ids(asked, "like"), _ids(asked, "unlike")
        if len(text) > LONGEST_QUERY or "\x00" in text:
            raise BadInput("q", f"must have 1 to {LONGEST_QUERY} characters")
        if not text and not like and not filters:
            raise BadInput(
                "q", f"must have 1 to {LONGEST_QUERY} characters, unless a filter or `like` is set"
            )
        if asked.get("lang", "en") not in ("en", "fr"):
            raise BadInput("lang", "must be en or fr")
        return Question(
            text=text,
            within=filters.qs if filters else self.get_queryset(),
            where=filters.conditions() if filters else (),
            like=like,
            unlike=unlike,
            ignore=frozenset(key for key in asked.get("ignore", "").split(",") if key),
            store=asked.get("store", ""),
        )

    def _filters(self, asked: Mapping[str, str]) -> ProductFilters:
        filters = ProductFilters(dict(asked.items()), queryset=self.get_queryset())
        if not filters.is_valid():
            field, reasons = next(iter(filters.errors.items()))
            raise BadInput(field, str(reasons[0]))
        return filters

    def _freer(self, request: Request, active: set[str]) -> Facets:
        """Count, of each facet whose filter is set, what would answer without it."""
        asked = {name: str(value) for name, value in request.query_params.items()}
        counted: Facets = {}
        for facet in sorted(active):
            freer = {name: value for name, value in asked.items() if _FACET_OF.get(name) != facet}
            if _has_subject(freer):
                counted |= answer(replace(self._question(request, freer), facets=(facet,))).facets
            else:
                counted |= facets(self._filters(freer).qs, names=(facet,))
        return counted


def _has_subject(asked: Mapping[str, str]) -> bool:
    return bool(asked.get("q", "").strip() or asked.get("like"))


def _page(ranking: Ranking, sort: str, start: int, limit: int) -> tuple[list[Product], int]:
    if sort == "relevance":
        return products_in_order(
            [c.id for c in ranking.candidates[start : start + limit]]
        ), ranking.total
    rows = ranking.members.defer("search_document").order_by(*SORTS[sort])
    return list(rows[start : start + limit]), ranking.members.count()


def _facet_names(told: str | None) -> tuple[str, ...]:
    if told is None:
        return NAMES
    names = tuple(name for name in told.split(",") if name and name != "none")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise BadInput("facets", f"must be some of {', '.join(NAMES)}, or none")
    return names


def _ids(asked: Mapping[str, str], name: str) -> tuple[UUID, ...]:
    told = [part for part in asked.get(name, "").split(",") if part]
    if len(told) > MOST_LIKED:
        raise BadInput(name, f"must be {MOST_LIKED} ids at most")
    try:
        return tuple(map(UUID, told))
    except ValueError:
        raise BadInput(name, "must be UUIDs, comma separated") from None


def _start(asked: Mapping[str, str]) -> int:
    """Read where a page begins from its cursor; raises BadInput for one of another question."""
    told = asked.get("cursor")
    if not told:
        return 0
    try:
        start, of = signing.Signer(salt="search").unsign_object(told)
    except (signing.BadSignature, ValueError, TypeError):
        raise BadInput("cursor", "is not one of ours") from None
    if of != _question_hash(asked):
        raise BadInput("cursor", "belongs to another question")
    return min(int(start), MOST * 1000)


def _cursor(asked: Mapping[str, str], start: int) -> str:
    # Without a time: the same page has the same answer.
    return signing.Signer(salt="search").sign_object([start, _question_hash(asked)])


def _question_hash(asked: Mapping[str, str]) -> str:
    told = sorted(
        (name, value) for name, value in asked.items() if name not in ("cursor", "limit", "facets")
    )
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()
