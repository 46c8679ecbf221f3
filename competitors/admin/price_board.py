"""Price board of the console: our prices beside competitors', with export and saved filters."""

import csv
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.ingest.vocabulary import CATEGORIES
from catalog.reference.word_labels import province_choices, word_choices
from catalog.services.product_sheets import guard_formula
from competitors.figures import (
    NOT_CARRIED,
    NOT_COMPARED,
    ONLY_OURS,
    POSITION_COUNTS,
    POSITION_PAGE,
)
from competitors.selectors.crawl_health import competitor_choices
from competitors.selectors.price_position import (
    POSITIONS,
    SORTS,
    Keyset,
    Position,
    PositionFilters,
    PricePosition,
    count_positions,
    price_positions,
    reads_all_offers,
)
from competitors.selectors.saved_filters import visible_filters
from competitors.services.saved_filters import delete_filter, save_filter
from config.figures import Reading
from mlops.admin.figures import current_figure

_PAGE_SIZE = 50
_EXPORT_COLUMNS = (
    "product_id",
    "name",
    "brand",
    "category",
    "own_price",
    "own_net_price",
    "competitors",
    "min_price",
    "median_price",
    "max_price",
    "rank",
    "index",
    "position",
    "observed_at",
)
_COLUMNS = (
    ("name", gettext_lazy("product")),
    ("own_price", gettext_lazy("our price")),
    ("competitors", gettext_lazy("shops")),
    ("", gettext_lazy("lowest")),
    ("median_price", gettext_lazy("median")),
    ("", gettext_lazy("highest")),
    ("", gettext_lazy("rank")),
    ("index", gettext_lazy("index")),
    ("difference", gettext_lazy("difference")),
)
"""Sort ("": none) and title of each column."""
_CHART_OPTIONS = {
    "indexAxis": "y",
    "responsive": True,
    "maintainAspectRatio": False,
    "animation": False,
    "plugins": {"legend": {"display": False}},
    "scales": {"x": {"beginAtZero": True, "ticks": {"precision": 0}}},
}
_BAR_COLORS = ("#15803d", "#0369a1", "#b91c1c", "#6b7280")


class BoardForm(forms.Form):
    """Filters of the board; all optional."""

    search = forms.CharField(
        label=gettext_lazy("name"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
    )
    brand = forms.CharField(
        label=gettext_lazy("brand"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
    )
    category = forms.ChoiceField(
        label=gettext_lazy("category"), required=False, widget=UnfoldAdminSelectWidget
    )
    province = forms.ChoiceField(
        label=gettext_lazy("province"), required=False, widget=UnfoldAdminSelectWidget
    )
    competitor = forms.ChoiceField(
        label=gettext_lazy("shop"), required=False, widget=UnfoldAdminSelectWidget
    )
    position = forms.ChoiceField(
        label=gettext_lazy("position"),
        required=False,
        choices=[
            ("", "–"),
            ("below", gettext_lazy("below the median")),
            ("at", gettext_lazy("at the median")),
            ("above", gettext_lazy("above the median")),
            ("none", gettext_lazy("no comparison")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    sort = forms.ChoiceField(
        required=False,
        choices=[(sort, sort) for name in SORTS for sort in (name, f"-{name}")],
        widget=forms.HiddenInput,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the known categories, provinces and competitors."""
        super().__init__(*args, **kwargs)
        choices: dict[str, list[tuple[str, str]]] = {
            "category": word_choices(CATEGORIES.values()),
            "province": province_choices(),
            "competitor": competitor_choices(),
        }
        for name, values in choices.items():
            field: Any = self.fields[name]
            field.choices = [("", "–"), *values]

    def filters(self) -> PositionFilters:
        """Return the filters that were entered."""
        values = self.cleaned_data
        return PositionFilters(
            search=values["search"],
            brand=values["brand"],
            categories=[values["category"]] if values["category"] else (),
            province=values["province"],
            competitor=values["competitor"],
            position=values["position"] or None,
        )


def board_urls(site: admin.AdminSite) -> list[Any]:
    """Return the addresses of the board, its export, saved filters and the gaps."""
    prefix = "competitors_competitoroffer"
    return [
        path("board/", site.admin_view(board_view), name=f"{prefix}_board"),
        path("board/export/", site.admin_view(export_view), name=f"{prefix}_board_export"),
        path("board/filters/", site.admin_view(filters_view), name=f"{prefix}_board_filters"),
        path("gaps/", site.admin_view(gaps_view), name=f"{prefix}_gaps"),
    ]


def board_view(request: HttpRequest) -> HttpResponse:
    """Show a page of price positions with their counts."""
    _require_view(request)
    form = BoardForm(request.GET)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Price board"),
        "form": form,
        "saved": visible_filters(_user(request)),
    }
    if form.is_valid():
        context |= _board_context(request, form)
    return TemplateResponse(request, "admin/competitors/board.html", context)


def export_view(request: HttpRequest) -> HttpResponseBase:
    """Export every row of the filtered board as CSV."""
    _require_view(request)
    form = BoardForm(request.GET)
    if not form.is_valid():
        messages.error(request, _("The filter is not valid; nothing is exported."))
        return redirect("admin:competitors_competitoroffer_board")
    rows = _export_rows(form.filters(), form.cleaned_data["sort"] or "name")
    response = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="price-board.csv"'
    return response


def filters_view(request: HttpRequest) -> HttpResponse:
    """Save the current filter under a name, or delete one of the user's."""
    _require_view(request)
    if request.method != "POST":
        return redirect("admin:competitors_competitoroffer_board")
    user = _user(request)
    query = request.POST.get("query", "")[:1000]
    name = request.POST.get("name", "").strip()[:60]
    if pk := request.POST.get("delete"):
        try:
            is_deleted = delete_filter(pk=UUID(pk), owner=user)
        except ValueError:
            is_deleted = False
        if is_deleted:
            messages.success(request, _("The filter is deleted."))
    elif name:
        save_filter(name=name, query=query, owner=user, is_shared="is_shared" in request.POST)
        messages.success(request, _("The filter is saved."))
    else:
        messages.error(request, _("Enter a name for the filter."))
    response = redirect("admin:competitors_competitoroffer_board")
    response["Location"] += f"?{query}" if query else ""
    return response


def gaps_view(request: HttpRequest) -> HttpResponse:
    """Show what competitors sell that we do not, and the reverse."""
    _require_view(request)
    form = BoardForm(request.GET)
    is_valid = form.is_valid()
    province = form.cleaned_data.get("province", "") if is_valid else ""
    category = form.cleaned_data.get("category", "") if is_valid else ""
    not_carried = current_figure(NOT_CARRIED, province=province, category=category)
    only_ours = current_figure(ONLY_OURS, province=province, category=category)
    context = {
        **admin.site.each_context(request),
        "title": _("Assortment gaps"),
        "fields": [form["province"], form["category"]],
        "not_carried": not_carried,
        "only_ours": only_ours,
        "is_pending": not_carried is None or only_ours is None,
    }
    return TemplateResponse(request, "admin/competitors/gaps.html", context)


def _board_context(request: HttpRequest, form: BoardForm) -> dict[str, Any]:
    filters, sort = form.filters(), form.cleaned_data["sort"] or "name"
    after = _after(request)
    found = _page_of_positions(filters, sort, after)
    rows = (found or [])[:_PAGE_SIZE]
    values = {name: value for name, value in form.cleaned_data.items() if value}
    counts = _counts(filters)
    not_compared = current_figure(NOT_COMPARED)
    has_next = found is not None and len(found) > _PAGE_SIZE
    return {
        "rows": rows,
        "columns": [(title, _sort_query(values, name, sort)) for name, title in _COLUMNS],
        "counts": counts.value if counts else None,
        "counted_at": counts.computed_at if counts else None,
        "not_compared": not_compared.value if not_compared else 0,
        "chart": json.dumps(_counts_chart(counts.value)) if counts else "",
        "chart_options": json.dumps(_CHART_OPTIONS),
        "next_query": _page_query(values, rows[-1], sort) if has_next else "",
        "is_first_page": after is None,
        "is_pending": found is None or counts is None,
        "query": urlencode(values),
    }


def _page_of_positions(
    filters: PositionFilters, sort: str, after: tuple[str | None, UUID] | None
) -> list[PricePosition] | None:
    """Return a page of positions and the first of the next; None while it is computed."""
    limit = _PAGE_SIZE + 1
    if not reads_all_offers(filters, sort=sort):
        return price_positions(filters, sort=sort, page=Keyset(limit=limit, after=after))
    reading = current_figure(
        POSITION_PAGE,
        filters=_figure_filters(filters),
        sort=sort,
        after=[after[0], str(after[1])] if after else None,
        limit=limit,
    )
    return reading.value if reading else None


def _counts(filters: PositionFilters) -> Reading[dict[Position, int]] | None:
    if filters.brand or filters.search:
        return Reading(count_positions(filters), timezone.now())
    return current_figure(POSITION_COUNTS, **_figure_filters(filters))


def _figure_filters(filters: PositionFilters) -> dict[str, Any]:
    """Return the filters that are set, as JSON."""
    values = {
        "province": filters.province,
        "competitor": filters.competitor,
        "categories": list(filters.categories),
        "position": filters.position,
    }
    return {name: value for name, value in values.items() if value}


def _counts_chart(counts: Any) -> dict[str, Any]:
    labels = [_("below"), _("at the median"), _("above"), _("no comparison")]
    data = [counts[position] for position in POSITIONS]
    return {
        "labels": labels,
        "datasets": [{"label": _("products"), "data": data, "backgroundColor": list(_BAR_COLORS)}],
    }


def _sort_query(values: dict[str, Any], name: str, current: str) -> str:
    """Return the query that sorts by a column, or reverses it; "": it cannot be sorted."""
    if not name:
        return ""
    return urlencode({**values, "sort": f"-{name}" if current == name else name})


def _page_query(values: dict[str, Any], last: PricePosition, sort: str) -> str:
    value = last.sort_value(sort.removeprefix("-"))
    position = {"after": last.product_id} | ({} if value is None else {"value": value})
    return urlencode({**values, **position})


def _after(request: HttpRequest) -> tuple[str | None, UUID] | None:
    """Return the position that the address names; None: the first page."""
    try:
        return (request.GET.get("value"), UUID(request.GET["after"]))
    except (KeyError, ValueError):
        return None


def _export_rows(filters: PositionFilters, sort: str) -> Iterator[str]:
    """Yield the lines of the CSV file, with a byte order mark for Excel."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(_EXPORT_COLUMNS)
    for row in price_positions(filters, sort=sort):
        yield writer.writerow([_cell(getattr(row, name)) for name in _EXPORT_COLUMNS])


def _cell(value: Any) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    return "" if value is None else str(guard_formula(value))


class _Echo:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text


def _user(request: HttpRequest) -> Any:
    return request.user


def _require_view(request: HttpRequest) -> None:
    if not request.user.has_perm("competitors.view_competitoroffer"):
        raise PermissionDenied
