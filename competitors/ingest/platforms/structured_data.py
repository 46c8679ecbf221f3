"""
Web pages with structured data by schema.org: products with offers, in any of three syntaxes.

Each variant of a product is one offer. What a page states several times, in two syntaxes or in
several offers that nothing distinguishes, has to agree; a range of prices is refused. A page that
only lists addresses of products leads to those pages.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin, urlsplit

from parsel import Selector

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
    plain_number,
    read_currency,
    read_html,
    refuse_rejected,
    rejected_record,
    require_price,
    required_name,
    settle_sale,
    text,
    unidentified,
)
from competitors.ingest.platforms.schema_org import Node, read_nodes, walk
from competitors.ingest.platforms.structured_prices import offer_payload, read_offer
from competitors.ingest.platforms.web_pages import (
    first_page_requests,
    next_links,
    next_page_requests,
    path_of,
    slug_of,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

_PRODUCTS = frozenset({"Product", "IndividualProduct", "ProductModel", "SomeProducts", "MenuItem"})
_GROUP = "ProductGroup"
_AGGREGATE = "AggregateOffer"
_GTINS = ("gtin", "gtin14", "gtin13", "gtin12", "gtin8")
_UNIT_CODES = {"GRM": "g", "MGM": "mg", "ONZ": "oz", "MLT": "ml", "KGM": "kg", "LTR": "l"}


class StructuredData:
    """
    Pages of a shop that describe their products by schema.org.

    Options: `urls`, addresses or paths of the first pages; without, the base URL. `currency`, where
    pages state none.
    """

    code = "structured_data"
    label = "Structured data (schema.org)"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first pages. Raises ValueError: addresses of another host."""
        return tuple(first_page_requests(shop))

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each variant of each product. Raises SourceBroken: no products."""
        body = read_html(page)
        selector = Selector(text=body, type="html")
        nodes = read_nodes(body, page.url, selector)
        language = text(selector.xpath("string(/html/@lang)").get())[:2].lower()
        found = _find_listings(nodes, page)
        links = _product_links(nodes, page)
        if not found and not links:
            raise SourceBroken("The page has no products in its structured data.")
        return MenuPage(
            records=tuple(_to_records(found, page, shop, language)),
            items=len(found),
            next_requests=(*links, *next_page_requests(page, next_links(selector))),
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of a variant. Raises RecordRejected."""
        refuse_rejected(record)
        payload = record.payload
        offers = [read_offer(mapping(offer)) for offer in listing(payload.get("offers"))]
        facts = mapping(payload.get("facts"))
        regular = only_price((offer.regular for offer in offers), "price")
        sale = only_price((offer.sale for offer in offers), "price")
        regular, sale = settle_sale(regular, sale, field="price")
        member = only_price((offer.member for offer in offers), "price")
        stocks = {offer.stock for offer in offers} - {Stock.UNKNOWN}
        stock = stocks.pop() if len(stocks) == 1 else Stock.UNKNOWN
        require_price(regular, member=member, field="price", stock=stock)
        currencies = {offer.currency for offer in offers}
        if len(currencies) > 1:
            raise RecordRejected(f"{', '.join(sorted(currencies))} are stated", "priceCurrency")
        taxes = {offer.tax_included for offer in offers} - {None}
        quantities = {offer.quantity for offer in offers} - {None}
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(facts.get("name")),
            brand=text(facts.get("brand")),
            category=text(facts.get("category")),
            size=text(facts.get("size")),
            language=text(payload.get("language")),
            gtin=text(facts.get("gtin")),
            sku=text(facts.get("sku")),
            url=text(facts.get("url")),
            thc=text(facts.get("thc")),
            cbd=text(facts.get("cbd")),
            strain_type=text(facts.get("strain_type")),
            regular_price=regular,
            sale_price=sale,
            member_price=member,
            promotions=tuple(
                dict.fromkeys(promo for offer in offers for promo in offer.promotions)
            ),
            currency=read_currency(currencies.pop() if currencies else "", "priceCurrency"),
            tax_included=taxes.pop() if len(taxes) == 1 else None,
            stock=stock,
            stock_quantity=quantities.pop() if len(quantities) == 1 else None,
            confidence=min((offer.confidence for offer in offers), default=Decimal(1)),
        )


def _product_links(nodes: Sequence[Node], page: Page) -> tuple[PageRequest, ...]:
    """Return the pages of products that a list of a page names without offers."""
    urls: list[str] = []
    for node, _ in walk(nodes):
        if "ItemList" not in node.types or "BreadcrumbList" in node.types:
            continue
        for element in node.values("itemListElement"):
            items = list(element.values("item")) if isinstance(element, Node) else []
            urls += filter(None, map(_linked_url, items or [element]))
    return next_page_requests(page, urls)


def _linked_url(item: Any) -> str:
    """Return the address of a list's item; "" for a product with offers, which needs no page."""
    if not isinstance(item, Node):
        return text(item)
    if item.types & {"Offer", _GROUP} or list(item.nodes("offers")):
        return ""
    return item.text("url") or ("" if item.id[:2] == "_:" else item.id)


# Products of a page


@dataclass(slots=True)
class _Listing:
    """A product of a page with the nodes that describe it."""

    product: Node
    group: Node | None
    offers: list[Node] = field(default_factory=list)


def _find_listings(nodes: Sequence[Node], page: Page) -> list[_Listing]:
    """Return the products of a page; one that two syntaxes describe is one product."""
    found: list[_Listing] = []
    by_name: dict[str, dict[str, _Listing]] = defaultdict(dict)
    for node, parent in walk(nodes):
        product = node
        offers = list(node.nodes("offers"))
        if node.types & {"Offer", "Demand"}:
            product = next(node.nodes("itemOffered"), node)
            if product is node or list(product.nodes("offers")):
                continue
            offers = [node]
        elif not node.types & _PRODUCTS or _is_offered(node, parent):
            continue
        if _GROUP in node.types and list(node.nodes("hasVariant")):
            continue
        if not offers and _is_list_item(parent) and _linked_url(node):
            continue
        group = parent if parent is not None and _GROUP in parent.types else None
        group = group or next(product.nodes("isVariantOf"), None)
        name, identity = product.text("name").casefold(), _identity(product, page)
        same = _same_identity(by_name[name], identity) if name else []
        if len(same) == 1:
            same[0].offers += offers
            continue
        by_name[name][identity] = _Listing(product, group, offers)
        found.append(by_name[name][identity])
    return found


def _same_identity(known: Mapping[str, _Listing], identity: str) -> list[_Listing]:
    """Return the products of one name with an identity; without one, each may be the same."""
    if not identity:
        return list(known.values())[:2]
    return [known[key] for key in (identity, "") if key in known]


def _is_list_item(parent: Node | None) -> bool:
    return parent is not None and bool(parent.types & {"ListItem", "ItemList"})


def _is_offered(node: Node, parent: Node | None) -> bool:
    """Return whether a product is reached through the offer that sells it."""
    return parent is not None and "Offer" in parent.types and node in parent.nodes("itemOffered")


def _identity(product: Node, page: Page) -> str:
    """Return what identifies a product apart from its name; ""."""
    url = product.text("url")
    return first_text(product.text("sku"), product.text(*_GTINS), product.text("productID")) or (
        path_of(urljoin(page.url, url)) if url and urljoin(page.url, url) != page.url else ""
    )


def _to_records(
    listings: Sequence[_Listing], page: Page, shop: ShopAddress, language: str
) -> Iterator[OfferRecord]:
    records: dict[str, list[OfferRecord]] = defaultdict(list)
    for index, entry in enumerate(listings):
        for record in _variant_records(entry, page, shop, language, index):
            records[record.external_id].append(record)
    for external_id, same in records.items():
        yield same[0]
        for position, record in enumerate(same[1:], start=2):
            if record.payload != same[0].payload:
                reason = "several products of the page have this id"
                yield rejected_record(f"{external_id}#{position}", "sku", reason)


def _variant_records(
    entry: _Listing, page: Page, shop: ShopAddress, language: str, index: int
) -> Iterator[OfferRecord]:
    """Yield a record for each variant that the offers of a product distinguish."""
    product_id = _product_id(entry, page)
    if not product_id:
        yield unidentified(page, index, "the product has no id, address or name")
        return
    offers = [offer for node in entry.offers for offer in _single_offers(node)]
    if not offers:
        yield rejected_record(product_id, "offers", "no offer is stated")
        return
    variants: dict[str, list[Node]] = defaultdict(list)
    for offer in offers:
        variants[_variant_key(offer, entry.product, page)].append(offer)
    if len(variants) > 1 and "" in variants:
        # An offer without a mark may be any of the variants.
        variants = {"": offers}
    for key, nodes in variants.items():
        payload = {
            "facts": _read_facts(entry, nodes[0], page),
            "offers": [offer_payload(node, shop) for node in nodes],
            "language": language or text(shop.options.get("language")),
        }
        is_only = len(variants) == 1
        yield OfferRecord(
            external_id=product_id if is_only else f"{product_id}:{key}", payload=payload
        )


def _single_offers(node: Node) -> list[Node]:
    """Return the offers of an aggregate offer, if it lists them, else the offer."""
    inner = list(node.nodes("offers")) if _AGGREGATE in node.types else []
    return inner or [node]


def _product_id(entry: _Listing, page: Page) -> str:
    product = entry.product
    sku = first_text(product.text("sku"), *(offer.text("sku") for offer in entry.offers[:1]))
    gtin = product.text(*_GTINS)
    url = product.text("url") or next((offer.text("url") for offer in entry.offers), "")
    name = slug_of(
        first_text(product.text("name"), entry.group.text("name") if entry.group else "")
    )
    candidates = (
        ("sku", sku if len(entry.offers) <= 1 else product.text("sku")),
        ("gtin", gtin),
        ("id", product.text("productID", "mpn")),
        ("url", path_of(urljoin(page.url, url)) if url else ""),
        ("name", name),
    )
    return next((f"{kind}:{value}"[:180] for kind, value in candidates if value), "")


def _variant_key(offer: Node, product: Node, page: Page) -> str:
    """Return what distinguishes an offer from the others of its product; ""."""
    item = next(offer.nodes("itemOffered"), None)
    candidates = [
        offer.text("sku"),
        offer.text(*_GTINS),
        item.text("sku", "size", "name") if item else "",
        offer.text("size"),
    ]
    if offer.text("name").casefold() != product.text("name").casefold():
        candidates.append(offer.text("name"))
    url = offer.text("url")
    query = urlsplit(urljoin(page.url, url)).query if url else ""
    candidates.append(query if "variant" in query.lower() else "")
    return next((candidate for candidate in candidates if candidate), "")


def _read_facts(entry: _Listing, offer: Node, page: Page) -> dict[str, str]:
    """Return the facts of a variant: its own before those of the offer and the group."""
    item = next(offer.nodes("itemOffered"), None)
    nodes = [node for node in (item, entry.product, entry.group) if node is not None]

    def fact(*names: str) -> str:
        return first_text(*(node.text(*names) for node in nodes))

    url = first_text(offer.text("url"), fact("url"))
    name = fact("name")
    offer_name = offer.text("name")
    properties = _additional_properties([offer, *nodes])
    size = first_text(
        *(_measure(node, "size") or _measure(node, "weight") for node in [offer, *nodes]),
        properties.get("size"),
        properties.get("weight"),
        properties.get("format"),
        offer_name if offer_name.casefold() not in (name.casefold(), "") else "",
    )
    return {
        "name": name,
        "brand": first_text(fact("brand"), fact("manufacturer")),
        "category": " > ".join(
            next((n.texts("category") for n in nodes if n.texts("category")), [])
        ),
        "size": size,
        "gtin": first_text(offer.text(*_GTINS), fact(*_GTINS)),
        "sku": first_text(offer.text("sku"), fact("sku")),
        "url": urljoin(page.url, url) if url else page.url,
        "thc": properties.get("thc", ""),
        "cbd": properties.get("cbd", ""),
        "strain_type": first_text(properties.get("strain type"), properties.get("plant type")),
    }


def _additional_properties(nodes: Sequence[Node]) -> dict[str, str]:
    properties: dict[str, str] = {}
    for node in nodes:
        for entry in node.nodes("additionalProperty"):
            name = entry.text("name", "propertyID").lower().removesuffix(" content")
            value, unit = entry.text("value"), _unit(entry)
            if value:
                sign = unit if not unit or unit == "%" else f" {unit}"
                properties.setdefault(name, f"{value}{sign}")
    return properties


def _measure(node: Node, name: str) -> str:
    """Return a size or weight: a text, or a quantity with its unit."""
    for value in node.values(name):
        if not isinstance(value, Node):
            return text(value)
        quantity = plain_number(value.text("value"))
        if quantity:
            return f"{quantity} {_unit(value)}".strip()
        if value.text("name"):
            return value.text("name")
    return ""


def _unit(node: Node) -> str:
    code = node.text("unitCode")
    return node.text("unitText") or _UNIT_CODES.get(code.upper(), "%" if code == "P1" else code)


STRUCTURED_DATA = StructuredData()
