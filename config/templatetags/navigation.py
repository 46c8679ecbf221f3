"""Path of a console page: the group and entry of the sidebar, then what the page shows."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.conf import settings
from django.contrib import admin
from django.db.models import Model

register = template.Library()


@register.simple_tag
def page_path(request: Any, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Return the path of a page (title, link) by the names of the sidebar.

    parts: the theme's path: application, list and row, or the title of a page alone. It is returned
    where no entry of the sidebar leads to the page.
    """
    for group in settings.UNFOLD["SIDEBAR"]["navigation"]:
        for entry in group["items"]:
            if "title" in group and entry["active"](request):
                path = [
                    {"title": group["title"], "link": ""},
                    {"title": entry["title"], "link": str(entry["link"])},
                ]
                return path + [_named(part) for part in _shown(request, entry, parts)]
    return list(parts)


def _shown(
    request: Any, entry: dict[str, Any], parts: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Return the parts of the theme's path that follow the entry."""
    if request.path == str(entry["link"]):
        return ()
    return parts if len(parts) == 1 else parts[2:]


def _named(part: dict[str, Any]) -> dict[str, Any]:
    """Return the part with the title that the pages of its model give a row, if they do."""
    row = part["title"]
    if not isinstance(row, Model):
        return part
    page_title = getattr(admin.site.get_model_admin(type(row)), "page_title", str)
    return {**part, "title": page_title(row)}
