"""Admin pages of the catalogue."""

from catalog.admin import (
    alert_links,
    corrections,
    duplicates,
    first_steps,
    licences,
    listings,
    palette,
    products,
    quarantine,
    sources,
    stores,
    task_tray,
    work,
)

__all__ = [
    "alert_links",
    "corrections",
    "duplicates",
    "first_steps",
    "licences",
    "listings",
    "palette",
    "products",
    "quarantine",
    "sources",
    "stores",
    "task_tray",
    "work",
]
