"""Value types of extraction: pages of a menu, their records, and the offers read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal


class Stock(StrEnum):
    """Stock status of an offer."""

    IN_STOCK = "in_stock"
    LOW = "low"
    OUT = "out"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopAddress:
    """
    Where the menu of a shop is.

    location: the platform's id of the location; "" where the shop has one menu. options: settings
    of the platform, for example selectors. api_key: "" without an official API.
    """

    base_url: str
    location: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """
    A page to fetch. key: names the page within its location, for example "page-0002"; unique.

    body: JSON text of a POST request.
    """

    key: str
    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as received. body: decompressed bytes."""

    request: PageRequest
    url: str
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRecord:
    """
    One item that can be bought, as the platform states it.

    external_id: the platform's id of the item or variant; stable from crawl to crawl and different
    for two weights of one product. payload: what `read_record` needs, as received.
    """

    external_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuPage:
    """
    Content of a page of a menu.

    next_requests: pages to fetch after it. stated_count: number of items of the whole menu as the
    platform states it; None: not stated. items: listings on this page (one listing may have several
    records, one for each weight).
    """

    records: tuple[OfferRecord, ...]
    items: int
    next_requests: tuple[PageRequest, ...] = ()
    stated_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """
    A condition under which a lower price applies; never the price itself.

    type: "multi_buy" (quantity for total), "member", "code", "bundle" or "other".
    """

    type: str
    text: str
    quantity: int | None = None
    total: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedOffer:
    """
    An offer as read from a record; None or "": not stated.

    regular_price, sale_price: for one unit as sold, in `currency`; sale_price only if anyone gets
    it now. At least one price is stated unless the item is out of stock. size: as written. thc,
    cbd: potency as written, with its unit. names: name by language, where the shop states several.
    tax_included: None where the page does not say.
    confidence: 0 to 1; how certain the reading of the price is.
    """

    external_id: str
    name: str
    names: Mapping[str, str] = field(default_factory=dict)
    brand: str = ""
    category: str = ""
    size: str = ""
    language: str = ""
    gtin: str = ""
    sku: str = ""
    url: str = ""
    strain_type: str = ""
    thc: str = ""
    cbd: str = ""
    regular_price: Decimal | None
    sale_price: Decimal | None = None
    member_price: Decimal | None = None
    promotions: tuple[Promotion, ...] = ()
    currency: str = "CAD"
    tax_included: bool | None = None
    stock: Stock = Stock.UNKNOWN
    stock_quantity: int | None = None
    confidence: Decimal = Decimal(1)
    payload: Mapping[str, Any] = field(default_factory=dict)
