"""Console pages of customers and recommendations."""

from customers.admin import (  # noqa: F401  # importing the modules registers their pages
    assortment,
    chats,
    home_charts,
    lineage,
    profiles,
    rules,
    scenarios,
    statistics,
    texts,
)
