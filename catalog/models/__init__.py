"""Models of the catalogue: sources, listings, products, imports, strains, stores, search."""

from catalog.models.bulk_edits import BulkEdit
from catalog.models.corrections import ProductLock, ReviewItem
from catalog.models.imports import ProductImport
from catalog.models.licences import LicenceHolder
from catalog.models.listings import SupplierListing
from catalog.models.merging import MatchDecision, ProductAlias
from catalog.models.product_views import ProductColumnChoice, ProductView
from catalog.models.products import Product
from catalog.models.search import SearchWeights, SearchWord
from catalog.models.sources import CatalogSource
from catalog.models.stores import Store, StoreStock
from catalog.models.strains import ImportedStrain

__all__ = [
    "BulkEdit",
    "CatalogSource",
    "ImportedStrain",
    "LicenceHolder",
    "MatchDecision",
    "Product",
    "ProductAlias",
    "ProductColumnChoice",
    "ProductImport",
    "ProductLock",
    "ProductView",
    "ReviewItem",
    "SearchWeights",
    "SearchWord",
    "Store",
    "StoreStock",
    "SupplierListing",
]
