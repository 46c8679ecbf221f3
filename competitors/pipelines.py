"""The pipeline of competitors' offers."""

import hashlib
from dataclasses import replace
from functools import partial

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.crawling.errors import CODES
from competitors.ingest.crawling.source import CrawlReport, open_crawl_client
from competitors.ingest.fingerprint import rules_fingerprint
from competitors.selectors.competitors import (
    competitor_source,
    reading_settings,
    source_access,
)
from competitors.services.crawl_guard import conclude_crawl, survey_offers
from competitors.services.offer_repeats import find_repeated_offers
from competitors.services.offers import offers_checksum, preview_offers, save_offers
from mlops.pipelines.definitions import Pipeline

_VERSION_LENGTH = 20


def pipeline_version(source: str) -> str:
    """Return a version of the rules and of the settings that pages of a competitor are read by."""
    parts = (rules_fingerprint(), *reading_settings(source))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_VERSION_LENGTH]


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
    version=pipeline_version,
    alert_codes=CODES,
    output_table="competitor_offers",
)


def reporting_pipeline(report: CrawlReport) -> Pipeline:
    """Return the pipeline, with a report that its next crawl fills."""
    return replace(OFFERS, open_client=partial(open_crawl_client, report=report))
