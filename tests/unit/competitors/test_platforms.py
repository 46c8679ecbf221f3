"""Promises that every platform keeps."""

import copy
import json
import random
from typing import Any

import pytest

from competitors.ingest.offers import ExtractedOffer, OfferRecord, ShopAddress
from competitors.ingest.platforms import Platform
from competitors.ingest.platforms.registry import PLATFORMS, find_platform
from competitors.models import Competitor
from mlops.pipelines.errors import RecordRejected, SourceBroken
from tests.unit.competitors.reading import SHOP, json_page, raw_page, read_all, sample

SAMPLES = {
    "shopify": "shopify_products.json",
    "dutchie": "dutchie_plus.json",
    "jane": "jane_hits.json",
    "weedmaps": "weedmaps_menu.json",
    "sweed": "sweed_products.json",
    "dispense": "dispense_products.json",
}
WALLS = {
    "html": "<html><body><h1>Menu</h1><p>$5.00 $6.00 $7.00</p></body></html>",
    "challenge": "<html><head><title>Just a moment...</title></head><body></body></html>",
    "login": "<html><body><form><input type='password'></form></body></html>",
    "denied": "<html><title>Access Denied</title><body>Reference #18.5d2e1702</body></html>",
    "empty": "",
    "text": "error code: 1020",
    "number": "42",
    "null": "null",
    "other_object": '{"status":"ok","items_per_page":24}',
    "other_list": '[{"city":"Toronto"},{"city":"Ottawa"}]',
    "graphql_error": '{"errors":[{"message":"boom"}],"data":{"filteredProducts":{"products":[]}}}',
    "rest_error": '{"code":"rest_no_route","message":"No route","data":{"status":404}}',
    "captcha": '{"url":"https://geo.captcha-delivery.com/captcha/?x=1"}',
    "not_a_number": '{"products":[{"price":NaN}]}',
    "deep": "[" * 100_000,
}
JSON_PLATFORMS = [
    platform for code, platform in PLATFORMS.items() if code not in ("structured_data", "selectors")
]


def platform_id(value: Any) -> str:
    return value.code if hasattr(value, "code") else str(value)


@pytest.mark.parametrize("body", WALLS.values(), ids=WALLS.keys())
@pytest.mark.parametrize("platform", JSON_PLATFORMS, ids=platform_id)
def test_refuses_what_is_not_its_menu(platform: Platform, body: str) -> None:
    page = raw_page(body, content_type="application/json" if body[:1] in "{[" else "text/html")

    with pytest.raises(SourceBroken):
        platform.read_page(page, SHOP)


@pytest.mark.parametrize(("code", "name"), SAMPLES.items(), ids=SAMPLES.keys())
def test_refuses_menu_that_is_cut_off(code: str, name: str) -> None:
    body = json.dumps(sample(name))

    for share in (0.3, 0.9, 0.999):
        page = raw_page(body[: int(len(body) * share)], content_type="application/json")
        with pytest.raises(SourceBroken, match="cut off"):
            find_platform(code).read_page(page, SHOP)


@pytest.mark.parametrize(("code", "name"), SAMPLES.items(), ids=SAMPLES.keys())
def test_accounts_for_each_item(code: str, name: str) -> None:
    menu = find_platform(code).read_page(json_page(sample(name)), SHOP)

    twins = sum(len(record.payload.get("twins", [])[1:]) for record in menu.records)
    assert menu.items > 0
    assert len(menu.records) + twins >= menu.items


@pytest.mark.parametrize(("code", "name"), SAMPLES.items(), ids=SAMPLES.keys())
def test_reads_same_bytes_equally(code: str, name: str) -> None:
    page = json_page(sample(name))

    assert read_all(find_platform(code), page)[0] == read_all(find_platform(code), page)[0]


@pytest.mark.parametrize(("code", "name"), SAMPLES.items(), ids=SAMPLES.keys())
def test_broken_entry_of_a_list_is_a_refused_record(code: str, name: str) -> None:
    document = sample(name)
    items = document
    for key in ("data", "menu", "products", "hits", "list"):
        if isinstance(items, dict) and key in items:
            items = items[key]
    items.append("no product")
    items.append({"name": "Nameless", "Name": "Nameless", "price": 5})

    menu = find_platform(code).read_page(json_page(document), SHOP)
    _, rejections = read_all(find_platform(code), json_page(document))

    assert menu.items == len(items)
    assert len([key for key in rejections if "#" in key]) == 2


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=platform_id)
def test_first_requests_go_to_the_shop(platform: Platform) -> None:
    options = {
        "application_id": "APP",
        "urls": ["/menu"],
        "item": ".tile",
        "fields": {"name": "h3", "price": ".price"},
    }
    address = ShopAddress(base_url=SHOP.base_url, location="42", options=options, api_key="key")

    requests = platform.first_requests(address)

    assert requests
    assert len({request.key for request in requests}) == len(requests)
    assert all(request.url.startswith("https://shop.example/") for request in requests)
    assert all(json.loads(request.body) for request in requests if request.method == "POST")


@pytest.mark.parametrize("code", ["dutchie", "jane", "weedmaps", "leafly", "sweed", "dispense"])
def test_location_is_required(code: str) -> None:
    address = ShopAddress(base_url=SHOP.base_url, options={"application_id": "APP"}, api_key="key")

    with pytest.raises(ValueError, match="location"):
        find_platform(code).first_requests(address)


@pytest.mark.parametrize("code", ["dutchie", "weedmaps", "leafly", "dispense"])
def test_unknown_api_is_refused(code: str) -> None:
    address = ShopAddress(
        base_url=SHOP.base_url, location="42", options={"api": "soap"}, api_key="key"
    )

    with pytest.raises(ValueError, match="api"):
        find_platform(code).first_requests(address)


def test_codes_are_those_of_competitors() -> None:
    assert set(PLATFORMS) <= set(Competitor.Platform.values)
    assert all(platform.code == code for code, platform in PLATFORMS.items())


ODD_VALUES: list[Any] = [
    None,
    "",
    [],
    {},
    -1,
    0,
    "x",
    True,
    1e308,
    10**30,
    "1e5",
    ["a"],
    {"a": 1},
    [[]],
    [None],
    "\x00",
    "\ud83c",
    "12.345",
    1.005,
]


def mutated(document: Any, randomness: random.Random) -> Any:
    """Return a copy of a document with an odd value at up to four places."""
    document = copy.deepcopy(document)
    for _ in range(randomness.choice((1, 1, 2, 4))):
        container = document
        while True:
            keys = list(container) if isinstance(container, dict) else range(len(container))
            if not keys:
                break
            key = randomness.choice(keys)
            inner = container[key]
            if isinstance(inner, (dict, list)) and inner and randomness.random() < 0.9:
                container = inner
                continue
            container[key] = copy.deepcopy(randomness.choice(ODD_VALUES))
            break
    return document


def outcome(platform: Platform, record: OfferRecord) -> tuple[ExtractedOffer | None, str]:
    """Return the offer of a record, or the field for which it is refused."""
    try:
        return platform.read_record(record), ""
    except RecordRejected as error:
        return None, error.field


@pytest.mark.parametrize(("code", "name"), SAMPLES.items(), ids=SAMPLES.keys())
def test_odd_values_are_refused_or_read_but_never_an_error(code: str, name: str) -> None:
    platform, document = find_platform(code), sample(name)
    randomness = random.Random(code)

    for _ in range(150):
        page = json_page(mutated(document, randomness))
        try:
            records = platform.read_page(page, SHOP).records
        except SourceBroken:
            continue
        for record in records:
            json.dumps(record.payload, ensure_ascii=False).encode()
            assert record.external_id
            offer, rejected_field = outcome(platform, record)
            if offer is None:
                assert rejected_field
                continue
            prices = (offer.regular_price, offer.sale_price, offer.member_price)
            assert offer.name
            assert all(price is None or 0 < price <= 5_000 for price in prices)
            assert offer.sale_price is None or offer.sale_price < (offer.regular_price or 0)


def test_unknown_platform_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        find_platform("fax")
