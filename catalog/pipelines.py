"""Pipelines of the catalogue, and the pipeline of a source."""

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.enrichment import enrich_listing
from catalog.ingest.fingerprint import processing_fingerprint, rules_fingerprint
from catalog.ingest.licences import clean_licence
from catalog.ingest.records import mark_fixed
from catalog.ingest.sources.registry import find_licence_list, find_source
from catalog.models import CatalogSource
from catalog.selectors.sources import source_access
from catalog.services.feed_guard import conclude_feed, survey_feed
from catalog.services.feed_repeats import combine_listings, find_repeats
from catalog.services.licences import (
    conclude_licences,
    find_repeated_licences,
    licences_checksum,
    preview_licences,
    save_licences,
    survey_licences,
)
from catalog.services.listings import preview_listings, save_listings, source_checksum
from mlops.pipelines.definitions import Pipeline

SUPPLIER_PRODUCTS = Pipeline(
    name="catalog.supplier_products",
    source=find_source,
    access=source_access,
    survey=survey_feed,
    stages=(clean_listing, enrich_listing),
    repeats=find_repeats,
    combine=combine_listings,
    preview=preview_listings,
    save=save_listings,
    conclude=conclude_feed,
    checksum=source_checksum,
    version=processing_fingerprint,
    output_table="supplier_listings",
    mark_fixed=mark_fixed,
)

LICENCES = Pipeline(
    name="catalog.licences",
    source=find_licence_list,
    access=source_access,
    survey=survey_licences,
    stages=(clean_licence,),
    repeats=find_repeated_licences,
    preview=preview_licences,
    save=save_licences,
    conclude=conclude_licences,
    checksum=licences_checksum,
    version=lambda code: rules_fingerprint(find_licence_list(code).mapping_hash),
    output_table="licence_holders",
    mark_fixed=mark_fixed,
)

PIPELINES = {
    CatalogSource.ContentKind.PRODUCTS: SUPPLIER_PRODUCTS,
    CatalogSource.ContentKind.LICENCES: LICENCES,
}


def pipeline_by_name(name: str) -> Pipeline:
    """Return the pipeline of a name, as recorded with runs."""
    return next(pipeline for pipeline in PIPELINES.values() if pipeline.name == name)


def pipeline_for(row: CatalogSource) -> Pipeline:
    """Return the pipeline for a source's kind of content."""
    return PIPELINES[CatalogSource.ContentKind(row.content_kind)]
