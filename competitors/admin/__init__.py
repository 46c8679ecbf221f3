"""Console pages of competitors."""

from competitors.admin import (  # noqa: F401  # registers pages and the panel
    alert_links,
    competitors,
    guards,
    home_charts,
    offers,
    palette,
    price_suggestions,
    product_panel,
    work,
)
