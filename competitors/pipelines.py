"""The pipeline of competitors' offers."""

from dataclasses import replace
from functools import partial

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.crawling.errors import CODES
from competitors.ingest.crawling.source import CrawlReport, open_crawl_client
from competitors.ingest.fingerprint import rules_fingerprint
from competitors.selectors.competitors import competitor_source, source_access
from competitors.services.crawl_guard import conclude_crawl, survey_offers
from competitors.services.offer_repeats import find_repeated_offers
from competitors.services.offers import offers_checksum, preview_offers, save_offers
from mlops.pipelines.definitions import Pipeline

OFFERS = Pipeline(
    name="competitors.offers",
    source=competitor_source,
    access=source_access,
    open_client=open_crawl_client,
    survey=survey_offers,
    stages=(read_offer, clean_offer),
    repeats=find_repeated_offers,
    preview=preview_offers,
    save=save_offers,
    conclude=conclude_crawl,
    checksum=offers_checksum,
    version=lambda _source: rules_fingerprint(),
    alert_codes=CODES,
    output_table="competitor_offers",
)


def reporting_pipeline(report: CrawlReport) -> Pipeline:
    """Return the pipeline, with a report that its next crawl fills."""
    return replace(OFFERS, open_client=partial(open_crawl_client, report=report))
