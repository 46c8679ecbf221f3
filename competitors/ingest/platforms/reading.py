"""
Readers shared by the platforms: documents, prices, promotions, potency, stock.

Prices are read strictly: what is not wholly one price is refused, never guessed.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from html import unescape
from typing import Any

from w3lib.encoding import html_to_unicode

from competitors.ingest.block_pages import find_block
from competitors.ingest.offers import OfferRecord, Page, PageRequest, Promotion, ShopAddress, Stock
from competitors.ingest.price_text import PriceReading, read_price_text
from mlops.pipelines.errors import RecordRejected, SourceBroken

# Of 16,688 prices of 263 shops, 16 are placeholders of one cent, and none is above 800.
MIN_PRICE = Decimal("0.05")
MAX_PRICE = Decimal(5_000)
CURRENCIES = frozenset(
    {"CAD", "USD", "EUR", "GBP", "AUD", "NZD", "MXN", "CHF", "JPY", "THB", "ZAR", "UYU"}
)
DEFAULT_CURRENCY = "CAD"
_CENT = Decimal("0.01")
_MAX_MINOR_UNIT = 4
_MAX_NUMBER = 10**12
_REJECTED = "rejected"
_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\u200b\ud800-\udfff]")
_DECIMAL_TEXT = re.compile(r"-?\d{1,9}(?:\.\d{1,6})?")
_MINOR_UNITS = re.compile(r"-?\d{1,12}")
_CURRENCY_SIGNS = {"C$": "CAD", "CA$": "CAD", "CAD$": "CAD", "US$": "USD", "€": "EUR", "£": "GBP"}
_NAMED_CAD = re.compile(r"CAD|CDN|\bCA?\$", re.IGNORECASE)
_MULTI_BUY = re.compile(
    r"\b(?:any |buy |get |achetez[- ]?(?:en )?)?(?P<quantity>[2-9]|1\d|20)\s*(?:x\s*)?"
    r"(?:for|pour|/|@)\s*(?:CA?)?\$?\s?(?P<total>\d{1,4}(?:[.,]\d{2})?)(?![\d%])",
    re.IGNORECASE,
)
_PROMOTION_TYPES: Sequence[tuple[str, re.Pattern[str]]] = (
    (
        "member",
        re.compile(
            r"\b(?:members?|membres?|loyalty|fidélité|rewards?|points|medical|médical|med|patients?"
            r"|veterans?|vétérans?|seniors?|aînés|students?|staff|employees?|first[- ]time|birthday"
            r"|new customers?|industry)\b",
            re.IGNORECASE,
        ),
    ),
    ("code", re.compile(r"\b(?:promo ?codes?|coupons?|use code|with code|code promo)\b", re.I)),
    (
        "bundle",
        re.compile(
            r"\b(?:bogo|b\d ?g\d|bundles?|mix (?:and|&|n) match|buy (?:one|two|\d)[^.]{0,30}\bget\b"
            r"|spend \$?\d|achetez)",
            re.IGNORECASE,
        ),
    ),
)


# Documents


def read_json(page: Page) -> Any:
    """
    Return the JSON document of a page. Raises SourceBroken: a wall, or no JSON.

    A key that an object states twice has both values as a list, which no price reader accepts.
    """
    refuse_block(page)
    try:
        document = json.loads(
            page.body.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_keep_contradictions,
        )
        return _storable(document) if _ESCAPE.search(page.body) else document
    except RecursionError as error:
        raise SourceBroken("The answer is nested too deeply.") from error
    except ValueError as error:
        if page.body.lstrip()[:1] == b"<":
            raise SourceBroken("The answer is a web page where JSON is expected.") from error
        raise SourceBroken(
            f"The answer is not JSON, or is cut off after {len(page.body)} bytes."
        ) from error


def read_html(page: Page) -> str:
    """Return the markup of a page in the encoding that it states. Raises SourceBroken: a wall."""
    refuse_block(page)
    return html_to_unicode(page.content_type, page.body)[1]


def refuse_block(page: Page) -> None:
    """Raise SourceBroken when a page stands in for a menu."""
    block = find_block(page.status, page.content_type, page.body)
    if block is not None:
        raise SourceBroken(f"No menu ({block.kind.replace('_', ' ')}): {block.reason}.")


def refuse_errors(document: Any) -> None:
    """Raise SourceBroken when a GraphQL answer lists errors, even beside data."""
    errors = mapping(document).get("errors")
    if errors:
        message = text(mapping(first(errors)).get("message")) or "no message"
        raise SourceBroken(f"The platform reports an error: {message[:200]}")


def refuse_unexpected_empty(items: Sequence[Any], stated_count: int | None, number: int) -> None:
    """Raise SourceBroken when the first page of a menu of `stated_count` items is empty."""
    if not items and number == 0 and stated_count:
        raise SourceBroken(f"The list is empty, although the menu has {stated_count} items.")


def _keep_contradictions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        for key, value in pairs:
            if document[key] != value:
                document[key] = [value, document[key]]
    return document


def _storable(value: Any) -> Any:
    """Return a document whose texts a database stores: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(entry) for key, entry in value.items()}
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


# Values


def text(value: Any) -> str:
    """Return a text or number in one line, without HTML entities; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return " ".join(_UNSTORABLE.sub("", unescape(str(value))).split())


def first_text(*values: Any) -> str:
    """Return the first text that is not empty."""
    return next((found for value in values if (found := text(value))), "")


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; {} for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> Sequence[Any]:
    """Return a JSON array; [] for anything else."""
    return value if isinstance(value, list) else []


def first(value: Any) -> Any:
    """Return the first entry of an array; None without one."""
    return next(iter(listing(value)), None)


def whole_number(value: Any) -> int | None:
    """Return a whole number, also as text or as a float without fraction; else None."""
    written = text(value)
    return int(Decimal(written)) if re.fullmatch(r"-?\d{1,12}(?:\.0+)?", written) else None


def required_name(*values: Any, field: str = "name") -> str:
    """Return the first name that is not empty. Raises RecordRejected: none."""
    name = first_text(*values)
    if not name:
        raise RecordRejected("the product has no name", field)
    return name


def pick(item: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the fields that a reader needs: no prose, no images, no counters of views."""
    return {key: item[key] for key in keys if item.get(key) is not None}


# Prices


def read_price(value: Any, field: str) -> Decimal | None:
    """
    Return a price of a machine format in major units; None: null or "".

    A number of JSON is rounded to cents; a text has to be digits with a point. Raises
    RecordRejected: another text, zero, negative, below 0.05 or above 5,000.
    """
    price = _read_amount(value, field)
    if price is None:
        return None
    return _check_price(price, field)


def read_optional_price(value: Any, field: str) -> Decimal | None:
    """Return a price as `read_price`; also None for zero, by which platforms mean "none"."""
    price = _read_amount(value, field)
    return None if price is None or price == 0 else _check_price(price, field)


def read_minor_units(value: Any, minor_unit: Any, field: str) -> Decimal | None:
    """
    Return a price that is stated in minor units, "1299" with 2; None: null or "".

    Raises RecordRejected as `read_price`, and for a text with a point or an unknown minor unit.
    """
    digits = text(value)
    if not digits:
        return None
    exponent = whole_number(minor_unit)
    if exponent is None or not 0 <= exponent <= _MAX_MINOR_UNIT:
        raise RecordRejected("the number of decimals of the currency is not stated", field)
    if not _MINOR_UNITS.fullmatch(digits):
        raise RecordRejected(f"{digits[:40]!r} is not a price in minor units", field)
    return _check_price(Decimal(digits).scaleb(-exponent), field)


def read_stated_price(written: str, field: str) -> PriceReading:
    """
    Return the prices of a text of a page: of a machine format, or for readers.

    currency: "" where the text names none. Raises RecordRejected as `read_price`, and for texts
    with several candidates.
    """
    if _DECIMAL_TEXT.fullmatch(written.strip()):
        return PriceReading(regular=read_price(written.strip(), field), currency="")
    reading = read_price_text(written)
    for price in (reading.regular, reading.sale, reading.member):
        if price is not None:
            _check_price(price, field)
    is_named = reading.currency != DEFAULT_CURRENCY or _NAMED_CAD.search(written)
    return reading if is_named else replace(reading, currency="")


def read_currency(value: Any, field: str = "currency") -> str:
    """Return the ISO code of a currency. Raises RecordRejected: unknown."""
    written = text(value).upper()
    if not written:
        raise RecordRejected("the currency is not stated; it is an option of the shop", field)
    code = _CURRENCY_SIGNS.get(written, written)
    if code not in CURRENCIES:
        raise RecordRejected(f"{written[:20]!r} is not a known currency", field)
    return code


def stated_currency(shop: ShopAddress) -> str:
    """Return the currency that the options of a shop state; "" without."""
    return text(shop.options.get("currency"))


def default_currency(shop: ShopAddress) -> str:
    """Return the currency of a shop whose platform never states one: its option, else CAD."""
    return stated_currency(shop) or DEFAULT_CURRENCY


def settle_sale(
    regular: Decimal | None, sale: Decimal | None, *, field: str
) -> tuple[Decimal | None, Decimal | None]:
    """
    Return regular and sale price; the sale price only if it is lower.

    Raises RecordRejected: the sale price is above the regular one, so one of them is wrong.
    """
    if sale is None or regular is None:
        return (regular if regular is not None else sale), None
    if sale > regular:
        raise RecordRejected(f"{sale} is above the regular price {regular}", field)
    return regular, (sale if sale < regular else None)


def only_price(candidates: Iterable[Decimal | None], field: str) -> Decimal | None:
    """Return the one price that the candidates agree on. Raises RecordRejected: they differ."""
    prices = sorted({price for price in candidates if price is not None})
    if len(prices) > 1:
        stated = ", ".join(str(price) for price in prices[:4])
        raise RecordRejected(f"several prices are stated: {stated}", field)
    return prices[0] if prices else None


def require_price(
    regular: Decimal | None,
    *,
    field: str,
    stock: Stock = Stock.UNKNOWN,
    member: Decimal | None = None,
) -> None:
    """Raise RecordRejected when everyone's price is not stated and the item is not out of stock."""
    if regular is not None or stock is Stock.OUT:
        return
    if member is not None:
        raise RecordRejected(f"only {member} for members or patients is stated", field)
    raise RecordRejected("no price is stated", field)


def _read_amount(value: Any, field: str) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise RecordRejected(f"{str(value)[:40]!r} is not a price", field)
    if isinstance(value, str):
        return _read_amount_text(value.strip(), field)
    if not abs(value) <= _MAX_NUMBER:  # also infinite
        raise RecordRejected(f"{value} is too high for a price", field)
    return Decimal(repr(value)).quantize(_CENT, ROUND_HALF_UP)


def _read_amount_text(written: str, field: str) -> Decimal:
    if not _DECIMAL_TEXT.fullmatch(written):
        raise RecordRejected(f"{written[:40]!r} is not a price", field)
    amount = Decimal(written)
    # "1.234" is a thousand and more in half of the world.
    if amount != amount.quantize(_CENT, ROUND_HALF_UP):
        raise RecordRejected(f"{written!r} has parts of a cent", field)
    return amount.quantize(_CENT)


def _check_price(price: Decimal, field: str) -> Decimal:
    if price == 0:
        raise RecordRejected("the price is zero", field)
    if price < 0:
        raise RecordRejected(f"{price} is negative", field)
    if price < MIN_PRICE:
        raise RecordRejected(f"{price} is a placeholder, not a price", field)
    if price > MAX_PRICE:
        raise RecordRejected(f"{price} is too high for a price", field)
    return price.quantize(_CENT, ROUND_HALF_UP)


# Promotions


def read_promotion(*texts: Any) -> Promotion | None:
    """
    Return the condition that texts of a promotion state; None without a text.

    "2 for $50" is a multi-buy with quantity and total; the other types are found by their words.
    """
    written = first_text(*texts)[:200]
    if not written:
        return None
    match = _MULTI_BUY.search(written)
    if match:
        total = Decimal(match["total"].replace(",", "."))
        return Promotion(
            type="multi_buy", text=written, quantity=int(match["quantity"]), total=total
        )
    kinds = (kind for kind, pattern in _PROMOTION_TYPES if pattern.search(written))
    return Promotion(type=next(kinds, "other"), text=written)


def settle_member_price(
    sale: Decimal | None, promotions: Iterable[Promotion]
) -> tuple[Decimal | None, Decimal | None]:
    """Return sale price and member price of a lower price that promotions explain."""
    types = {promotion.type for promotion in promotions}
    if types <= {"other"}:
        return sale, None
    return None, (sale if "member" in types else None)


# Facts


def potency(values: Sequence[Any], unit: Any) -> str:
    """Return a potency as "20.1%" or "20.1-22.3 mg"; "" for zeros: menus mean "unknown"."""
    numbers = sorted(
        {number for value in values if (number := plain_number(value)) not in ("", "0")},
        key=Decimal,
    )
    sign = _potency_unit(unit)
    if not numbers or not sign:
        return ""
    return f"{'-'.join(dict.fromkeys((numbers[0], numbers[-1])))}{sign}"


def plain_number(value: Any) -> str:
    """Return a number without exponent and trailing zeros; "" if it is none."""
    written = text(value)
    if not re.fullmatch(r"-?\d{1,9}(?:\.\d{1,20})?", written):
        return ""
    return f"{Decimal(written).normalize():f}"


_POTENCY_UNITS = {
    "%": "%",
    "percent": "%",
    "percentage": "%",
    "mg": " mg",
    "milligram": " mg",
    "milligrams": " mg",
    "mg/g": " mg/g",
    "milligrams_per_gram": " mg/g",
    "mg/ml": " mg/ml",
    "milligrams_per_ml": " mg/ml",
    "milligrams_per_milliliter": " mg/ml",
}


def _potency_unit(unit: Any) -> str:
    return _POTENCY_UNITS.get(text(unit).lower(), "")


def stock_of_quantity(quantity: int | None, *, is_low: bool = False) -> Stock:
    """Return the stock status of a number of pieces; None: not stated."""
    if quantity is None:
        return Stock.LOW if is_low else Stock.UNKNOWN
    if quantity <= 0:
        return Stock.OUT
    return Stock.LOW if is_low else Stock.IN_STOCK


# Pages and records


def page_key(number: int, prefix: str = "page") -> str:
    """Return the key of a page, "page-0002"."""
    return f"{prefix}-{number:04}"


def page_number(request: PageRequest) -> int:
    """Return the number of a page from its key; 0 without one."""
    match = re.search(r"(\d+)$", request.key)
    return int(match[1]) if match else 0


def base_url(shop: ShopAddress) -> str:
    """Return the base URL without a slash at its end."""
    return shop.base_url.rstrip("/")


def required_location(shop: ShopAddress, what: str) -> str:
    """Return the location. Raises ValueError: missing."""
    if not shop.location.strip():
        raise ValueError(f"location: {what} is missing")
    return shop.location.strip()


def rejected_record(external_id: str, field: str, reason: str) -> OfferRecord:
    """Return a record for a listing that cannot be read: `refuse_rejected` raises its reason."""
    return OfferRecord(
        external_id=external_id, payload={_REJECTED: {"field": field, "reason": reason}}
    )


def refuse_rejected(record: OfferRecord) -> None:
    """Raise the RecordRejected that `rejected_record` has stored."""
    rejection = mapping(record.payload.get(_REJECTED))
    if rejection:
        raise RecordRejected(text(rejection.get("reason")), text(rejection.get("field")))


def unidentified(page: Page, index: int, reason: str, field: str = "id") -> OfferRecord:
    """Return the refused record of a listing without an id."""
    return rejected_record(f"{page.request.key}#{index}", field, reason)
