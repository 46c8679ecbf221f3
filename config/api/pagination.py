"""Pagination by cursor."""

from typing import Any

from rest_framework.pagination import CursorPagination

from config.api.parameters import parse_integer


class ApiCursorPagination(CursorPagination):
    """Pages of 1 to 100 rows (`limit`, default 20), continued by `cursor`."""

    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = ("-created_at", "id")

    def get_page_size(self, request: Any) -> int:
        """Return the requested limit. Raises BadInput outside 1–100."""
        return parse_integer(
            request.query_params.get("limit"), field="limit", default=20, minimum=1, maximum=100
        )
