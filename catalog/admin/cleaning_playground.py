"""A page for trying the cleaning rules on strings."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.ingest.cleaning.strings import KINDS, Cleaned, clean_string

MOST_STRINGS = 500


class StringsForm(forms.Form):
    """Strings, and what their source would tell of them."""

    kind = forms.ChoiceField(
        choices=[(kind, kind.replace("_", " ")) for kind in KINDS], widget=UnfoldAdminSelectWidget
    )
    language = forms.ChoiceField(
        required=False,
        choices=[("", "unknown"), ("en", "English"), ("fr", "French")],
        widget=UnfoldAdminSelectWidget,
    )
    category = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    column = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    brand = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    strings = forms.CharField(
        strip=False,
        max_length=100_000,
        widget=UnfoldAdminTextareaWidget,
        help_text=f"One a line, {MOST_STRINGS} at most.",
    )

    def clean_strings(self) -> list[str]:
        """Split into lines; refuse more than are read at once."""
        lines = [line for line in self.cleaned_data["strings"].splitlines() if line.strip()]
        if len(lines) > MOST_STRINGS:
            raise forms.ValidationError(
                f"{len(lines)} lines; {MOST_STRINGS} at most are read at once."
            )
        return lines


def try_strings(request: HttpRequest) -> HttpResponse:
    """Show what each string is read as, or why it is refused."""
    if not request.user.has_perm("catalog.view_supplierlisting"):
        raise PermissionDenied
    form = StringsForm(request.POST or None)
    tried: list[tuple[str, str, Cleaned]] = []
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        context = {name: asked[name] for name in ("category", "column", "brand")}
        for raw in asked["strings"]:
            cleaned = clean_string(
                kind=asked["kind"], raw=raw, language=asked["language"], context=context
            )
            tried.append((raw, _told(cleaned.result), cleaned))
    page = {
        **admin.site.each_context(request),
        "title": "Try strings",
        "form": form,
        "tried": tried,
    }
    return TemplateResponse(request, "admin/catalog/strings.html", page)


def _told(result: Any) -> str:
    if isinstance(result, dict):
        return ", ".join(f"{name} {value}" for name, value in result.items() if value is not None)
    return "" if result is None else str(result)
