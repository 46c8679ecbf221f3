"""Menus of one megabyte that are built to take long: each is read, or refused, in two seconds."""

import json
from collections.abc import Callable
from time import process_time

import pytest

from competitors.ingest.offers import MenuPage, Page
from competitors.ingest.platforms import Platform
from competitors.ingest.platforms.registry import find_platform
from mlops.pipelines.errors import SourceBroken
from tests.unit.competitors.reading import SHOP, raw_page

MAX_SECONDS = 2


def _seconds(read: Callable[[], object]) -> float:
    start = process_time()
    read()
    return process_time() - start


def _read(code: str, page: Page) -> MenuPage:
    platform: Platform = find_platform(code)
    return platform.read_page(page, SHOP)


def _json_ld_page(items: list[object]) -> Page:
    graph = json.dumps({"@context": "https://schema.org", "@graph": items})
    return raw_page(f'<script type="application/ld+json">{graph}</script>')


def test_many_products_of_structured_data_are_read_in_time() -> None:
    offer = {"@type": "Offer", "price": "9.99", "priceCurrency": "CAD"}
    page = _json_ld_page(
        [{"@type": "Product", "name": "P", "sku": f"S{n}", "offers": offer} for n in range(6_500)]
    )

    seconds = _seconds(lambda: _read("structured_data", page))

    assert seconds < MAX_SECONDS


def test_many_items_with_one_id_are_read_in_time() -> None:
    page = _json_ld_page([{"@id": "x", "@type": "Product", "offers": {"@id": "x"}}] * 18_000)

    seconds = _seconds(lambda: _read("structured_data", page))

    assert seconds < MAX_SECONDS


def test_microdata_nested_too_deeply_are_refused() -> None:
    opening = '<div itemscope itemtype="https://schema.org/Product" itemprop="offers">'
    page = raw_page((opening * 200 + "</div>" * 200) * 45)

    with pytest.raises(SourceBroken, match="nested too deeply"):
        _read("structured_data", page)
