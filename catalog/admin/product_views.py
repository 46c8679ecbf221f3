"""Product list: applied filters as chips, saved views, choice of columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _

from catalog.selectors.product_views import chosen_columns, visible_views
from catalog.services.product_views import choose_columns, delete_view, save_view
from config.errors import BadInput

# Parameters of the list that choose no rows: order, page, and the mark of an invalid filter.
UNFILTERED_PARAMS = (ORDER_VAR, PAGE_VAR, ERROR_FLAG, ALL_VAR, IS_POPUP_VAR)
_UNSAVED_PARAMS = (PAGE_VAR, ERROR_FLAG, ALL_VAR, IS_POPUP_VAR)
FIRST_COLUMN = "name"
_LIST = "admin:catalog_product_changelist"
_BOUNDS = {"_from": "≥", "_to": "≤"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChip:
    """An applied filter in words. remove_url: the list without it."""

    label: str
    value: str
    remove_url: str


class ProductViews:
    """Mixin of the product list; its subclass names the columns after the first, FIRST_COLUMN."""

    default_columns: Sequence[str]
    more_columns: Sequence[str]

    def view_urls(self) -> list[Any]:
        """Return the addresses that views and columns are posted to."""
        site = self.admin_site  # type: ignore[attr-defined]
        return [
            path("views/", site.admin_view(self.save_view), name="catalog_product_views"),
            path("columns/", site.admin_view(self.choose_columns), name="catalog_product_columns"),
        ]

    @property
    def known_columns(self) -> tuple[str, ...]:
        """Names of all columns, the default ones first."""
        return (*self.default_columns, *self.more_columns)

    def columns_of(self, request: HttpRequest) -> list[str]:
        """Return the columns of the list for a user; one query for each request."""
        columns: list[str] | None = getattr(request, "product_columns", None)
        if columns is None:
            known = self.known_columns
            chosen = [name for name in chosen_columns(request.user) if name in known]
            columns = [FIRST_COLUMN, *(chosen or self.default_columns)]
            request.product_columns = columns  # type: ignore[attr-defined]
        return columns

    def list_bar(self, request: HttpRequest, changelist: Any) -> dict[str, Any]:
        """Return chips, views and columns for the template above the list."""
        shown = self.columns_of(request)
        hidden = [name for name in self.known_columns if name not in shown]
        return {
            "chips": list(filter_chips(request, changelist)),
            "product_views": visible_views(request.user),
            "list_query": request.GET.urlencode(),
            "column_choices": [
                (name, self._column_label(name), name in shown) for name in [*shown[1:], *hidden]
            ],
        }

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """Save the filters of the list under a name, or delete a view of the user."""
        self._check_post(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        query = request.POST.get("query", "")
        try:
            if "delete" in request.POST:
                if delete_view(pk=UUID(request.POST["delete"]), owner=request.user):
                    messages.success(request, _("The view is deleted."))
            else:
                view = save_view(
                    name=request.POST.get("name", ""),
                    query=query,
                    owner=request.user,
                    is_shared="shared" in request.POST,
                    ignored_params=_UNSAVED_PARAMS,
                )
                messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
        except BadInput as error:
            messages.error(request, error.reason)
        except ValueError:
            messages.error(request, _("This view does not exist."))
        return redirect(_list_url(query))

    def choose_columns(self, request: HttpRequest) -> HttpResponse:
        """Save the columns of the user; "reset" restores the default ones."""
        self._check_post(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        columns = [] if "reset" in request.POST else request.POST.getlist("column")
        try:
            choose_columns(user=request.user, columns=columns, known=self.known_columns)
        except BadInput as error:
            messages.error(request, error.reason)
        return redirect(_list_url(request.POST.get("query", "")))

    def _check_post(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied

    def _column_label(self, name: str) -> str:
        method = getattr(self, name, None)
        if method is not None:
            return str(getattr(method, "short_description", name))
        return str(self.model._meta.get_field(name).verbose_name)  # type: ignore[attr-defined]


def filter_chips(request: HttpRequest, changelist: Any) -> Iterator[FilterChip]:
    """Yield the search and the filters that the list applies."""
    titles = {}
    words: dict[str, dict[str, str]] = {}
    for spec in changelist.filter_specs:
        for param in spec.expected_parameters():
            titles[param] = str(spec.title)
        choices = getattr(spec, "lookup_choices", ())
        if choices:
            words[spec.parameter_name] = {str(value): str(label) for value, label in choices}
    titles[SEARCH_VAR] = _("search")
    for param in request.GET:
        value = str(request.GET[param])
        if not value or param in UNFILTERED_PARAMS:
            continue
        bound = next((sign for end, sign in _BOUNDS.items() if param.endswith(end)), "")
        remaining = request.GET.copy()
        del remaining[param]
        remaining.pop(PAGE_VAR, None)
        yield FilterChip(
            label=titles.get(param, param.partition("__")[0].replace("_", " ")),
            value=f"{bound} {words.get(param, {}).get(value, value)}".strip(),
            remove_url=_list_url(remaining.urlencode()),
        )


def _list_url(query: str) -> str:
    url = reverse(_LIST)
    params = QueryDict(query).urlencode()
    return f"{url}?{params}" if params else url
