"""Records of the pipeline of offers: as parsed from a page, as read, and cleaned."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from competitors.ingest.offers import ExtractedOffer, OfferRecord, Stock
from competitors.ingest.platforms import Platform

SOURCE_PREFIX = "competitor:"
"""Runs and raw records of a competitor have this prefix and its code as their source."""


def competitor_code(source: str) -> str:
    """Return the code of the competitor of a run's source."""
    return source.removeprefix(SOURCE_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuRecord:
    """
    A record of a menu page, with what is known of its shop and page.

    location: the platform's id of the location; "" where the shop has one menu. language and
    is_tax_included hold where the record does not say. capture_hash: sha256 of the page;
    observed_at: when the page was received; None for a quarantined record that is replayed.
    """

    record: OfferRecord
    platform: Platform
    source: str
    location: str = ""
    language: str = ""
    is_tax_included: bool | None = None
    capture_hash: str = ""
    observed_at: datetime | None = None

    @property
    def external_id(self) -> str:
        """The platform's id of the item."""
        return self.record.external_id

    @property
    def payload(self) -> Mapping[str, Any]:
        """Location, id and data of the record, from which a source builds it again."""
        return {
            "location": self.location,
            "external_id": self.record.external_id,
            "item": self.record.payload,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOffer:
    """An offer as the platform's parser read it, with the record it was read from."""

    menu_record: MenuRecord
    extracted: ExtractedOffer


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanOffer:
    """
    A cleaned offer; fields but source, location and observed_at are columns of `competitor_offers`.

    At least one of regular_price and sale_price is given unless the item is out of stock.
    sale_price is below regular_price.
    """

    source: str
    location: str
    external_id: str
    name: str
    brand: str
    category: str
    size: str
    language: str
    gtin: str
    sku: str
    url: str
    thc: str
    cbd: str
    weight_grams: Decimal | None
    unit_count: int | None
    volume_ml: Decimal | None
    thc_mg: Decimal | None
    dried_equivalent_grams: Decimal | None
    regular_price: Decimal | None
    sale_price: Decimal | None
    member_price: Decimal | None
    promotions: tuple[Mapping[str, Any], ...]
    currency: str
    is_tax_included: bool | None
    stock: Stock
    stock_quantity: int | None
    confidence: Decimal
    extractor_version: str
    capture_hash: str = ""
    observed_at: datetime | None = None

    @property
    def price(self) -> Decimal | None:
        """The price that anyone gets: the sale price, else the regular price."""
        return self.regular_price if self.sale_price is None else self.sale_price
