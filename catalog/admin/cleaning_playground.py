"""Cleaning playground: how the cleaning rules read strings as suppliers write them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.ingest.cleaning.strings import STRING_KINDS, CleanedString, clean_string

MAX_STRINGS = 500


class StringsForm(forms.Form):
    """Strings to clean, with the context that a source would provide."""

    kind = forms.ChoiceField(
        choices=[(kind, kind.replace("_", " ")) for kind in STRING_KINDS],
        widget=UnfoldAdminSelectWidget,
    )
    language = forms.ChoiceField(
        required=False,
        choices=[("", _("unknown")), ("en", _("English")), ("fr", _("French"))],
        widget=UnfoldAdminSelectWidget,
    )
    category = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    column = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    brand = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    strings = forms.CharField(
        strip=False,
        max_length=100_000,
        widget=UnfoldAdminTextareaWidget,
        help_text=format_lazy(_("One per line, at most {number}."), number=MAX_STRINGS),
    )

    def clean_strings(self) -> list[str]:
        """Split the text into non-blank lines; refuse more than MAX_STRINGS."""
        lines = [line for line in self.cleaned_data["strings"].splitlines() if line.strip()]
        if len(lines) > MAX_STRINGS:
            raise forms.ValidationError(
                f"{len(lines)} lines entered; at most {MAX_STRINGS} are allowed."
            )
        return lines


def cleaning_playground(request: HttpRequest) -> HttpResponse:
    """Show the cleaned value of each string, or the reason why it is rejected."""
    if not request.user.has_perm("catalog.view_supplierlisting"):
        raise PermissionDenied
    form = StringsForm(request.POST or None)
    results: list[tuple[str, str, CleanedString]] = []
    if request.method == "POST" and form.is_valid():
        params = form.cleaned_data
        string_context = {name: params[name] for name in ("category", "column", "brand")}
        for raw in params["strings"]:
            cleaned = clean_string(
                kind=params["kind"], raw=raw, language=params["language"], context=string_context
            )
            results.append((raw, _format_result(cleaned.result), cleaned))
    context = {
        **admin.site.each_context(request),
        "title": _("Cleaning playground"),
        "form": form,
        "results": results,
    }
    return TemplateResponse(request, "admin/catalog/cleaning_playground.html", context)


def _format_result(result: Any) -> str:
    if isinstance(result, dict):
        return ", ".join(f"{name} {value}" for name, value in result.items() if value is not None)
    return "" if result is None else str(result)
