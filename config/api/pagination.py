"""Pagination by cursor: the cursors are in the body, the URLs of the pages in the header Link."""

from base64 import b64encode
from typing import Any
from urllib import parse

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from config.api.parameters import parse_integer
from config.errors import BadInput

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
CURSOR_PARAMETER = "cursor"
NEXT_CURSOR_HELP = f"`{CURSOR_PARAMETER}` of the next page; null on the last page."
PREVIOUS_CURSOR_HELP = f"`{CURSOR_PARAMETER}` of the previous page; null on the first page."
_LIMIT_PARAMETER = "limit"
_EXAMPLE_CURSOR = "cD0yMDI2LTExLTI4KzE0JTNBMDAlM0EwMCUyQjAwJTNBMDA="


class InvalidCursor(BadInput):
    """The cursor was not issued by this endpoint for this query."""

    code = "invalid_cursor"

    def __init__(self, reason: str = "is not a valid cursor") -> None:
        super().__init__(CURSOR_PARAMETER, reason)


class ApiCursorPagination(CursorPagination):
    """Pages of 1 to 100 rows (`limit`, default 20), continued by `cursor`."""

    page_size = DEFAULT_PAGE_SIZE
    page_size_query_param = _LIMIT_PARAMETER
    max_page_size = MAX_PAGE_SIZE
    cursor_query_param = CURSOR_PARAMETER
    ordering = ("-created_at", "id")

    def get_page_size(self, request: Any) -> int:
        """Return the requested limit. Raises BadInput outside 1–100."""
        return parse_integer(
            request.query_params.get(_LIMIT_PARAMETER),
            field=_LIMIT_PARAMETER,
            default=DEFAULT_PAGE_SIZE,
            minimum=1,
            maximum=MAX_PAGE_SIZE,
        )

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Return the rows of a page. Raises InvalidCursor, and BadInput for an invalid limit."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except ValidationError:  # the position in the cursor is no value of the sort column
            raise InvalidCursor from None

    def decode_cursor(self, request: Request) -> Any:
        """Return the cursor of a request; None without one. Raises InvalidCursor."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise InvalidCursor from None
        # The decoder skips what it does not know, so only a cursor issued here reads back equal.
        if cursor is not None and self.encode_cursor(cursor) != request.query_params["cursor"]:
            raise InvalidCursor
        return cursor

    def encode_cursor(self, cursor: Any) -> str:
        """Return a cursor as text: offset, direction and position in the sort column."""
        tokens = {}
        if cursor.offset:
            tokens["o"] = str(cursor.offset)
        if cursor.reverse:
            tokens["r"] = "1"
        if cursor.position is not None:
            tokens["p"] = cursor.position
        return b64encode(parse.urlencode(tokens).encode("ascii")).decode("ascii")

    def get_paginated_response(self, data: Any) -> Response:
        """Return a page with the cursors of its neighbors and their URLs in the header Link."""
        # The base class builds URLs by encode_cursor; here they are the plain cursors.
        next_cursor = self.get_next_link()
        previous_cursor = self.get_previous_link()
        return Response(
            {"next_cursor": next_cursor, "previous_cursor": previous_cursor, "results": data},
            headers=link_headers(
                self.base_url, next_cursor=next_cursor, previous_cursor=previous_cursor
            ),
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the OpenAPI schema of a page."""
        return {
            "type": "object",
            "description": "A page of a list.",
            "required": ["next_cursor", "previous_cursor", "results"],
            "properties": {
                "next_cursor": {
                    "type": "string",
                    "nullable": True,
                    "description": NEXT_CURSOR_HELP,
                    "example": _EXAMPLE_CURSOR,
                },
                "previous_cursor": {
                    "type": "string",
                    "nullable": True,
                    "description": PREVIOUS_CURSOR_HELP,
                    "example": None,
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, _view: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI description of the query parameters."""
        return [
            {
                "name": CURSOR_PARAMETER,
                "in": "query",
                "required": False,
                "description": "`next_cursor` or `previous_cursor` of another page of this list.",
                "schema": {"type": "string"},
            },
            {
                "name": _LIMIT_PARAMETER,
                "in": "query",
                "required": False,
                "description": "Maximum number of rows on the page.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_PAGE_SIZE,
                    "default": DEFAULT_PAGE_SIZE,
                },
            },
        ]


def link_headers(
    url: str | None, *, next_cursor: str | None, previous_cursor: str | None
) -> dict[str, str]:
    """Return the header Link with the URLs of the neighboring pages (RFC 8288); empty if none."""
    links = [
        f'<{replace_query_param(url or "", CURSOR_PARAMETER, cursor)}>; rel="{relation}"'
        for relation, cursor in (("next", next_cursor), ("prev", previous_cursor))
        if cursor
    ]
    return {"Link": ", ".join(links)} if links else {}
