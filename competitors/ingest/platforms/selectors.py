"""
Web pages without structured data: fields found by CSS selectors or XPath that staff enter.

The last resort. A selector of a price that finds several different texts is refused; so is a text
that is not one price. A page on which the selector of items finds nothing is broken, since a new
design and an empty menu look the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin

from parsel import Selector

from catalog.ingest.cleaning.stock import read_stock
from competitors.ingest.offers import (
    ExtractedOffer,
    MenuPage,
    OfferRecord,
    Page,
    PageRequest,
    ShopAddress,
    Stock,
)
from competitors.ingest.platforms.reading import (
    first_text,
    listing,
    mapping,
    only_price,
    read_currency,
    read_html,
    read_stated_price,
    refuse_rejected,
    rejected_record,
    require_price,
    required_name,
    settle_sale,
    stated_currency,
    text,
    unidentified,
    whole_number,
)
from competitors.ingest.platforms.web_pages import (
    first_page_requests,
    next_page_requests,
    path_of,
    slug_of,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

FIELDS = (
    "id",
    "name",
    "brand",
    "category",
    "size",
    "sku",
    "gtin",
    "url",
    "strain_type",
    "thc",
    "cbd",
    "price",
    "regular_price",
    "sale_price",
    "member_price",
    "currency",
    "stock",
)
"""Fields that may have selectors; name, and price or regular_price are required."""
_PRICES = ("price", "regular_price", "sale_price", "member_price")
_SCRIPTS = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_OTHER_TAGS = re.compile(r"<(?!/?(?:del|s|strike|ins|sup)\b)[^<>]*>", re.IGNORECASE)
_IS_XPATH = re.compile(r"\s*(?:xpath:|\.?/|\()")


class Selectors:
    """
    Pages of a shop, read by selectors.

    Options: `item`, the selector of one product; `fields`, selectors within it by name (see
    `FIELDS`); `next`, links to following pages; `count`, the stated number of products; `urls`,
    the first pages; `currency`, if it is not CAD; `language`. A selector is CSS, also with ::text
    and ::attr(…), or XPath where it begins with "/", "./", "(" or "xpath:".
    """

    code = "selectors"
    label = "Selectors"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first pages. Raises ValueError: a selector is missing or cannot be read."""
        _check_options(shop.options)
        return tuple(first_page_requests(shop))

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each item. Raises SourceBroken: the page has no items."""
        selector = Selector(text=read_html(page), type="html")
        items = _select(selector, text(shop.options.get("item")))
        if not items:
            raise SourceBroken("The selector of items finds nothing on the page.")
        next_selector = text(shop.options.get("next"))
        urls = _hrefs(_select(selector, next_selector)) if next_selector else []
        count_selector = text(shop.options.get("count"))
        counts = _texts(_select(selector, count_selector)) if count_selector else []
        language = text(shop.options.get("language")) or text(
            selector.xpath("string(/html/@lang)").get()
        )
        return MenuPage(
            records=tuple(_to_records(items, page, shop, language[:2].lower())),
            items=len(items),
            next_requests=next_page_requests(page, urls),
            stated_count=_read_count(counts),
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of an item. Raises RecordRejected."""
        refuse_rejected(record)
        texts = mapping(record.payload.get("texts"))

        def only(name: str) -> str:
            values = [text(value) for value in listing(texts.get(name))]
            if len(values) > 1:
                raise RecordRejected(f"the selector finds {len(values)} different texts", name)
            return first_text(*values)

        readings = {name: read_stated_price(only(name), name) for name in _PRICES if only(name)}
        price = readings.get("price")
        regular = only_price(
            (reading.regular for name, reading in readings.items() if name[:2] in ("pr", "re")),
            "price",
        )
        sale_reading = readings.get("sale_price")
        sale = only_price(
            (
                price.sale if price else None,
                (sale_reading.regular or sale_reading.sale) if sale_reading else None,
            ),
            "sale_price",
        )
        member_reading = readings.get("member_price")
        member = only_price(
            (
                price.member if price else None,
                (member_reading.regular or member_reading.member) if member_reading else None,
            ),
            "member_price",
        )
        regular, sale = settle_sale(regular, sale, field="sale_price")
        stock, quantity = _read_stock(only("stock"))
        require_price(regular, member=member, field="price", stock=stock)
        taxes = {reading.tax_included for reading in readings.values()} - {None}
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(*listing(texts.get("name"))),
            brand=only("brand"),
            category=" > ".join(map(text, listing(texts.get("category")))),
            size=only("size"),
            language=text(record.payload.get("language")),
            gtin=only("gtin"),
            sku=only("sku"),
            url=text(record.payload.get("url")),
            strain_type=only("strain_type"),
            thc=only("thc"),
            cbd=only("cbd"),
            regular_price=regular,
            sale_price=sale,
            member_price=member,
            promotions=tuple(
                promotion for reading in readings.values() for promotion in reading.promotions
            ),
            currency=_read_currency(
                only("currency"),
                [reading.currency for reading in readings.values()],
                text(record.payload.get("currency")),
            ),
            tax_included=taxes.pop() if len(taxes) == 1 else None,
            stock=stock,
            stock_quantity=quantity,
            confidence=min(
                (reading.confidence for reading in readings.values()), default=Decimal(1)
            ),
        )


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError when selectors are missing, unknown or cannot be read."""
    fields = options.get("fields")
    if not text(options.get("item")):
        raise ValueError("item: the selector of one product is missing")
    if not isinstance(fields, dict) or not fields:
        raise ValueError("fields: has to be an object of selectors by name")
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise ValueError(f"fields: {unknown[0]} is unknown; known are {', '.join(FIELDS)}")
    if not fields.get("name") or not (fields.get("price") or fields.get("regular_price")):
        raise ValueError("fields: selectors of name and price are required")
    empty = Selector(text="<html><body></body></html>", type="html")
    entries = {"item": options.get("item"), "next": options.get("next"), **fields}
    for name, written in {**entries, "count": options.get("count")}.items():
        if not written:
            continue
        try:
            _select(empty, text(written))
        except ValueError as error:
            raise ValueError(f"{name}: {written!r} is not a selector") from error


def _select(selector: Selector, written: str) -> list[Selector]:
    """Return what a selector finds. Raises ValueError: it cannot be read."""
    try:
        if _IS_XPATH.match(written):
            return list(selector.xpath(written.strip().removeprefix("xpath:")))
        return list(selector.css(written))
    except SyntaxError as error:  # cssselect's errors are syntax errors
        raise ValueError(str(error)) from error


def _texts(found: Sequence[Selector]) -> list[str]:
    """Return the different texts of elements, texts and attributes, without empty ones."""
    texts = (
        text(element.get() if isinstance(element.root, str) else element.xpath("string()").get())
        for element in found
    )
    return list(dict.fromkeys(filter(None, texts)))


def _price_texts(found: Sequence[Selector]) -> list[str]:
    """Return the different texts of prices, with the tags that mark former prices and cents."""
    texts = (text(_OTHER_TAGS.sub(" ", _SCRIPTS.sub(" ", element.get()))) for element in found)
    return list(dict.fromkeys(filter(None, texts)))


def _hrefs(found: Sequence[Selector]) -> list[str]:
    """Return the addresses that links or texts state."""
    return [
        text(element.get() if isinstance(element.root, str) else element.attrib.get("href"))
        for element in found
    ]


def _to_records(
    items: Sequence[Selector], page: Page, shop: ShopAddress, language: str
) -> Iterator[OfferRecord]:
    fields = mapping(shop.options.get("fields"))
    seen: set[str] = set()
    for index, item in enumerate(items):
        texts = {
            name: (_price_texts if name in _PRICES else _texts)(_select(item, text(written)))
            for name, written in fields.items()
            if written
        }
        url = urljoin(page.url, next(iter(texts.get("url") or _link(item)), "")) if item else ""
        external_id = _external_id(texts, url, page)
        if not external_id:
            yield unidentified(page, index, "the selectors find no id, address or name", "name")
        elif external_id in seen:
            reason = "several items of the page have this id"
            yield rejected_record(f"{external_id}#{index}", "id", reason)
        else:
            seen.add(external_id)
            payload = {
                "texts": {name: values for name, values in texts.items() if values},
                "url": url if url != page.url else "",
                "currency": stated_currency(shop),
                "language": language,
            }
            yield OfferRecord(external_id=external_id, payload=payload)


def _link(item: Selector) -> list[str]:
    """Return the address of the only link of an item."""
    links = list(dict.fromkeys(item.xpath(".//a/@href").getall()))
    return links if len(links) == 1 else []


def _external_id(texts: Mapping[str, Sequence[str]], url: str, page: Page) -> str:
    size = slug_of(next(iter(texts.get("size", ())), ""))
    name = slug_of(next(iter(texts.get("name", ())), ""))
    path = path_of(url) if url and url != page.url else ""
    candidates = (
        ("id", next(iter(texts.get("id", ())), "")),
        ("sku", next(iter(texts.get("sku", ())), "")),
        ("url", f"{path}:{size}" if path and size else path),
        ("name", f"{name}:{size}" if name and size else name),
    )
    return next((f"{kind}:{value}"[:180] for kind, value in candidates if value), "")


def _read_count(texts: Sequence[str]) -> int | None:
    """Return the one number of a text such as "120 products"."""
    numbers = {number for written in texts for number in re.findall(r"\d+", written)}
    return whole_number(numbers.pop()) if len(numbers) == 1 else None


def _read_stock(written: str) -> tuple[Stock, int | None]:
    """Return stock status and quantity of a text; unknown where it is neither."""
    try:
        reading = read_stock(written)
    except RecordRejected:
        return Stock.UNKNOWN, None
    quantity = None if reading.quantity is None else int(reading.quantity)
    if reading.in_stock is None:
        return Stock.UNKNOWN, quantity
    return (Stock.IN_STOCK if reading.in_stock else Stock.OUT), quantity


def _read_currency(field: str, named: Sequence[str], of_shop: str) -> str:
    """Return the currency of the field, of the prices or of the shop; they have to agree."""
    stated = {read_currency(code) for code in (field, *named) if code}
    if len(stated) > 1:
        raise RecordRejected(f"{', '.join(sorted(stated))} are stated", "currency")
    return stated.pop() if stated else read_currency(of_shop or "CAD")


SELECTORS = Selectors()
