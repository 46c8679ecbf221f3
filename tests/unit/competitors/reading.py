"""Pages, shops and samples for the tests of platforms."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from competitors.ingest.offers import ExtractedOffer, Page, PageRequest, ShopAddress
from competitors.ingest.platforms import Platform
from mlops.pipelines.errors import RecordRejected

SAMPLES = Path(__file__).parents[2] / "samples" / "competitors"
SHOP = ShopAddress(
    base_url="https://shop.example",
    location="42",
    options={"application_id": "APP"},
    api_key="key",
)


def shop(**options: Any) -> ShopAddress:
    """Return the shop with other options."""
    return ShopAddress(
        base_url=SHOP.base_url,
        location=SHOP.location,
        options={**SHOP.options, **options},
        api_key=SHOP.api_key,
    )


def sample(name: str) -> Any:
    """Return the document of a sample."""
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def json_page(document: Any, *, key: str = "page-0000") -> Page:
    """Return a page with a JSON document."""
    return raw_page(json.dumps(document).encode(), key=key, content_type="application/json")


def raw_page(
    body: bytes | str,
    *,
    key: str = "page-0000",
    content_type: str = "text/html",
    url: str = "https://shop.example/menu",
) -> Page:
    """Return a page as received."""
    return Page(
        request=PageRequest(key=key, url=url),
        url=url,
        status=200,
        content_type=content_type,
        body=body.encode() if isinstance(body, str) else body,
    )


def read_all(
    platform: Platform, page: Page, address: ShopAddress = SHOP
) -> tuple[dict[str, ExtractedOffer], dict[str, RecordRejected]]:
    """Return the offers and the rejections of a page by external id, which has to be unique."""
    offers: dict[str, ExtractedOffer] = {}
    rejections: dict[str, RecordRejected] = {}
    for record in platform.read_page(page, address).records:
        assert record.external_id not in offers | rejections
        json.dumps(record.payload)
        try:
            offers[record.external_id] = platform.read_record(record)
        except RecordRejected as error:
            rejections[record.external_id] = error
    return offers, rejections


def rejection(platform: Platform, document: Any, address: ShopAddress = SHOP) -> tuple[str, str]:
    """Return field and reason of the one rejection of a page."""
    _, rejections = read_all(platform, json_page(document), address)
    (error,) = rejections.values()
    return error.field, error.reason


def only_offer(platform: Platform, document: Any, address: ShopAddress = SHOP) -> ExtractedOffer:
    """Return the one offer of a page without rejections."""
    offers, rejections = read_all(platform, json_page(document), address)
    assert not rejections
    (offer,) = offers.values()
    return offer


def changed(item: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a copy of an item with other fields."""
    return {**item, **changes}
