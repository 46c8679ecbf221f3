"""The road of supplier products, whole; and which road a source takes."""

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.enrichment import enrich_listing
from catalog.ingest.fingerprint import refinery_version
from catalog.ingest.licences import LICENCES
from catalog.ingest.sources.registry import find_source
from catalog.models import CatalogSource
from catalog.selectors import access_to
from catalog.services.feed_guard import conclude_feed, survey_feed
from catalog.services.listings import preview_listings, save_listings, source_checksum
from mlops.pipelines.definitions import Pipeline

SUPPLIER_PRODUCTS = Pipeline(
    name="catalog.supplier_products",
    source=find_source,
    access=access_to,
    survey=survey_feed,
    stages=(clean_listing, enrich_listing),
    preview=preview_listings,
    save=save_listings,
    conclude=conclude_feed,
    checksum=source_checksum,
    version=refinery_version,
    output_table="supplier_listings",
)

PIPELINES = {
    CatalogSource.Holds.PRODUCTS: SUPPLIER_PRODUCTS,
    CatalogSource.Holds.LICENCES: LICENCES,
}


def pipeline_named(name: str) -> Pipeline:
    """Return the road of a name, as runs bear it."""
    return next(pipeline for pipeline in PIPELINES.values() if pipeline.name == name)


def pipeline_of(row: CatalogSource) -> Pipeline:
    """Return the road that what a source holds takes."""
    return PIPELINES[CatalogSource.Holds(row.holds)]
