"""Pagination by cursor: the cursors are in the body, the URLs of the pages in the header Link."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.core import signing
from django.db.models import F, Q
from django.utils.translation import gettext
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
_EXAMPLE_CURSOR = "WzAsIjIwMjYtMTEtMjhUMTQ6MDA6MDBaIiwiN2IwZjVmMGUiXQ:m1v7oP2Zk8Qh3T5yN4cWxJ0s"


class InvalidCursor(BadInput):
    """The cursor was not issued by this endpoint for this query."""

    code = "invalid_cursor"

    def __init__(self, reason: str = "") -> None:
        super().__init__(CURSOR_PARAMETER, reason or gettext("is not a valid cursor"))


class ApiCursorPagination(CursorPagination):
    """
    Pages of 1 to 100 rows (`limit`, default 20), continued by `cursor`.

    ordering: the column that rows are sorted by, and a unique one.
    """

    page_size = DEFAULT_PAGE_SIZE
    page_size_query_param = _LIMIT_PARAMETER
    max_page_size = MAX_PAGE_SIZE
    cursor_query_param = CURSOR_PARAMETER
    ordering = ("-created_at", "id")
    nulls_last = False
    """Whether missing values end descending lists as well; PostgreSQL begins with them."""

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
        """
        Return the rows of a page. Raises InvalidCursor, and BadInput for an invalid limit.

        A position is the sort value and the id of a row, so that each row is on one page however
        many rows share a sort value.
        """
        self.base_url = request.build_absolute_uri()
        sort, key = self.get_ordering(request, queryset, view)
        self._signer = signing.Signer(salt=f"cursor:{request.path}:{sort}")
        self._sort_field, self._key_field = sort.removeprefix("-"), key
        is_backward, position = self._read_cursor(request)
        page_size = self.get_page_size(request)
        fetched = self.fetch_rows(
            queryset, position, sort=sort, is_backward=is_backward, limit=page_size + 1
        )
        has_more = len(fetched) > page_size
        self.page = fetched[:page_size]
        if is_backward:
            self.page.reverse()
        self.has_next = is_backward or has_more
        self.has_previous = has_more if is_backward else position is not None
        return self.page

    def fetch_rows(
        self,
        queryset: Any,
        position: tuple[Any, str] | None,
        *,
        sort: str,
        is_backward: bool,
        limit: int,
    ) -> list[Any]:
        """Return up to `limit` rows after a position; backward, those before it in reverse."""
        is_descending = sort.startswith("-") != is_backward
        nulls_after = not is_backward if self.nulls_last else not is_descending
        rows = queryset.order_by(
            _order(self._sort_field, is_descending=is_descending, nulls_after=nulls_after),
            f"{'-' if is_backward else ''}{self._key_field}",
        )
        if position is None:
            return list(rows[:limit])
        fetched: list[Any] = []
        # One query each: the database starts within the index, which it does not for their union.
        for condition in _conditions_after(
            (self._sort_field, self._key_field),
            position,
            is_descending=is_descending,
            is_backward=is_backward,
            nulls_after=nulls_after,
        ):
            if len(fetched) < limit:
                fetched += rows.filter(condition)[: limit - len(fetched)]
        return fetched

    def get_next_link(self) -> str | None:
        """Return the cursor of the next page; None on the last page."""
        if not self.has_next or not self.page:
            return None
        return self._write_cursor(self.page[-1], is_backward=False)

    def get_previous_link(self) -> str | None:
        """Return the cursor of the previous page; None on the first page."""
        if not self.has_previous or not self.page:
            return None
        return self._write_cursor(self.page[0], is_backward=True)

    def _read_cursor(self, request: Request) -> tuple[bool, tuple[Any, str] | None]:
        """Return direction and position of a request; no position without a cursor."""
        cursor = request.query_params.get(CURSOR_PARAMETER)
        if cursor is None:
            return False, None
        try:
            is_backward, sort_value, key = self._signer.unsign_object(cursor)
        except (signing.BadSignature, ValueError, TypeError):
            raise InvalidCursor from None
        return bool(is_backward), (sort_value, key)

    def _write_cursor(self, row: Any, *, is_backward: bool) -> str:
        value = getattr(row, self._sort_field)
        sort_value = value.isoformat() if isinstance(value, date) else value
        if isinstance(value, Decimal):
            sort_value = str(value)
        return self._signer.sign_object(
            [int(is_backward), sort_value, str(getattr(row, self._key_field))]
        )

    def get_paginated_response(self, data: Any) -> Response:
        """Return a page with the cursors of its neighbors and their URLs in the header Link."""
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


def _order(field: str, *, is_descending: bool, nulls_after: bool) -> Any:
    """Return the order of a column; by name where PostgreSQL puts missing values there anyway."""
    if nulls_after != is_descending:
        return f"-{field}" if is_descending else field
    expression = F(field)
    if is_descending:
        return expression.desc(nulls_last=True)
    return expression.asc(nulls_first=True)


def _conditions_after(
    fields: tuple[str, str],
    position: tuple[Any, str],
    *,
    is_descending: bool,
    is_backward: bool,
    nulls_after: bool,
) -> list[Q]:
    """
    Return the conditions of the rows after a position, those that come first before the others.

    nulls_after: missing values come last.
    """
    (sort_field, key_field), (sort_value, key) = fields, position
    is_later_key = Q(**{f"{key_field}__{'lt' if is_backward else 'gt'}": key})
    is_null = Q(**{f"{sort_field}__isnull": True})
    if sort_value is None:
        is_later_null = is_null & is_later_key
        return [is_later_null] if nulls_after else [is_later_null, ~is_null]
    comparison = "lt" if is_descending else "gt"
    is_beyond = Q(**{f"{sort_field}__{comparison}": sort_value})
    # The first condition follows from the second; it lets the database start within the index.
    is_after = Q(**{f"{sort_field}__{comparison}e": sort_value}) & (is_beyond | is_later_key)
    return [is_after, is_null] if nulls_after else [is_after]


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
