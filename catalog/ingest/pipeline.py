"""The road of supplier products, whole."""

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.enrichment import enrich_listing
from catalog.ingest.sources import ocs, sqdc
from catalog.services.listings import save_listings, source_checksum
from mlops.flow.sources import Pipeline

SUPPLIER_PRODUCTS = Pipeline(
    name="catalog.supplier_products",
    sources=(ocs.SOURCE, sqdc.SOURCE),
    stages=(clean_listing, enrich_listing),
    save=save_listings,
    checksum=source_checksum,
    output_table="supplier_listings",
)
