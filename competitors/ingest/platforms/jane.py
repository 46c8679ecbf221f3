"""
Jane (iHeartJane) menus: answers of its Algolia index, one query or several.

A hit states a price per weight, `price_eighth_ounce`, as text or number, and up to two lower ones,
`discounted_price_…` and `special_price_…`. Each weight with a price is one offer. Potencies of 0
are unknown. `available_weights` writes blanks where the fields have underscores.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

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
    text,
    unidentified,
    whole_number,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

PAGE_SIZE = 200
DEFAULT_INDEX = "menu-products-production"
_WEIGHTS = {
    "each": "",
    "half_gram": "half gram",
    "gram": "gram",
    "two_gram": "two gram",
    "eighth_ounce": "eighth ounce",
    "quarter_ounce": "quarter ounce",
    "half_ounce": "half ounce",
    "ounce": "ounce",
}
_KEYS = (
    "objectID",
    "product_id",
    "name",
    "brand",
    "kind",
    "root_subtype",
    "category",
    "amount",
    "percent_thc",
    "percent_cbd",
    "inventory_potencies",
    "available_weights",
    "max_cart_quantity",
    "special_title",
    "store_types",
    "url_slug",
)
_STRAIN_TYPES = frozenset({"sativa", "indica", "hybrid", "cbd"})


class Jane:
    """
    The menu of a store in Jane's index.

    location: number of the store. api_key: search key of the index. Options: `application_id` of
    the index, `index`, `currency`, if it is not CAD.
    """

    code = "jane"
    label = "Jane"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first query. Raises ValueError: store, application id or key is missing."""
        if not text(shop.options.get("application_id")):
            raise ValueError("application_id: the id of the Algolia application is missing")
        if not shop.api_key:
            raise ValueError("api_key: the search key of the index is missing")
        return (_request(shop, 0),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each price of each hit. Raises SourceBroken: no hits."""
        document = read_json(page)
        refuse_errors(document)
        answer = _read_answer(document)
        hits = answer["hits"]
        if hits and not any(_is_hit(hit) for hit in hits):
            raise SourceBroken("The list has no products of Jane.")
        stated_count = whole_number(answer.get("nbHits"))
        number = page_number(page.request)
        refuse_unexpected_empty(hits, stated_count, number)
        page_count = whole_number(answer.get("nbPages")) or 0
        return MenuPage(
            records=tuple(
                record
                for index, hit in enumerate(hits)
                for record in _read_hit(hit, page, shop, index)
            ),
            items=len(hits),
            next_requests=(_request(shop, number + 1),) if number + 1 < page_count else (),
            stated_count=stated_count,
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of a product at a weight. Raises RecordRejected."""
        refuse_rejected(record)
        hit, weight = mapping(record.payload.get("hit")), text(record.payload.get("weight"))
        regular = read_price(record.payload.get("price"), f"price_{weight}")
        if regular is None:
            raise RecordRejected("no price is stated", f"price_{weight}")
        lower = _read_lower_price(record.payload, weight, regular)
        regular, sale = settle_sale(regular, lower, field=f"special_price_{weight}")
        promotions = _read_promotions(hit)
        sale, member = settle_member_price(sale, promotions)
        if [text(kind).lower() for kind in listing(hit.get("store_types"))] == ["medical"]:
            regular, sale, member = None, None, sale or regular
        stock = _read_stock(hit, weight)
        require_price(regular, member=member, field="store_types", stock=stock)
        thc, cbd = (potency([_weight_potency(hit, weight, name)], "%") for name in ("thc", "cbd"))
        strain_type = text(hit.get("category")).lower()
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(hit.get("name")),
            brand=text(hit.get("brand")),
            category=" > ".join(
                filter(None, (text(hit.get("kind")), text(hit.get("root_subtype"))))
            ),
            size=_WEIGHTS[weight] or text(hit.get("amount")),
            strain_type=strain_type if strain_type in _STRAIN_TYPES else "",
            thc=thc,
            cbd=cbd,
            regular_price=regular,
            sale_price=sale,
            member_price=member,
            promotions=promotions,
            currency=read_currency(record.payload.get("currency")),
            stock=stock,
        )


def _request(shop: ShopAddress, number: int) -> PageRequest:
    store = required_location(shop, "the number of the store")
    if not store.isdigit():
        raise ValueError("location: the number of the store has to be digits")
    index = quote(text(shop.options.get("index")) or DEFAULT_INDEX, safe="")
    query = {
        "query": "",
        "filters": f"store_id:{store}",
        "hitsPerPage": PAGE_SIZE,
        "page": number,
        "attributesToHighlight": [],
    }
    return PageRequest(
        key=page_key(number),
        url=f"{base_url(shop)}/1/indexes/{index}/query",
        method="POST",
        headers={
            "Content-Type": "application/json",
            "X-Algolia-Application-Id": text(shop.options.get("application_id")),
            "X-Algolia-API-Key": shop.api_key,
        },
        body=json.dumps(query),
    )


def _read_answer(document: Any) -> Mapping[str, Any]:
    """Return the answer with `hits`: of one query, of several, or a list of products."""
    answer = mapping(document)
    results = [mapping(result) for result in listing(answer.get("results"))]
    with_hits = [result for result in results if listing(result.get("hits"))]
    if len(with_hits) > 1:
        raise SourceBroken(f"{len(with_hits)} queries have hits where one is expected.")
    if results:
        answer = with_hits[0] if with_hits else results[0]
    if isinstance(answer.get("products"), list) and "hits" not in answer:
        products = [mapping(hit).get("search_attributes", hit) for hit in answer["products"]]
        return {**answer, "hits": products}
    if not isinstance(answer.get("hits"), list):
        raise SourceBroken("The answer has no list of hits.")
    return answer


def _is_hit(hit: Any) -> bool:
    return any(key.startswith("price_") for key in mapping(hit)) or "bucket_price" in mapping(hit)


def _read_hit(hit: Any, page: Page, shop: ShopAddress, index: int) -> Iterator[OfferRecord]:
    hit_id = text(mapping(hit).get("objectID")) or text(mapping(hit).get("product_id"))
    if not hit_id:
        yield unidentified(page, index, "the product has no id", "objectID")
        return
    weights = [weight for weight in _WEIGHTS if hit.get(f"price_{weight}") not in (None, "")]
    if not weights:
        yield rejected_record(f"{hit_id}:each", "price_each", "no price is stated")
    for weight in weights:
        payload = {
            "hit": pick(hit, _KEYS),
            "weight": weight,
            "price": hit.get(f"price_{weight}"),
            "discounted_price": hit.get(f"discounted_price_{weight}"),
            "special_price": hit.get(f"special_price_{weight}"),
            "currency": default_currency(shop),
        }
        yield OfferRecord(external_id=f"{hit_id}:{weight}", payload=payload)


def _read_lower_price(payload: Mapping[str, Any], weight: str, regular: Decimal) -> Decimal | None:
    """Return the one lower price that the two fields state; `special` may be an object."""
    special = payload.get("special_price")
    field = f"special_price_{weight}"
    if isinstance(special, dict):
        stated = read_optional_price(special.get("price"), f"{field}.price")
        only_price((regular, stated), f"{field}.price")
        special = special.get("discount_price")
    return only_price(
        (
            read_optional_price(payload.get("discounted_price"), f"discounted_price_{weight}"),
            read_optional_price(special, field),
        ),
        field,
    )


def _read_promotions(hit: Mapping[str, Any]) -> tuple[Promotion, ...]:
    promotion = read_promotion(hit.get("special_title"))
    return (promotion,) if promotion else ()


def _weight_potency(hit: Mapping[str, Any], weight: str, name: str) -> Any:
    """Return the potency of the batch at a weight; that of the product where it is the only one."""
    batches: Sequence[Mapping[str, Any]] = [
        mapping(entry) for entry in listing(hit.get("inventory_potencies"))
    ]
    for batch in batches:
        if text(batch.get("price_id")).replace(" ", "_") == weight:
            return batch.get(f"{name}_potency")
    return None if batches else hit.get(f"percent_{name}")


def _read_stock(hit: Mapping[str, Any], weight: str) -> Stock:
    """Return the stock status: a weight that is not available is out, 0 in a cart as well."""
    available = [text(entry).replace(" ", "_") for entry in listing(hit.get("available_weights"))]
    if available and weight != "each":
        return Stock.IN_STOCK if weight in available else Stock.OUT
    max_quantity = whole_number(hit.get("max_cart_quantity"))
    if max_quantity is None:
        return Stock.UNKNOWN
    return Stock.IN_STOCK if max_quantity > 0 else Stock.OUT


JANE = Jane()
