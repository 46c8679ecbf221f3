"""Price reader: one price in Canadian dollars, as written in English or French."""

import re
from dataclasses import dataclass
from decimal import Decimal

from catalog.ingest.cleaning.numbers import NUMBER, normalize_value, read_number, round_to
from mlops.pipelines.errors import RecordRejected

_FIELD = "price"
_BEFORE = r"(?:(?:ca|c|cad|cdn)? ?\$ ?(?:cad ?)?|(?:cad|cdn) ?)"
_AFTER = r"(?: ?\$ ?(?:cad|cdn|ca)?| ?(?:cad|cdn)(?: ?\$)?| ?ca\$)"
_PRICE = re.compile(rf"{_BEFORE}?(?P<number>{NUMBER}){_AFTER}?")
# "12.345" may be twelve dollars or twelve thousand.
_AMBIGUOUS_POINT = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_MAX_PRICE = Decimal(10_000_000)


@dataclass(frozen=True, slots=True)
class PriceReading:
    """A price in CAD with two decimals; flags: "rounded", "leading_point"."""

    price: Decimal
    flags: tuple[str, ...] = ()


def read_price(text: str, *, language: str = "") -> PriceReading:
    """
    Read a price: "27.55", "29,90 $", "1 029,90 $", "$1,299.00", "CA$31.00".

    More than two decimals are rounded and flagged; binary noise is rounded alone. Raises
    RecordRejected: missing, zero or negative, another currency, several prices, a price per unit, a
    comma or point that may separate thousands.
    """
    if not text.strip():
        raise RecordRejected("is missing", _FIELD)
    normalized = normalize_value(text, field=_FIELD)
    match = _PRICE.fullmatch(normalized)
    if not match:
        raise RecordRejected("is not a price", _FIELD)
    if _AMBIGUOUS_POINT.fullmatch(match["number"]):
        raise RecordRejected("may be a thousand or a decimal", _FIELD)
    reading = read_number(match["number"], field=_FIELD, language=language)
    if reading.value <= 0:
        raise RecordRejected("is not above zero", _FIELD)
    if reading.value >= _MAX_PRICE:
        raise RecordRejected("is too large for a price", _FIELD)
    price, is_changed = round_to(reading.value, 2)
    return PriceReading(price, (*reading.flags, *(("rounded",) if is_changed else ())))
