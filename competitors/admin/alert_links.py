"""Pages of shops and products for alerts and runs."""

from django.urls import reverse
from django.utils.translation import gettext as _

from competitors.ingest.crawling.errors import CODES
from competitors.ingest.records import SOURCE_PREFIX, competitor_code
from competitors.selectors.price_alerts import ALERT_CODES
from competitors.services.crawl_status import DEGRADED_ALERT
from mlops.admin.subject_links import (
    page_with,
    register,
    register_run_links,
    register_sources,
)
from mlops.models import Run


@register_sources
@register(*CODES, DEGRADED_ALERT)
def shop(source: str) -> str:
    """Return the list of the shop of a source; of another source nothing."""
    if not source.startswith(SOURCE_PREFIX):
        return ""
    return page_with("competitors_competitor_changelist", q=competitor_code(source))


@register(*ALERT_CODES)
def product(subject: str) -> str:
    """Return the page of the product whose id is the subject."""
    return reverse("admin:catalog_product_change", args=[subject])


@register_run_links
def offers_of_run(run: Run) -> list[tuple[str, str]]:
    """Return the offers that a crawl wrote."""
    if not run.source.startswith(SOURCE_PREFIX):
        return []
    url = page_with("competitors_competitoroffer_changelist", run=run.pk)
    return [(_("Offers that the run wrote last"), url)]
