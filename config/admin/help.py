"""Page with the help of the console: the text of docs/console.md."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from config.console_help import help_sections


def help_page(request: HttpRequest) -> HttpResponse:
    """Show all sections, with a table of contents."""
    context = {
        **admin.site.each_context(request),
        "title": _("Help"),
        "sections": [section for section in help_sections() if section.level > 1],
        "text": SafeString("".join(section.html for section in help_sections())),
    }
    return TemplateResponse(request, "admin/help.html", context)
