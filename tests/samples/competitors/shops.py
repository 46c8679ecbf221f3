"""
Synthetic neighbor shops: real product facts of the sample suppliers, made-up prices that move.

Each shop sells a part of the assortment; its prices are a function of shop, item and day, so every
process that serves or checks them computes the same.
"""

import csv
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.samples.competitors.server import SampleShop

_SUPPLIERS = Path(__file__).parent.parent / "suppliers"
_CENT = Decimal("0.01")
_WEEKLY_SALE_SHARE = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a shop on one day."""

    id: int
    name: str
    brand: str
    category: str
    size: str
    thc: str
    plant_type: str
    sku: str
    price: Decimal
    sale_price: Decimal | None
    is_in_stock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A shop: level: its prices against those of the suppliers; share: of the assortment."""

    code: str
    name: str
    platform: str
    location: str
    level: float
    share: float


SHOPS = (
    Shop(
        code="lakeside",
        name="Lakeside Cannabis",
        platform="weedmaps",
        location="lakeside-cannabis",
        level=0.97,
        share=0.5,
    ),
    Shop(
        code="north-star",
        name="North Star Buds",
        platform="shopify",
        location="",
        level=1.04,
        share=0.6,
    ),
    Shop(
        code="old-mill",
        name="Old Mill Dispensary",
        platform="dutchie",
        location="old-mill",
        level=1.0,
        share=0.4,
    ),
)


def sample_shops(
    today: Callable[[], date] = date.today, *, max_items: int | None = None
) -> dict[str, SampleShop]:
    """
    Return the shops as the server serves them.

    today: day of their prices. max_items: of each shop; None: its whole assortment.
    """
    return {
        shop.code: SampleShop(
            platform=shop.platform,
            items={shop.location: partial(_documents, shop, today, max_items)},
        )
        for shop in SHOPS
    }


def shop_items(shop: Shop, day: date) -> list[Item]:
    """Return what a shop sells on a day, at which prices."""
    items = []
    for number, facts in enumerate(_facts()):
        fixed = random.Random(f"{shop.code} {number}")
        if fixed.random() >= shop.share:
            continue
        items.append(_item(shop, number, facts, fixed, day))
    return items


def _item(
    shop: Shop, number: int, facts: Mapping[str, str], fixed: random.Random, day: date
) -> Item:
    base = Decimal(facts["price"]) * Decimal(str(shop.level * fixed.uniform(0.92, 1.08)))
    weekly = random.Random(f"{shop.code} {number} {day.isocalendar()[:2]}")
    daily = random.Random(f"{shop.code} {number} {day}")
    price = max(Decimal(1), base * Decimal(str(daily.choice((0.95, 1, 1, 1, 1, 1, 1.05)))))
    # Shop prices end in .49 or .99.
    price = price.to_integral_value() - (_CENT if number % 2 else Decimal("0.51"))
    is_sale = weekly.random() < _WEEKLY_SALE_SHARE
    return Item(
        id=1_000_000 + number,
        name=facts["name"],
        brand=facts["brand"],
        category=facts["category"],
        size=facts["size"],
        thc=facts["thc"],
        plant_type=facts["plant_type"],
        sku=facts["sku"],
        price=price,
        sale_price=(price * Decimal("0.85")).quantize(_CENT) if is_sale else None,
        is_in_stock=daily.random() > 0.08,
    )


@cache
def _facts() -> list[dict[str, str]]:
    rows = []
    for name in ("ocs.csv", "assortment.csv"):
        with (_SUPPLIERS / name).open(newline="", encoding="utf-8") as file:
            rows += [row for row in csv.DictReader(file) if row.get("language", "en") == "en"]
    return rows


def _documents(
    shop: Shop, today: Callable[[], date], max_items: int | None
) -> Sequence[Mapping[str, Any]]:
    return _documents_on(shop, today())[:max_items]


@cache
def _documents_on(shop: Shop, day: date) -> Sequence[Mapping[str, Any]]:
    document = _DOCUMENTS[shop.platform]
    return [document(item) for item in shop_items(shop, day)]


def weedmaps_document(item: Item) -> dict[str, Any]:
    """Return a menu item of Weedmaps (JSON:API) with one price per unit."""
    return {
        "id": item.id,
        "type": "menu_item",
        "attributes": {
            "name": f"{item.name} {item.size}",
            "category_name": item.category,
            "brand_name": item.brand,
            "genetics": None,
            "license_type": "recreational",
            "is_published": True,
            "prices": {"price_unit": float(item.sale_price or item.price), "prices_other": {}},
            "measurements": _measurements(item),
            "variants": [],
            "sale": None,
            "sku": item.sku,
            "inventory_quantity": 12 if item.is_in_stock else 0,
        },
        "links": {"order": f"https://shop.example/menu/{item.id}"},
    }


def shopify_document(item: Item) -> dict[str, Any]:
    """Return a Shopify product with one variant."""
    price = item.sale_price or item.price
    handle = re.sub(r"[^a-z0-9]+", "-", item.name.lower()).strip("-")
    thc = re.findall(r"\d+(?:\.\d+)?", item.thc)
    ends = (("min", thc[0]), ("max", thc[-1])) if thc else ()
    tags = [f"thc_content_{end}--{value}" for end, value in ends]
    return {
        "id": item.id,
        "title": item.name,
        "handle": f"{handle}-{item.id}",
        "vendor": item.brand,
        "product_type": item.category,
        "tags": [f"plant_type--{item.plant_type}", *tags],
        "variants": [
            {
                "id": item.id * 10,
                "title": item.size,
                "sku": item.sku,
                "price": f"{price:.2f}",
                "compare_at_price": f"{item.price:.2f}" if item.sale_price else None,
                "available": item.is_in_stock,
            }
        ],
    }


def dutchie_document(item: Item) -> dict[str, Any]:
    """Return a product of Dutchie's consumer API with one option."""
    thc = [float(end) for end in re.findall(r"\d+(?:\.\d+)?", item.thc)]
    return {
        "_id": f"{item.id:024x}",
        "Name": item.name,
        "brandName": item.brand,
        "type": item.category,
        "strainType": item.plant_type,
        "Status": "Active",
        "special": item.sale_price is not None,
        "Options": [item.size],
        "Prices": [float(item.price)],
        "recPrices": [float(item.price)],
        "recSpecialPrices": [float(item.sale_price)] if item.sale_price else [],
        "THCContent": {"unit": "PERCENTAGE", "range": thc},
        "POSMetaData": {
            "canonicalSKU": item.sku,
            "children": [{"option": item.size, "quantity": 9 if item.is_in_stock else 0}],
        },
    }


def _measurements(item: Item) -> list[dict[str, Any]]:
    ends = re.findall(r"\d+(?:\.\d+)?", item.thc)
    return [{"name": "THC", "unit": "%", "value": float(end)} for end in dict.fromkeys(ends[-1:])]


_DOCUMENTS: dict[str, Callable[[Item], dict[str, Any]]] = {
    "weedmaps": weedmaps_document,
    "shopify": shopify_document,
    "dutchie": dutchie_document,
}
