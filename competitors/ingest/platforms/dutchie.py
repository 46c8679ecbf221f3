"""
Dutchie menus: the consumer API, the official Plus API, and the Joint copy of it.

The consumer API states prices as lists beside the list of options (sizes): regular, recreational,
medical and special ones. Each option is one offer. A list of another length than the options is
refused, since no one knows which price belongs to which size. Plus and Joint have variants with
their own prices. Medical prices are member prices.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from competitors.ingest.offers import (
    ExtractedOffer,
    MenuPage,
    OfferRecord,
    Page,
    PageRequest,
    Promotion,
    ShopAddress,
    Stock,
)
from competitors.ingest.platforms.reading import (
    base_url,
    default_currency,
    first_text,
    listing,
    mapping,
    only_price,
    page_key,
    page_number,
    pick,
    potency,
    read_currency,
    read_json,
    read_optional_price,
    read_price,
    read_promotion,
    refuse_errors,
    refuse_rejected,
    refuse_unexpected_empty,
    rejected_record,
    require_price,
    required_location,
    required_name,
    settle_member_price,
    settle_sale,
    stock_of_quantity,
    text,
    unidentified,
    whole_number,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

PAGE_SIZE = 50
PLUS_PAGE_SIZE = 200
_NO_OPTION = frozenset({"", "N/A", "n/a", "each", "Each"})
_PRICE_LISTS = {
    "price": "Prices",
    "rec": "recPrices",
    "medical": "medicalPrices",
    "rec_special": "recSpecialPrices",
    "medical_special": "medicalSpecialPrices",
}
_CONSUMER_KEYS = (
    "Name",
    "brandName",
    "type",
    "subcategory",
    "strainType",
    "THCContent",
    "CBDContent",
    "Status",
    "comingSoon",
    "medicalOnly",
    "recOnly",
    "special",
    "isBelowThreshold",
    "optionsBelowThreshold",
    "cName",
)
_PLUS_KEYS = (
    "name",
    "category",
    "subcategory",
    "subCategory",
    "strainType",
    "potencyThc",
    "potencyCbd",
    "brandName",
    "menuTypes",
    "menuType",
    "potencyThcRangeLow",
    "potencyThcRangeHigh",
    "potencyThcUnit",
    "potencyCbdRangeLow",
    "potencyCbdRangeHigh",
    "potencyCbdUnit",
    "lowestPrice",
)
_CONSUMER_QUERY = """
query FilteredProducts($productsFilter: productsFilterInput!, $page: Int, $perPage: Int) {
  filteredProducts(filter: $productsFilter, page: $page, perPage: $perPage) {
    products {
      _id Name cName brandName type subcategory strainType Status comingSoon medicalOnly recOnly
      special Options rawOptions Prices recPrices medicalPrices recSpecialPrices
      medicalSpecialPrices isBelowThreshold optionsBelowThreshold
      THCContent { unit range } CBDContent { unit range } brand { name }
      POSMetaData { canonicalSKU children { option quantity quantityAvailable recPrice } }
      specialData { saleSpecials { specialName } bogoSpecials { specialName } }
    }
    queryInfo { totalCount totalPages }
  }
}
"""
_PLUS_QUERY = """
query Menu($retailerId: ID!, $limit: Int!, $offset: Int!) {
  menu(retailerId: $retailerId, pagination: {limit: $limit, offset: $offset}) {
    productsCount
    products {
      id name category subcategory strainType slug menuTypes brand { name } posMetaData { sku }
      potencyThc { formatted range unit } potencyCbd { formatted range unit }
      variants { id option priceRec priceMed specialPriceRec specialPriceMed quantity }
    }
  }
}
"""


class Dutchie:
    """
    The menu of a Dutchie store.

    location: id of the dispensary, or of the retailer for Plus. Options: `api`, "consumer", "plus"
    (with api_key) or "joint" (`base_url` is the list); `persisted_query`, the hash that the
    consumer API asks for in GET requests; `currency`, if it is not CAD.
    """

    code = "dutchie"
    label = "Dutchie"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first page. Raises ValueError: unknown API, no location, no key."""
        if _api(shop) not in ("consumer", "plus", "joint"):
            raise ValueError("api: has to be consumer, plus or joint")
        if _api(shop) == "plus" and not shop.api_key:
            raise ValueError("api_key: the key of the Plus API is missing")
        return (_request(shop, 0),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each option of each product. Raises SourceBroken: no menu."""
        document = read_json(page)
        refuse_errors(document)
        products, stated_count, page_count = _read_products(document)
        if products and not any(_is_product(product) for product in products):
            raise SourceBroken("The list has no products of Dutchie.")
        number = page_number(page.request)
        refuse_unexpected_empty(products, stated_count, number)
        return MenuPage(
            records=tuple(
                record
                for index, product in enumerate(products)
                for record in _read_product(product, page, shop, index)
            ),
            items=len(products),
            next_requests=_next_requests(products, stated_count, page_count, number, shop),
            stated_count=stated_count,
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of an option. Raises RecordRejected."""
        refuse_rejected(record)
        read = _read_consumer_offer if "prices" in record.payload else _read_plus_offer
        return read(record)


# Requests


def _api(shop: ShopAddress) -> str:
    return text(shop.options.get("api")) or "consumer"


def _request(shop: ShopAddress, number: int) -> PageRequest:
    if _api(shop) == "joint":
        return PageRequest(key=page_key(number), url=shop.base_url)
    location = required_location(shop, "the id of the store")
    if _api(shop) == "plus":
        variables: dict[str, Any] = {
            "retailerId": location,
            "limit": PLUS_PAGE_SIZE,
            "offset": number * PLUS_PAGE_SIZE,
        }
        return _post(shop, number, _PLUS_QUERY, variables, Authorization=f"Bearer {shop.api_key}")
    variables = {
        "productsFilter": {
            "dispensaryId": location,
            "pricingType": "rec",
            "Status": "Active",
            "types": [],
            "strainTypes": [],
            "subcategories": [],
            "useCache": False,
            "isDefaultSort": True,
            "removeProductsBelowOptionThresholds": False,
        },
        "page": number,
        "perPage": PAGE_SIZE,
    }
    query_hash = text(shop.options.get("persisted_query"))
    if not query_hash:
        return _post(shop, number, _CONSUMER_QUERY, variables)
    query = urlencode(
        {
            "operationName": "FilteredProducts",
            "variables": json.dumps(variables, separators=(",", ":")),
            "extensions": json.dumps(
                {"persistedQuery": {"version": 1, "sha256Hash": query_hash}}, separators=(",", ":")
            ),
        }
    )
    return PageRequest(
        key=page_key(number),
        url=f"{base_url(shop)}/graphql?{query}",
        headers={"Content-Type": "application/json", "apollo-require-preflight": "true"},
    )


def _post(
    shop: ShopAddress, number: int, query: str, variables: Mapping[str, Any], **headers: str
) -> PageRequest:
    body = {"query": query.strip(), "variables": variables}
    return PageRequest(
        key=page_key(number),
        url=f"{base_url(shop)}/graphql",
        method="POST",
        headers={"Content-Type": "application/json", **headers},
        body=json.dumps(body),
    )


def _next_requests(
    products: Sequence[Any],
    stated_count: int | None,
    page_count: int | None,
    number: int,
    shop: ShopAddress,
) -> tuple[PageRequest, ...]:
    page_size = PLUS_PAGE_SIZE if _api(shop) == "plus" else PAGE_SIZE
    if _api(shop) == "joint" or not products:
        has_more = False
    elif page_count is not None:
        has_more = number + 1 < page_count
    elif stated_count is not None:
        has_more = (number + 1) * page_size < stated_count
    else:
        has_more = len(products) >= page_size
    return (_request(shop, number + 1),) if has_more else ()


# Pages


def _read_products(document: Any) -> tuple[Sequence[Any], int | None, int | None]:
    """Return products, their stated number and the stated number of pages."""
    if isinstance(document, list) and len(document) == 1 and "data" in mapping(document[0]):
        document = document[0]  # a batch of one query
        refuse_errors(document)
    if isinstance(document, list):
        return document, None, None
    data = mapping(mapping(document).get("data")) or mapping(document)
    filtered, menu = mapping(data.get("filteredProducts")), mapping(data.get("menu"))
    for found in (filtered, menu, data):
        if isinstance(found.get("products"), list):
            info = mapping(found.get("queryInfo"))
            count = first_text(info.get("totalCount"), found.get("productsCount"))
            return found["products"], whole_number(count), whole_number(info.get("totalPages"))
    raise SourceBroken("The answer has no list of products.")


def _is_product(product: Any) -> bool:
    keys = mapping(product).keys()
    return "Name" in keys or "jointId" in keys or ("name" in keys and "variants" in keys)


def _read_product(product: Any, page: Page, shop: ShopAddress, index: int) -> Iterator[OfferRecord]:
    product = mapping(product)
    product_id = first_text(
        product.get("_id"), product.get("id"), product.get("posId"), product.get("jointId")
    )
    if not product_id:
        yield unidentified(page, index, "the product has no id")
    elif "Name" in product:
        yield from _read_consumer_options(product, product_id, shop)
    else:
        yield from _read_variants(product, product_id, shop)


# Consumer API


def _read_consumer_options(
    product: Mapping[str, Any], product_id: str, shop: ShopAddress
) -> Iterator[OfferRecord]:
    options = [text(option) for option in listing(product.get("Options"))] or [
        text(option) for option in listing(product.get("rawOptions"))
    ]
    if not options:
        yield rejected_record(product_id, "Options", "the product has no options")
    children = [
        mapping(child) for child in listing(mapping(product.get("POSMetaData")).get("children"))
    ]
    for position, option in enumerate(options):
        external_id = f"{product_id}:{option}"
        if options.count(option) > 1:
            yield rejected_record(external_id, "Options", f"the option {option!r} is listed twice")
            continue
        misfit = _misfit(product, len(options))
        if misfit:
            yield rejected_record(external_id, misfit, "has another length than the options")
            continue
        children_of_option = [child for child in children if text(child.get("option")) == option]
        payload = {
            "product": pick(product, _CONSUMER_KEYS),
            "brand": mapping(product.get("brand")).get("name"),
            "sku": mapping(product.get("POSMetaData")).get("canonicalSKU"),
            "specials": _special_names(product),
            "option": option,
            "prices": {
                name: values[position]
                for name, key in _PRICE_LISTS.items()
                if (values := listing(product.get(key)))
            },
            "children": [
                pick(child, ("quantity", "quantityAvailable", "recPrice"))
                for child in children_of_option
            ],
            "currency": default_currency(shop),
        }
        yield OfferRecord(external_id=external_id, payload=payload)


def _misfit(product: Mapping[str, Any], option_count: int) -> str:
    """Return the name of a list of prices that does not fit the options; ""."""
    for key in _PRICE_LISTS.values():
        values = listing(product.get(key))
        if values and len(values) != option_count:
            return key
    return ""


def _special_names(product: Mapping[str, Any]) -> dict[str, list[str]]:
    data = mapping(product.get("specialData"))
    return {
        kind: [
            name
            for special in listing(data.get(kind))
            if (
                name := first_text(
                    mapping(special).get("specialName"), mapping(special).get("name")
                )
            )
        ]
        for kind in ("saleSpecials", "bogoSpecials")
    }


def _read_consumer_offer(record: OfferRecord) -> ExtractedOffer:
    payload = record.payload
    product, prices = mapping(payload.get("product")), mapping(payload.get("prices"))
    children = [mapping(child) for child in listing(payload.get("children"))]
    rec, medical = (read_price(prices.get(key), _PRICE_LISTS[key]) for key in ("rec", "medical"))
    child_prices = [read_optional_price(child.get("recPrice"), "POSMetaData") for child in children]
    regular = only_price((rec, *child_prices), "recPrices")
    regular = _with_general_price(regular, medical, product, prices)
    specials = mapping(payload.get("specials"))
    sale_promotions = _promotions(specials.get("saleSpecials"))
    special = read_optional_price(prices.get("rec_special"), "recSpecialPrices")
    if product.get("special") is False:
        special = None
    regular, sale = settle_sale(regular, special, field="recSpecialPrices")
    sale, member = settle_member_price(sale, sale_promotions)
    medical = read_optional_price(prices.get("medical_special"), "medicalSpecialPrices") or medical
    member = medical if member is None else member
    stock, quantity = _read_consumer_stock(product, children, text(payload.get("option")))
    require_price(regular, member=member, field="recPrices", stock=stock)
    return ExtractedOffer(
        external_id=record.external_id,
        name=required_name(product.get("Name"), field="Name"),
        brand=first_text(product.get("brandName"), payload.get("brand")),
        category=_join(product.get("type"), product.get("subcategory")),
        size=_size(payload.get("option")),
        sku=text(payload.get("sku")),
        strain_type=text(product.get("strainType")),
        thc=_read_content(product.get("THCContent")),
        cbd=_read_content(product.get("CBDContent")),
        regular_price=regular,
        sale_price=sale,
        member_price=member if member != regular else None,
        promotions=sale_promotions + _promotions(specials.get("bogoSpecials")),
        currency=read_currency(payload.get("currency")),
        stock=stock,
        stock_quantity=quantity,
    )


def _with_general_price(
    rec: Decimal | None,
    medical: Decimal | None,
    product: Mapping[str, Any],
    prices: Mapping[str, Any],
) -> Decimal | None:
    """
    Return the recreational price; `Prices` where a menu has no other kind.

    `Prices` repeats the recreational or the medical price; a third price is a contradiction.
    """
    general = read_price(prices.get("price"), "Prices")
    if general is None or general == medical:
        return rec
    if rec is None:
        return None if product.get("medicalOnly") else general
    return only_price((rec, general), "Prices")


def _read_consumer_stock(
    product: Mapping[str, Any], children: Sequence[Mapping[str, Any]], option: str
) -> tuple[Stock, int | None]:
    quantities = [
        quantity
        for child in children
        if (quantity := whole_number(child.get("quantityAvailable", child.get("quantity"))))
        is not None
    ]
    quantity = sum(quantities) if quantities else None
    status = text(product.get("Status")).lower()
    if (status and status != "active") or product.get("comingSoon") is True:
        return Stock.OUT, quantity
    below = [text(entry) for entry in listing(product.get("optionsBelowThreshold"))]
    is_low = option in below or product.get("isBelowThreshold") is True
    return stock_of_quantity(quantity, is_low=is_low), quantity


# Plus and Joint


def _read_variants(
    product: Mapping[str, Any], product_id: str, shop: ShopAddress
) -> Iterator[OfferRecord]:
    """Yield a record for each option; Joint lists recreational and medical variants apart."""
    variants = [mapping(variant) for variant in listing(product.get("variants"))]
    if not variants:
        yield rejected_record(product_id, "variants", "the product has no variants")
    options = dict.fromkeys(text(variant.get("option")) for variant in variants)
    for option in options:
        of_option = [variant for variant in variants if text(variant.get("option")) == option]
        menu_types = [text(variant.get("menuType")) for variant in of_option]
        external_id = f"{product_id}:{option}"
        if len(set(menu_types)) < len(of_option):
            yield rejected_record(external_id, "variants", f"the option {option!r} is listed twice")
            continue
        payload = {
            "product": pick(product, _PLUS_KEYS),
            "brand": mapping(product.get("brand")).get("name"),
            "sku": mapping(product.get("posMetaData")).get("sku"),
            "option": option,
            "variants": [_to_variant(variant, product) for variant in of_option],
            "is_only_option": len(options) == 1,
            "currency": default_currency(shop),
        }
        yield OfferRecord(external_id=external_id, payload=payload)


def _to_variant(variant: Mapping[str, Any], product: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prices of a variant by kind."""
    specials = [
        mapping(special).get("specialName") for special in listing(variant.get("appliedSpecials"))
    ]
    quantity = variant.get("quantity")
    if "price" not in variant:
        is_medical = listing(product.get("menuTypes")) == ["MEDICAL"]
        return {
            "rec": None if is_medical else variant.get("priceRec"),
            "rec_special": None if is_medical else variant.get("specialPriceRec"),
            "medical": variant.get("priceMed"),
            "medical_special": variant.get("specialPriceMed"),
            "quantity": quantity,
            "specials": specials,
        }
    kind = "medical" if text(variant.get("menuType")).upper() == "MEDICAL" else "rec"
    return {
        kind: variant.get("price"),
        f"{kind}_special": variant.get("specialPrice"),
        "quantity": quantity,
        "specials": specials,
    }


def _read_plus_offer(record: OfferRecord) -> ExtractedOffer:
    payload = record.payload
    product = mapping(payload.get("product"))
    variants = [mapping(variant) for variant in listing(payload.get("variants"))]
    rec, medical = (
        only_price((read_price(entry.get(kind), f"{kind} price") for entry in variants), kind)
        for kind in ("rec", "medical")
    )
    rec_special, medical_special = (
        only_price(
            (read_optional_price(entry.get(kind), "special price") for entry in variants), kind
        )
        for kind in ("rec_special", "medical_special")
    )
    promotions = _promotions(
        [name for entry in variants for name in listing(entry.get("specials"))]
    )
    regular, sale = settle_sale(rec, rec_special, field="special price")
    _check_lowest_price(payload, sale or regular)
    sale, member = settle_member_price(sale, promotions)
    member = member or medical_special or medical
    quantities = [whole_number(entry.get("quantity")) for entry in variants]
    quantity = max((number for number in quantities if number is not None), default=None)
    stock = stock_of_quantity(quantity)
    require_price(regular, member=member, field="price", stock=stock)
    return ExtractedOffer(
        external_id=record.external_id,
        name=required_name(product.get("name")),
        brand=first_text(payload.get("brand"), product.get("brandName")),
        category=_join(
            product.get("category"), product.get("subcategory") or product.get("subCategory")
        ),
        size=_size(payload.get("option")),
        sku=text(payload.get("sku")),
        strain_type=""
        if product.get("strainType") == "NOT_APPLICABLE"
        else text(product.get("strainType")),
        thc=_read_plus_potency(product, "Thc"),
        cbd=_read_plus_potency(product, "Cbd"),
        regular_price=regular,
        sale_price=sale,
        member_price=member if member != regular else None,
        promotions=promotions,
        currency=read_currency(payload.get("currency")),
        stock=stock,
        stock_quantity=quantity,
    )


def _check_lowest_price(payload: Mapping[str, Any], price: Decimal | None) -> None:
    """Raise RecordRejected when Joint's lowest price of the only option is another one."""
    lowest = read_optional_price(mapping(payload.get("product")).get("lowestPrice"), "lowestPrice")
    if lowest is None or price is None or not payload.get("is_only_option"):
        return
    if lowest != price:
        raise RecordRejected(f"{lowest} differs from the price {price}", "lowestPrice")


# Facts


def _promotions(names: Any) -> tuple[Promotion, ...]:
    return tuple(
        promotion
        for name in dict.fromkeys(map(text, listing(names)))
        if (promotion := read_promotion(name)) is not None
    )


def _read_content(content: Any) -> str:
    return potency(listing(mapping(content).get("range")), mapping(content).get("unit"))


def _read_plus_potency(product: Mapping[str, Any], name: str) -> str:
    """Return a potency; "" where the written form and the unit contradict each other."""
    content = mapping(product.get(f"potency{name}"))
    if not content:
        ends = [product.get(f"potency{name}Range{end}") for end in ("Low", "High")]
        return potency(ends, product.get(f"potency{name}Unit"))
    written = text(content.get("formatted")).lower()
    unit = text(content.get("unit")).lower()
    if written and unit and ("%" in written) != (unit in ("%", "percentage", "percent")):
        return ""
    return potency(listing(content.get("range")), unit)


def _size(option: Any) -> str:
    size = text(option)
    return "" if size in _NO_OPTION else size


def _join(*levels: Any) -> str:
    names = [text(level) for level in levels]
    return " > ".join(name for name in dict.fromkeys(names) if name and name != "DEFAULT")


DUTCHIE = Dutchie()
