"""Menu platforms: which pages a menu has, and how offers are read from them. Pure functions."""

from typing import Protocol

from competitors.ingest.offers import (
    ExtractedOffer,
    MenuPage,
    OfferRecord,
    Page,
    PageRequest,
    ShopAddress,
)


class Platform(Protocol):
    """
    A menu platform.

    code: name in the database, for example "shopify". version: raised when the same bytes would be
    read differently.
    """

    code: str
    label: str
    version: int

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the requests that start a crawl. Raises ValueError: an option is missing."""

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return records and following requests of a page. Raises SourceBroken: not a menu."""

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of a record. Raises RecordRejected with field and reason."""
