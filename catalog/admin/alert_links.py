"""Pages of sources for alerts and runs."""

from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.pipelines import SUPPLIER_PRODUCTS
from mlops.admin.subject_links import page_with, register_run_links, register_sources
from mlops.models import Run


@register_sources
def catalogue_source(code: str) -> str:
    """Return the page of a source of the catalogue; codes with a colon are not of one."""
    if ":" in code:
        return ""
    return reverse("admin:catalog_catalogsource_change", args=[code])


@register_run_links
def rows_of_run(run: Run) -> list[tuple[str, str]]:
    """Return the listings and products of the source of a run, and what the run wrote."""
    if run.pipeline != SUPPLIER_PRODUCTS.name:
        return []
    links = [
        (_("Listings of the source"), _list("supplierlisting", source=run.source)),
        (_("Products of the source"), _list("product", source=run.source)),
    ]
    if not run.is_dry_run:
        links.append((_("Listings that the run wrote last"), _list("supplierlisting", run=run.pk)))
        links.append((_("Changes, undo"), page_with("mlops_operation_changelist", run=run.pk)))
    return links


def _list(model: str, **params: object) -> str:
    return page_with(f"catalog_{model}_changelist", **params)
