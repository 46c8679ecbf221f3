"""Link from a page of the console to its section of the help."""

from django import template
from django.urls import reverse

from config.console_help import find_section

register = template.Library()


@register.simple_tag(takes_context=True)
def help_url(context: template.Context, page: str = "") -> str:
    """
    Return the address of the help of a page; of the beginning where it has none.

    page: URL name or its beginning, such as "catalog_product"; by default the current page.
    """
    match = getattr(context.get("request"), "resolver_match", None)
    section = find_section(page or (match.url_name if match else "") or "")
    return reverse("console-help") + (f"#{section.anchor}" if section else "")
