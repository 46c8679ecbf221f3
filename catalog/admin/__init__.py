"""Admin pages of the catalogue."""

from catalog.admin import (
    corrections,
    duplicates,
    licences,
    listings,
    palette,
    products,
    quarantine,
    sources,
    stores,
    work,
)

__all__ = [
    "corrections",
    "duplicates",
    "licences",
    "listings",
    "palette",
    "products",
    "quarantine",
    "sources",
    "stores",
    "work",
]
