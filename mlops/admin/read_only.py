"""Base classes of read-only console pages, and how they show text and JSON."""

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from config.admin.large_lists import EstimatingPaginator

_PREFORMATTED_STYLE = (
    "max-height: 32rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;"
    " font-family: monospace"
)


class _NoWritePermissions:
    """Refuses to add, change or delete rows, whatever the permissions."""

    def has_add_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: Any, _obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(_NoWritePermissions, ModelAdmin):
    """Read-only pages of a model whose rows are written by automated processes."""

    list_per_page = 50
    list_filter_submit = True
    paginator = EstimatingPaginator
    show_full_result_count = False


class ReadOnlyInline(_NoWritePermissions, TabularInline):
    """Read-only related rows, ten per page, with links to their own pages."""

    extra = 0
    per_page = 10
    show_change_link = True
    tab = True


def preformatted(text: str) -> SafeString:
    """Return text, escaped, in a scrolling box."""
    return format_html('<pre tabindex="0" style="{}">{}</pre>', _PREFORMATTED_STYLE, text)


def monospaced(text: str) -> SafeString:
    """Return a hash or key that breaks where the column ends; a dash if it is empty."""
    return format_html('<code style="overflow-wrap: anywhere">{}</code>', text or "–")


def pretty_json(value: Any) -> SafeString:
    """Return a JSON value, indented, in a scrolling box."""
    return preformatted(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))
