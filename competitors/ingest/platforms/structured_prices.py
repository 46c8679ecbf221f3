"""
Prices and stock of an offer by schema.org.

A price is a number, a text for readers, or one of several specifications: list and sale prices,
prices for members, for several pieces, or per unit of measure. What an offer states twice has to
agree; a range, or nothing but a price per unit, is refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from competitors.ingest.offers import Promotion, ShopAddress, Stock
from competitors.ingest.platforms.reading import (
    listing,
    mapping,
    only_price,
    plain_number,
    read_currency,
    read_stated_price,
    stated_currency,
    text,
    whole_number,
)
from competitors.ingest.platforms.schema_org import Node
from competitors.ingest.price_text import PriceReading
from mlops.pipelines.errors import RecordRejected

_AVAILABILITY = {
    "instock": Stock.IN_STOCK,
    "instoreonly": Stock.IN_STOCK,
    "onlineonly": Stock.IN_STOCK,
    "limitedavailability": Stock.LOW,
    "outofstock": Stock.OUT,
    "soldout": Stock.OUT,
    "discontinued": Stock.OUT,
    "backorder": Stock.OUT,
}
_LIST_PRICES = frozenset({"listprice", "strikethroughprice", "regularprice"})
_SALE_PRICES = frozenset({"saleprice"})
_OTHER_PRICES = frozenset({"msrp", "srp", "minimumadvertisedprice", "invoiceprice"})
_CHARGES = frozenset({"DeliveryChargeSpecification", "PaymentChargeSpecification"})
# A specification with one of these is a part of a price, or one under a condition.
_PARTS_AND_CONDITIONS = (
    "priceComponentType",
    "billingDuration",
    "billingIncrement",
    "eligibleTransactionVolume",
    "eligibleCustomerType",
)
_PIECES = frozenset({"", "c62", "ea", "h87", "nmp", "each", "unit", "piece", "pcs", "package"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedOffer:
    """Prices and stock that an offer of a page states; None: not stated."""

    regular: Decimal | None
    sale: Decimal | None
    member: Decimal | None
    currency: str
    tax_included: bool | None
    stock: Stock
    quantity: int | None
    promotions: tuple[Promotion, ...]
    confidence: Decimal


def offer_payload(offer: Node, shop: ShopAddress) -> dict[str, Any]:
    """Return the fields of an offer that its prices are read from."""
    return {
        "prices": [text(value) for value in offer.values("price")],
        "low": [text(value) for value in offer.values("lowPrice")],
        "high": [text(value) for value in offer.values("highPrice")],
        "currencies": offer.texts("priceCurrency"),
        "currency_of_shop": stated_currency(shop),
        "specifications": [_to_specification(node) for node in offer.nodes("priceSpecification")],
        "availability": offer.texts("availability"),
        "inventory": _inventory(offer),
        "is_conditional": bool(
            list(offer.values("eligibleTransactionVolume", "eligibleCustomerType"))
        )
        or any("LeaseOut" in function for function in offer.texts("businessFunction")),
        "is_for_members": bool(list(offer.values("validForMemberTier"))),
        "min_quantity": _min_quantity(offer),
    }


def _inventory(offer: Node) -> list[str]:
    levels = [
        level
        for value in offer.values("inventoryLevel")
        for level in (value.values("value") if isinstance(value, Node) else (value,))
    ]
    return list(map(text, levels))


def _to_specification(node: Node) -> dict[str, Any]:
    return {
        "types": node.texts("priceType"),
        "prices": [text(value) for value in node.values("price")],
        "range": [text(value) for value in node.values("minPrice", "maxPrice")],
        "currencies": node.texts("priceCurrency"),
        "tax": list(node.values("valueAddedTaxIncluded")),
        "is_per_unit": _is_per_unit(node),
        "is_charge": bool(node.types & _CHARGES or list(node.values(*_PARTS_AND_CONDITIONS))),
        "is_for_members": bool(list(node.values("validForMemberTier", "membershipPointsEarned"))),
        "min_quantity": _min_quantity(node),
    }


def _is_per_unit(node: Node) -> bool:
    """Return whether a price is one of a measure: "10" per gram."""
    units = {text(unit).lower() for unit in node.texts("unitCode", "unitText")}
    return bool(list(node.values("referenceQuantity")) or units - _PIECES)


def _min_quantity(node: Node) -> int | None:
    for quantity in node.nodes("eligibleQuantity"):
        return whole_number(quantity.text("minValue", "value"))
    return None


def read_offer(offer: Mapping[str, Any]) -> StatedOffer:
    """Return the prices and stock of a stored offer. Raises RecordRejected."""
    stated = [
        _Stated(kind, read_stated_price(written, "price"), quantity)
        for kind, written, quantity in _stated_prices(offer)
    ]
    regular, sale = _regular_and_sale(stated)
    quantities = {whole_number(value) for value in listing(offer.get("inventory"))}
    quantity = quantities.pop() if len(quantities) == 1 else None
    return StatedOffer(
        regular=regular,
        sale=sale,
        member=only_price(
            (
                entry.reading.regular if entry.kind == "member" else entry.reading.member
                for entry in stated
            ),
            "price",
        ),
        currency=_read_offer_currency(offer, [entry.reading.currency for entry in stated]),
        tax_included=_read_tax(offer, stated),
        stock=_read_availability(offer, quantity),
        quantity=quantity,
        promotions=tuple(_promotions(stated)),
        confidence=min((entry.reading.confidence for entry in stated), default=Decimal(1)),
    )


@dataclass(frozen=True, slots=True)
class _Stated:
    """A price of an offer. kind: price, list, sale, member, or several (from quantity pieces)."""

    kind: str
    reading: PriceReading
    quantity: int


def _regular_and_sale(stated: Sequence[_Stated]) -> tuple[Decimal | None, Decimal | None]:
    """Return the regular price and the lower one that everyone gets."""

    def of_kind(*kinds: str) -> Iterator[Decimal | None]:
        return (entry.reading.regular for entry in stated if entry.kind in kinds)

    reduced = [entry.reading.sale for entry in stated if entry.kind in ("price", "list")]
    sale = only_price((*of_kind("sale"), *reduced), "price")
    current = only_price(of_kind("price"), "price")
    list_price = only_price(of_kind("list"), "priceSpecification")
    if list_price is None:
        return (None, current) if current == sale else (current, sale)
    return list_price, only_price((sale, current), "price")


def _promotions(stated: Sequence[_Stated]) -> Iterator[Promotion]:
    for entry in stated:
        if entry.kind == "several" and entry.reading.regular is not None:
            text_of_price = f"{entry.reading.regular} each from {entry.quantity}"
            yield Promotion(type="multi_buy", text=text_of_price, quantity=entry.quantity)
        yield from entry.reading.promotions


def _stated_prices(offer: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """
    Yield the prices of an offer: kind, text, number of pieces.

    Raises RecordRejected: a range, a condition, or nothing but a price per unit.
    """
    _refuse_range(offer)
    if offer.get("is_conditional"):
        raise RecordRejected("is a price under a condition", "offers")
    quantity = offer.get("min_quantity") or 1
    kind = "several" if quantity > 1 else "price"
    kind = "member" if offer.get("is_for_members") else kind
    written_prices = listing(offer.get("prices")) or listing(offer.get("low"))
    for written in written_prices:
        yield kind, text(written), quantity
    for specification in map(mapping, listing(offer.get("specifications"))):
        kind = _kind_of_specification(specification, is_stated=bool(written_prices))
        for written in listing(specification.get("prices")) if kind else ():
            yield kind, text(written), specification.get("min_quantity") or 1


def _refuse_range(offer: Mapping[str, Any]) -> None:
    low, high = (set(listing(offer.get(name))) for name in ("low", "high"))
    if low and high and {plain_number(value) for value in low} != {plain_number(v) for v in high}:
        raise RecordRejected("is a range of prices", "lowPrice")
    if bool(low) != bool(high) and not offer.get("prices"):
        raise RecordRejected("only one end of a range of prices is stated", "lowPrice")


def _kind_of_specification(specification: Mapping[str, Any], *, is_stated: bool) -> str:
    """Return the kind of a price specification; "" for one that is no price of the offer."""
    types = {text(name).rpartition("/")[2].lower() for name in listing(specification.get("types"))}
    if types & _OTHER_PRICES or specification.get("is_charge"):
        return ""
    if types & _LIST_PRICES:
        return "list"
    if specification.get("is_for_members"):
        return "member"
    if (specification.get("min_quantity") or 1) > 1:
        return "several"
    if specification.get("is_per_unit"):
        if is_stated:
            return ""
        raise RecordRejected("only a price per unit is stated", "priceSpecification")
    if specification.get("range") and not specification.get("prices") and not is_stated:
        raise RecordRejected("is a range of prices", "priceSpecification")
    return "sale" if types & _SALE_PRICES else "price"


def _read_offer_currency(offer: Mapping[str, Any], read: Sequence[str]) -> str:
    """Return the currency of an offer: stated, named in the price, or that of the shop."""
    stated = {
        read_currency(currency, "priceCurrency")
        for source in (offer, *map(mapping, listing(offer.get("specifications"))))
        for currency in listing(source.get("currencies"))
    }
    named = {currency for currency in read if currency}
    if len(stated) > 1 or (stated and named and stated != named):
        raise RecordRejected(f"{', '.join(sorted(stated | named))} are stated", "priceCurrency")
    if stated or named:
        return next(iter(stated or named))
    return read_currency(offer.get("currency_of_shop"), "priceCurrency")


def _read_tax(offer: Mapping[str, Any], stated: Sequence[_Stated]) -> bool | None:
    """Return whether tax is included; None where nothing says so, or two statements differ."""
    taxes = {entry.reading.tax_included for entry in stated}
    for specification in map(mapping, listing(offer.get("specifications"))):
        taxes |= {_truth(value) for value in listing(specification.get("tax"))}
    taxes -= {None}
    return taxes.pop() if len(taxes) == 1 else None


def _read_availability(offer: Mapping[str, Any], quantity: int | None) -> Stock:
    words = {
        re.sub(r"[\s_-]", "", text(value).rstrip("/").rpartition("/")[2].rpartition(":")[2]).lower()
        for value in listing(offer.get("availability"))
    }
    stocks = {_AVAILABILITY.get(word, Stock.UNKNOWN) for word in words} - {Stock.UNKNOWN}
    if len(stocks) == 1:
        return stocks.pop()
    if quantity is not None and not stocks:
        return Stock.IN_STOCK if quantity > 0 else Stock.OUT
    return Stock.UNKNOWN


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(text(value).rpartition("/")[2].lower())
