"""Test of one page of a menu: what a crawl would read, beside the page as received."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from competitors.crawls import preview_menu
from competitors.selectors.competitors import all_competitors
from mlops.admin.read_only import preformatted

_MAX_SHOWN_BYTES = 20_000


def test_page_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for confirmation; on POST fetch one page and show what would be read. Writes nothing."""
    if not request.user.has_perm("competitors.change_competitor"):
        raise PermissionDenied
    competitor = get_object_or_404(all_competitors(), pk=pk)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Test one page of %(name)s") % {"name": competitor.name},
        "competitor": competitor,
    }
    if request.method == "POST":
        preview = preview_menu(competitor)
        body = preview.page.body if preview.page else b""
        context |= {
            "preview": preview,
            "raw": preformatted(body[:_MAX_SHOWN_BYTES].decode(errors="replace")),
            "size": len(body),
            "is_cut": len(body) > _MAX_SHOWN_BYTES,
        }
    return TemplateResponse(request, "admin/competitors/test_page.html", context)
