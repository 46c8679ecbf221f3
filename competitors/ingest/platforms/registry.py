"""The platforms by their code, the value of `competitors.platform`."""

from collections.abc import Mapping
from types import MappingProxyType

from competitors.ingest.platforms import Platform
from competitors.ingest.platforms.dispense import DISPENSE
from competitors.ingest.platforms.dutchie import DUTCHIE
from competitors.ingest.platforms.jane import JANE
from competitors.ingest.platforms.leafly import LEAFLY
from competitors.ingest.platforms.selectors import SELECTORS
from competitors.ingest.platforms.shopify import SHOPIFY
from competitors.ingest.platforms.structured_data import STRUCTURED_DATA
from competitors.ingest.platforms.sweed import SWEED
from competitors.ingest.platforms.weedmaps import WEEDMAPS
from competitors.ingest.platforms.woocommerce import WOOCOMMERCE

_ALL: tuple[Platform, ...] = (
    SHOPIFY,
    WOOCOMMERCE,
    DUTCHIE,
    JANE,
    WEEDMAPS,
    LEAFLY,
    SWEED,
    DISPENSE,
    STRUCTURED_DATA,
    SELECTORS,
)

PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.code: platform for platform in _ALL})


def find_platform(code: str) -> Platform:
    """Return the platform of a code. Raises KeyError: unknown."""
    return PLATFORMS[code]
