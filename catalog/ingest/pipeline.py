"""The road of supplier products, whole."""

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.enrichment import enrich_listing
from catalog.ingest.sources import aglc, ocs, sqdc
from catalog.services.guarding import retire_listings, survey_feed
from catalog.services.listings import save_listings, source_checksum
from mlops.flow.sources import Pipeline

SUPPLIER_PRODUCTS = Pipeline(
    name="catalog.supplier_products",
    sources=(ocs.SOURCE, aglc.SOURCE, sqdc.SOURCE),
    stages=(clean_listing, enrich_listing),
    survey=survey_feed,
    save=save_listings,
    retire=retire_listings,
    checksum=source_checksum,
    output_table="supplier_listings",
)
