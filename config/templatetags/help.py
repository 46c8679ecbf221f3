"""Link from a page of the console to its section of the help."""

from django import template
from django.urls import reverse

from config.console_help import find_section

register = template.Library()


@register.simple_tag(takes_context=True)
def help_url(context: template.Context) -> str:
    """Return the address of the help of the current page; of its beginning where it has none."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    section = find_section(match.url_name or "") if match else None
    return reverse("console-help") + (f"#{section.anchor}" if section else "")
