"""Pages of sources for alerts and runs."""

from django.urls import reverse

from mlops.admin.subject_links import register_sources


@register_sources
def catalogue_source(code: str) -> str:
    """Return the page of a source of the catalogue; codes with a colon are not of one."""
    if ":" in code:
        return ""
    return reverse("admin:catalog_catalogsource_change", args=[code])
