"""REST views of stores."""

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from catalog.api import examples
from catalog.api.permissions import CanReadCatalog, IsAgeVerified
from catalog.api.serializers import StoreSerializer
from catalog.models import Store
from catalog.selectors.stores import all_stores, find_store, stores_within
from config.api.etags import ConditionalView
from config.api.keys import binding_of
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters


class _StorePagination(ApiCursorPagination):
    ordering = ("name", "id")


@extend_schema_view(
    list=extend_schema(
        summary="List stores",
        description=(
            "Return the stores that the key reaches, by name, in pages. Required scope:"
            " `catalog:read`."
        ),
        examples=[examples.STORE],
        tags=["stores"],
    ),
    retrieve=extend_schema(
        summary="Get a store",
        description=(
            "Return a store by its code. 404 for a store that the key does not reach. Required"
            " scope: `catalog:read`."
        ),
        parameters=[
            OpenApiParameter("code", str, OpenApiParameter.PATH, description="Code of the store.")
        ],
        examples=[examples.STORE],
        tags=["stores"],
    ),
)
class StoreViewSet(ConditionalView, ReadOnlyModelViewSet):
    """Stores of the retailer."""

    queryset = all_stores()
    serializer_class = StoreSerializer
    permission_classes = (IsAuthenticated, CanReadCatalog, IsAgeVerified)
    pagination_class = _StorePagination
    filter_backends = ()
    lookup_field = "code"
    lookup_value_regex = "[^/]+"

    def list(self, request: Request) -> Response:
        """Return a page of the stores that the key reaches."""
        reject_unknown_parameters(request.query_params, known={"cursor", "limit"})
        page = self.paginate_queryset(stores_within(binding_of(request)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def get_object(self) -> Store:
        """Return the store with a code. Raises Http404."""
        reject_unknown_parameters(self.request.query_params, known=set())
        store = find_store(self.kwargs["code"])
        binding = binding_of(self.request)
        if store is None or not binding.allows_store(store.code, store.province):
            raise Http404
        return store
