"""Pages on which nothing can be written, and how their values look."""

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline


class _NothingWritten:
    """No adding, changing or deleting, whatever permissions a person has."""

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(_NothingWritten, ModelAdmin):
    """What the machine wrote; people only read it."""

    list_per_page = 50
    list_filter_submit = True


class ReadOnlyInline(_NothingWritten, TabularInline):
    """Rows that belong to a page, ten at a time, each with a link to its own."""

    extra = 0
    per_page = 10
    show_change_link = True
    tab = True


def preformatted(text: str) -> SafeString:
    """Show text as it is, escaped, in a box that scrolls."""
    style = "max-height: 32rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace"
    return format_html('<pre style="{}">{}</pre>', style, text)


def pretty_json(value: Any) -> SafeString:
    """Show a JSON value indented."""
    return preformatted(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))
