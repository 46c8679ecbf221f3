"""Filters by query parameters."""

from typing import Any

from django_filters.rest_framework import DjangoFilterBackend

from config.api.parameters import reject_unknown_parameters

_PAGINATION_PARAMETERS = {"cursor", "limit"}


class StrictFilterBackend(DjangoFilterBackend):
    """
    Filter backend that rejects query parameters without a filter.

    other_parameters of a view: query parameters that are not filters.
    """

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        """Raises BadInput for unknown parameters, ValidationError for invalid values."""
        known = set(_PAGINATION_PARAMETERS) | set(getattr(view, "other_parameters", ()))
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class:
            known |= set(filterset_class.base_filters)
        reject_unknown_parameters(request.query_params, known=known)
        return super().filter_queryset(request, queryset, view)
